"""Coefficients as files: JSON that people read and write by name, npz for long clips."""

import io
import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .. import fields
from ..files import write_whole

PathLike = str | os.PathLike[str]
LARGEST = 2**28  # bytes, unpacked; an hour of film has 25 MB
LARGEST_NUMBER = float(np.finfo(np.float32).max)


def write_json(path: PathLike, values: NDArray[np.float32], neutral: Mapping[str, float]) -> None:
    """Write ``values`` (N, 73) as one object per frame, leaving out what is neutral.

    ``neutral`` holds every name in order. Numbers have the fewest digits that give back the same float32.
    """
    frames = [
        {name: float(str(v)) for (name, rest), v in zip(neutral.items(), row, strict=True) if v != np.float32(rest)}
        for row in values
    ]
    write_whole(path, json.dumps({"frames": frames}, indent=1).encode())


def read_json(path: PathLike) -> list[dict[str, float]]:
    """Return the named numbers of each frame.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not JSON, not ``{"frames": [{name: number, ...}, ...]}``, no frame, or far too large.
    """
    place, text = repr(os.fspath(path)), _read(path)
    try:
        content = fields.read_json(text)
    except ValueError as error:
        raise ValueError(f"path: expected a JSON file, got {place} ({error})") from error
    frames = content.get("frames")
    if not isinstance(frames, list) or not frames:
        raise ValueError(f"path: expected an object with a list 'frames' of at least one frame in {place}")
    return [_numbers(named, f"frame {number} of {place}") for number, named in enumerate(frames)]


def _numbers(named: object, where: str) -> dict[str, float]:
    """The numbers of one frame by name."""
    if not isinstance(named, dict):
        raise ValueError(f"path: expected names and numbers in {where}, got {fields.show(named)}")
    for name, value in named.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) > LARGEST_NUMBER:
            raise ValueError(f"path: expected a number for {name!r} in {where}, got {fields.show(value)}")
    return named


def write_npz(path: PathLike, values: NDArray[np.float32], names: tuple[str, ...]) -> None:
    """Write ``values`` (N, 73) and their ``names`` as a compressed npz."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, values=values, names=np.array(names))
    write_whole(path, buffer.getvalue())


def read_npz(path: PathLike) -> dict[str, NDArray[np.float32]]:
    """Return the columns (N,) by name.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not an npz of ``values`` (N, K), N at least 1, and K different ``names``.
    """
    place = repr(os.fspath(path))
    content = io.BytesIO(_read(path))
    try:
        with zipfile.ZipFile(content) as archive:
            if sum(member.file_size for member in archive.infolist()) > LARGEST:
                raise ValueError(f"it unpacks to more than {LARGEST:,} bytes")
        with np.load(content, allow_pickle=False) as arrays:
            values = np.asarray(arrays["values"], dtype=np.float32)
            names = [str(name) for name in arrays["names"]]
    except Exception as error:  # a damaged file can fail in any way
        raise ValueError(f"path: expected an npz of coefficients, got {place} ({error})") from error
    if values.ndim != 2 or len(values) == 0 or values.shape[1] != len(names):
        raise ValueError(f"path: expected values of shape (N, {len(names)}) in {place}, got {values.shape}")
    if len(set(names)) != len(names):
        raise ValueError(f"path: expected every name once in {place}")
    return dict(zip(names, values.T, strict=True))


def _read(path: PathLike) -> bytes:
    """The bytes of a file; a pipe would block for ever, and a device never end.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no ordinary file, or far too large.
    """
    file = Path(path)
    size = file.stat().st_size
    if not file.is_file() or size > LARGEST:
        raise ValueError(f"path: expected a file of at most {LARGEST:,} bytes, got {os.fspath(path)!r}")
    return file.read_bytes()
