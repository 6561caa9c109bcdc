"""Animated PNG and GIF, written picture by picture: memory does not grow with the film."""

from __future__ import annotations

import io
import math
import struct
import zlib
from collections.abc import Iterable, Iterator
from fractions import Fraction

import cv2
import numpy as np
from jaxtyping import UInt8

Picture = UInt8[np.ndarray, "H W 3"]
SIGNATURE = b"\x89PNG\r\n\x1a\n"
LOOPED = b"\x21\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00"  # the block that lets a GIF play for ever
FASTEST = {".png": 1000, ".gif": 50}  # frames a second; browsers slow down GIF frames of less than 20 ms
SLOWEST = 0.01


def check_rate(fps: float, suffix: str = ".png") -> None:
    """Raise ValueError, naming ``fps``, unless a film of that kind can have this rate."""
    if not SLOWEST <= fps <= FASTEST[suffix]:
        limits = f"from {SLOWEST} to {FASTEST[suffix]} in a {suffix}"
        raise ValueError(f"fps: expected a positive number of frames a second, {limits}; got {fps}")


def encode_png(stream: io.BufferedIOBase, pictures: Iterable[Picture], fps: float, note: bytes = b"") -> int:
    """Write pictures as a looping animated PNG; return how many there were.

    Args:
        stream: open for writing, and seekable.
        pictures: of one size.
        fps: frames a second.
        note: a comment in the file.

    Raises:
        ValueError: no pictures, a rate that a film cannot have, or different sizes.
    """
    check_rate(fps)
    rate = Fraction(fps).limit_denominator(max(1, math.floor(65535 / fps)) if fps > 1 else 65535)
    start, number, chunks = stream.tell(), 0, 0
    for number, picture in enumerate(of_one_size(pictures), 1):
        header, pixels = png_parts(picture)
        if number == 1:
            stream.write(SIGNATURE + chunk(b"IHDR", header) + chunk(b"acTL", struct.pack(">II", 0, 0)))
            stream.write(chunk(b"tEXt", b"Comment\0" + note) if note else b"")
        height, width = picture.shape[:2]
        delay = struct.pack(">HHBB", rate.denominator, rate.numerator, 0, 0)
        stream.write(chunk(b"fcTL", struct.pack(">IIIII", chunks, width, height, 0, 0) + delay))
        if number == 1:
            stream.write(chunk(b"IDAT", pixels))
        else:
            stream.write(chunk(b"fdAT", struct.pack(">I", chunks + 1) + pixels))
        chunks += 1 if number == 1 else 2
    stream.write(chunk(b"IEND", b""))
    stream.seek(start + len(SIGNATURE) + 25)  # behind the header chunk: length 4, name 4, body 13, checksum 4
    stream.write(chunk(b"acTL", struct.pack(">II", number, 0)))
    stream.seek(0, io.SEEK_END)
    return number


def png_parts(picture: Picture) -> tuple[bytes, bytes]:
    """The header and the compressed pixels of a picture as OpenCV writes it."""
    _, encoded = cv2.imencode(".png", np.ascontiguousarray(picture[..., ::-1]), [cv2.IMWRITE_PNG_COMPRESSION, 6])
    content, place, parts = encoded.tobytes(), len(SIGNATURE), {b"IHDR": b"", b"IDAT": b""}
    while place < len(content):
        length, name = struct.unpack_from(">I4s", content, place)
        if name in parts:
            parts[name] += content[place + 8 : place + 8 + length]
        place += 12 + length
    return parts[b"IHDR"], parts[b"IDAT"]


def chunk(name: bytes, body: bytes) -> bytes:
    """A chunk of a PNG: length, name, body, checksum."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def encode_gif(stream: io.BufferedIOBase, pictures: Iterable[Picture], fps: float, note: bytes = b"") -> int:
    """Write pictures as a looping GIF, each with 256 colours of its own; arguments and errors as :func:`encode_png`."""
    from PIL import Image
    from PIL.GifImagePlugin import getdata

    check_rate(fps, ".gif")
    number = 0
    for number, picture in enumerate(of_one_size(pictures), 1):
        if number == 1:
            height, width = picture.shape[:2]
            stream.write(b"GIF89a" + struct.pack("<HHBBB", width, height, 0x70, 0, 0) + LOOPED)
            stream.write(b"\x21\xfe" + bytes([len(note)]) + note + b"\0" if note else b"")
        hundredths = round(100 * number / fps) - round(100 * (number - 1) / fps)
        image = Image.fromarray(np.ascontiguousarray(picture)).quantize(256)
        for block in getdata(image, duration=10 * hundredths, include_color_table=True, interlace=0):
            stream.write(block)
    stream.write(b"\x3b")
    return number


def of_one_size(pictures: Iterable[Picture]) -> Iterator[Picture]:
    """The pictures, as they come.

    Raises:
        ValueError: there is none, or one of another size than the first.
    """
    first = None
    for picture in pictures:
        first = picture.shape if first is None else first
        if picture.shape != first:
            raise ValueError(f"frames: expected one size, got {first[:2]} and {picture.shape[:2]}")
        yield picture
    if first is None:
        raise ValueError("frames: expected at least one, got none")
