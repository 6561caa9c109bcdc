"""A folder of videos -> clips (N,3,S,S); videos that cannot be used are listed with their reasons."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from ..checks import Whole, check_integer
from ..preprocessing.images import from_uint8, middle_square, read_image, to_uint8

VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v")
IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
LOOKS = 9  # frames of a clip that are searched for a face; a face in one is enough
SIDES = (128, 192)  # pixels to which a frame is resized first: the detector's window of 24 misses small and huge faces


@dataclass(frozen=True, eq=False)
class Videos:
    """The clips of a folder by name, (N,3,S,S) in [-1, 1], and the reasons of those that were skipped."""

    clips: dict[str, Float[Tensor, "N 3 S S"]]
    skipped: dict[str, str]


def read_video(path: str | os.PathLike[str], size: Whole, most: Whole | None = None) -> Float[Tensor, "N 3 S S"]:
    """Read a video file, or a folder of images in the order of their names; the largest centred square, resized.

    Args:
        path: the file or folder.
        size: side of the frames in pixels.
        most: frames to read at most; None reads all.

    Raises:
        FileNotFoundError: neither a file nor a folder.
        ValueError: it cannot be decoded, images of different sizes, or fewer than two frames.
    """
    frames = list(read_frames(path, size, most))
    if len(frames) < 2:
        raise ValueError(f"path: expected two frames or more, got {len(frames)} in {os.fspath(path)!r}")
    return torch.stack(frames)


def read_frames(
    path: str | os.PathLike[str], size: Whole, most: Whole | None = None
) -> Iterator[Float[Tensor, "3 S S"]]:
    """The frames of :func:`read_video`, one at a time, so that memory does not grow with the clip.

    Args and errors as there, but a clip may have one frame, or none.
    """
    size = check_integer(size, "size", 16)
    most = None if most is None else check_integer(most, "most", 2)
    source, name = Path(path), os.fspath(path)
    if not (source.is_dir() or source.is_file()):
        raise FileNotFoundError(f"path: expected a video or a folder of images, found none at {name!r}")
    pictures = _pictures(source) if source.is_dir() else _decode(source)
    for rgb in itertools.islice(pictures, most):
        yield from_uint8(middle_square(rgb, size))


def _pictures(folder: Path) -> Iterator[UInt8[np.ndarray, "H W 3"]]:
    sizes = set()
    for file in sorted(file for file in folder.iterdir() if file.suffix.lower() in IMAGES):
        rgb = to_uint8(read_image(file))
        sizes.add(f"{rgb.shape[1]} x {rgb.shape[0]}")
        if len(sizes) > 1:
            raise ValueError(f"path: expected images of one size, got {', '.join(sorted(sizes))} in {str(folder)!r}")
        yield rgb


def _decode(file: Path) -> Iterator[UInt8[np.ndarray, "H W 3"]]:
    stream = cv2.VideoCapture(str(file))
    try:
        while True:
            more, bgr = stream.read()
            if not more:
                break
            yield np.ascontiguousarray(bgr[..., ::-1])
    finally:
        stream.release()


def read_videos(
    folder: str | os.PathLike[str], size: Whole, *, most: Whole | None = None, face_check: bool = True
) -> Videos:
    """Read all videos of a folder, and its sub-folders of images.

    Args:
        folder: where they lie.
        size: side of the frames in pixels.
        most: frames to read of each at most.
        face_check: leave out clips in which no face is found; see :func:`has_face`.

    Raises:
        FileNotFoundError: no such folder.
        ValueError: it holds no video at all.
    """
    root = Path(folder)
    if not root.is_dir():
        raise FileNotFoundError(f"folder: expected a folder of videos, found none at {os.fspath(folder)!r}")
    entries = sorted(p for p in root.iterdir() if p.is_dir() or p.suffix.lower() in VIDEOS)
    if not entries:
        raise ValueError(
            f"folder: expected {', '.join(VIDEOS)} or folders of images in {os.fspath(folder)!r}, got none"
        )
    videos = Videos({}, {})
    for entry in entries:
        try:
            frames = read_video(entry, size, most)
        except (OSError, ValueError) as error:
            videos.skipped[entry.name] = str(error)
            continue
        if face_check and not has_face(frames):
            videos.skipped[entry.name] = f"no face found in {min(LOOKS, len(frames))} of its frames"
        else:
            videos.clips[entry.name] = frames
    return videos


@cache
def _cascade() -> Any:
    from skimage.data import lbp_frontal_face_cascade_filename
    from skimage.feature import Cascade

    return Cascade(lbp_frontal_face_cascade_filename())


def has_face(frames: Float[Tensor, "N 3 S S"]) -> bool:
    """Whether scikit-image's cascade (local binary patterns, frontal faces) finds a face in one of nine frames.

    Of 16 procedural heads, 9 frames each at 64 px, it found 13, and nothing in their 16 backgrounds: it misses some
    faces, but what it finds is a face.
    """
    for k in np.linspace(0, len(frames) - 1, min(LOOKS, len(frames))).round().astype(int):
        rgb = to_uint8(frames[k])
        for side in SIDES:
            large = cv2.resize(rgb, (side, side), interpolation=cv2.INTER_CUBIC)
            least = int(0.3 * side)
            if _cascade().detect_multi_scale(
                img=large, scale_factor=1.1, step_ratio=1, min_size=(least, least), max_size=(side, side)
            ):
                return True
    return False
