"""The inputs of ``flow3d reenact``: a picture and its matte, coefficients, and the driving motion."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from zipfile import BadZipFile, ZipFile

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from .. import assets
from ..datasets.clip_files import load_clip
from ..datasets.video_files import has_face, read_frames
from ..morphable import Coefficients
from ..perception.regressor import SIZE, shipped_regressor
from ..preprocessing.images import mask_from_bytes, middle_square, read_image, to_uint8
from ..sizes import WINDOW
from .messages import complain, naming
from .parser import nearest

CLIPS = "clips"  # folder of the shipped clips
CHUNK = 64  # frames of a film that the regressor sees together
Rgb = UInt8[np.ndarray, "H W 3"]


def read_rgb(file: str, option: str) -> Rgb:
    """A picture of any size.

    Raises:
        ValueError: no such file, or no picture; it names ``option``.
    """
    with naming(option):
        return to_uint8(read_image(file))


def warn_of_no_face(frames: Float[Tensor, "N 3 S S"], option: str) -> None:
    """Warn if no face is seen, since the output would mean nothing."""
    if not has_face(frames):
        complain(f"warning: {option}: no face that looks ahead was found; the output may mean nothing")


def read_matte(file: str, like: Rgb, size: int) -> Float[Tensor, "1 S S"]:
    """A grey picture as the matte of ``like``: white is the person; cut and resized as the source is.

    Raises:
        ValueError: no such file, no picture, coloured, of another size than ``like``, or all black.
    """
    rgb = read_rgb(file, "--matte")
    if rgb.shape != like.shape:
        height, width = like.shape[:2]
        got = f"{rgb.shape[1]} x {rgb.shape[0]}"
        raise ValueError(f"--matte: expected {width} x {height} pixels as SOURCE has, got {got} in {file!r}")
    if not (rgb == rgb[..., :1]).all():
        raise ValueError(f"--matte: expected a grey picture, got a coloured one in {file!r}")
    if not rgb.any():
        raise ValueError(f"--matte: expected the person in white, got only black in {file!r}")
    return mask_from_bytes(torch.from_numpy(middle_square(rgb, size)[..., 0].copy()))[None]


def read_coefficients(file: str) -> Coefficients:
    """Coefficients from a .json or .npz file; the .npz may also be a clip.

    Raises:
        FileNotFoundError: no such file.
        ValueError: another ending, or another content.
    """
    path = Path(file)
    if not path.is_file():
        raise FileNotFoundError(f"path: expected a file of coefficients, found none at {file!r}")
    if path.suffix.lower() == ".json":
        return Coefficients.from_json(path)
    if path.suffix.lower() != ".npz":
        raise ValueError(f"path: expected a file that ends in .json or .npz, got {file!r}")
    return load_clip(path).coefficients if _is_clip(path) else Coefficients.from_npz(path)


def _is_clip(path: Path) -> bool:
    try:
        with ZipFile(path) as arrays:
            return "frames.npy" in arrays.namelist()
    except BadZipFile:
        return False


def read_window(file: str) -> Float[Tensor, "73 27"]:
    """The source's window: one frame repeated, or 27 frames with the picture in the middle.

    Raises:
        ValueError: no such file, another content, or another number of frames.
    """
    with naming("--source-coefficients"):
        coefficients = read_coefficients(file)
        if len(coefficients) not in (1, WINDOW):
            raise ValueError(f"frames: expected 1, or {WINDOW} around the picture; got {len(coefficients)} in {file!r}")
        return coefficients.windows()[len(coefficients) // 2]


def read_driving(name: str) -> Coefficients:
    """The driving motion: of a shipped clip by its name, a file of coefficients, or a film or folder of frames.

    Raises:
        ValueError: none of these.
    """
    with naming("DRIVING"):
        if Path(name).name == name and name in shipped_clips():
            return load_clip(assets.path(f"{CLIPS}/{name}.npz")).coefficients
        if Path(name).suffix.lower() in (".json", ".npz"):
            return read_coefficients(name)
        if not Path(name).exists():
            clips, near = ", ".join(shipped_clips()), nearest(name, shipped_clips())
            raise ValueError(f"expected a shipped clip ({clips}), coefficients, a film or a folder, got {name!r}{near}")
        return coefficients_of(name)


def shipped_clips() -> list[str]:
    """The names of the clips that come with the package."""
    return sorted(file.stem for file in assets.path(CLIPS).glob("*.npz"))


def coefficients_of(film: str) -> Coefficients:
    """The shipped regressor's estimates for every frame of a film; memory does not grow with its pixels.

    Raises:
        FileNotFoundError: no such film or folder.
        ValueError: no frame can be read.
    """
    chunks: list[Tensor] = []
    frames = read_frames(film, SIZE)
    while chunk := list(islice(frames, CHUNK)):
        together = torch.stack(chunk)
        if not chunks:
            warn_of_no_face(together, "DRIVING")
        chunks.append(shipped_regressor().predict(together).values)
    if not chunks:
        raise ValueError(f"path: expected frames of a film or a folder, got none in {film!r}")
    return Coefficients(torch.cat(chunks))
