"""Generated frames as a film or as a folder of pictures, written as they come and marked as generated."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterable
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from .film_formats import FASTEST, check_rate, encode_gif, encode_png
from .images import MARK, to_uint8, write_image

FRAMES = "frame_*.png"  # names in a folder of frames


def write_film(path: str | os.PathLike[str], frames: Iterable[Float[Tensor, "3 H W"]], fps: float = 25.0) -> int:
    """Write generated frames as a looping film, marked inside as generated; return how many there were.

    Each frame is written before the next is taken, so that memory does not grow with the film. An animated PNG
    keeps every pixel, rounded to 8 bits. In a GIF each frame has 256 colours of its own, and the rate is kept on
    average, in steps of 10 ms. The file is whole or not there.

    Args:
        path: ends in .png or .gif.
        frames: images in [-1, 1] of one size.
        fps: frames a second, from 0.01 to 1000, or to 50 in a GIF.

    Raises:
        FileNotFoundError: the folder of ``path`` does not exist.
        ValueError: another suffix or rate, no frames, or frames of different sizes.
    """
    file = Path(path)
    suffix = file.suffix.lower()
    if suffix not in FASTEST:
        raise ValueError(f"path: expected a name ending in .gif or .png, got {os.fspath(path)!r}")
    check_rate(fps, suffix)
    encode = encode_png if suffix == ".png" else encode_gif
    part = _unfinished(file)
    try:
        with part.open("xb") as stream:
            count = encode(stream, map(to_uint8, frames), fps, MARK)
        os.replace(part, file)
    finally:
        part.unlink(missing_ok=True)
    return count


def write_frames(folder: str | os.PathLike[str], frames: Iterable[Float[Tensor, "3 H W"]]) -> int:
    """Write generated frames as frame_00000.png and so on, each marked as generated; return how many there were.

    They are written aside first: the folder gets all of them, or stays as it was.

    Args:
        folder: made if its parent exists. In an existing one, the frames of an earlier call are replaced.
        frames: images in [-1, 1].

    Raises:
        FileNotFoundError: the parent of ``folder`` does not exist.
        ValueError: no frames.
    """
    target, count = Path(folder).resolve(), 0
    part = _unfinished(target / "frames" if target.is_dir() else target)
    part.mkdir()
    try:
        for count, frame in enumerate(frames, 1):
            write_image(part / f"frame_{count - 1:05d}.png", frame, generated=True)
        if count == 0:
            raise ValueError("frames: expected at least one, got none")
        if target.is_dir():
            _replace_frames(target, part)
        else:
            os.replace(part, target)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return count


def _replace_frames(target: Path, part: Path) -> None:
    new = sorted(part.iterdir())
    for file in new:
        os.replace(file, target / file.name)
    for file in set(target.glob(FRAMES)) - {target / file.name for file in new}:
        file.unlink()


def _unfinished(place: Path) -> Path:
    """A hidden name beside ``place``, for files that are not complete yet."""
    if not place.parent.is_dir():
        raise FileNotFoundError(f"path: expected a place in an existing folder, got {os.fspath(place)!r}")
    return place.with_name(f".{secrets.token_hex(8)}.part")
