"""Coefficients as files: JSON that people read and write by name, npz for long clips."""

import io
import json
import os
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..files import write_whole

PathLike = str | os.PathLike[str]


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
        ValueError: not JSON, not ``{"frames": [{name: number, ...}, ...]}``, or no frame.
    """
    shown = repr(os.fspath(path))
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"path: expected a JSON file, got {shown} ({error})") from error
    frames = content.get("frames") if isinstance(content, dict) else None
    if not isinstance(frames, list) or not frames:
        raise ValueError(f"path: expected an object with a list 'frames' of at least one frame in {shown}")
    for number, named in enumerate(frames):
        if not isinstance(named, dict):
            raise ValueError(f"path: expected names and numbers in frame {number} of {shown}, got {named!r}")
        for name, value in named.items():
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise ValueError(f"path: expected a number for {name!r} in frame {number} of {shown}, got {value!r}")
    return frames


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
    shown = repr(os.fspath(path))
    try:
        # opened here, since np.load names no file and leaves a broken one open
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            values = np.asarray(arrays["values"], dtype=np.float32)
            names = [str(name) for name in arrays["names"]]
    except FileNotFoundError:
        raise
    except (ValueError, TypeError, KeyError, EOFError, OSError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"path: expected an npz of coefficients, got {shown} ({error})") from error
    if values.ndim != 2 or len(values) == 0 or values.shape[1] != len(names):
        raise ValueError(f"path: expected values of shape (N, {len(names)}) in {shown}, got {values.shape}")
    if len(set(names)) != len(names):
        raise ValueError(f"path: expected every name once in {shown}")
    return dict(zip(names, values.T, strict=True))
