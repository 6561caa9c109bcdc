"""Image files in and out: (3,H,W) float32 in [-1, 1] on this side, any file OpenCV reads on the other."""

import os
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from ..files import write_whole


def from_uint8(rgb: UInt8[np.ndarray, "H W 3"]) -> Float[Tensor, "3 H W"]:
    """Turn 8-bit RGB (H,W,3) into an image (3,H,W) in [-1, 1].

    Raises:
        TypeError: not a uint8 array.
        ValueError: not three channels, or no pixels.
    """
    if not isinstance(rgb, np.ndarray) or rgb.dtype != np.uint8:
        raise TypeError(f"rgb: expected a uint8 array (H, W, 3), got {getattr(rgb, 'dtype', type(rgb).__name__)}")
    if rgb.ndim != 3 or rgb.shape[2] != 3 or 0 in rgb.shape:
        raise ValueError(f"rgb: expected shape (H, W, 3), got {rgb.shape}")
    return torch.from_numpy(np.ascontiguousarray(rgb)).permute(2, 0, 1).float() / 127.5 - 1


def to_uint8(image: Float[Tensor, "3 H W"]) -> UInt8[np.ndarray, "H W 3"]:
    """Turn an image (3,H,W) in [-1, 1] into 8-bit RGB (H,W,3), rounded; values outside are cut."""
    check_image(image, "image")
    scaled = ((image.detach().cpu().float() + 1) * 127.5).round().clamp(0, 255)
    return np.ascontiguousarray(scaled.permute(1, 2, 0).numpy().astype(np.uint8))


def check_image(image: Tensor, argument: str) -> None:
    """Raise TypeError or ValueError, naming ``argument``, unless it is a finite float image (3,H,W)."""
    if not isinstance(image, torch.Tensor) or not image.is_floating_point():
        kind = image.dtype if isinstance(image, torch.Tensor) else type(image).__name__
        raise TypeError(f"{argument}: expected a float tensor (3, H, W) in [-1, 1], got {kind}")
    if image.ndim != 3 or image.shape[0] != 3 or 0 in image.shape:
        raise ValueError(f"{argument}: expected three channels, shape (3, H, W), got {tuple(image.shape)}")
    if not torch.isfinite(image).all():
        raise ValueError(f"{argument}: expected finite numbers, got NaN or infinity")


def read_image(path: str | os.PathLike[str]) -> Float[Tensor, "3 H W"]:
    """Read an image file as (3,H,W) in [-1, 1]; grey becomes RGB, transparency is dropped, EXIF rotation is applied.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not an image that can be read.
    """
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"path: expected an image file, found none at {os.fspath(path)!r}")
    content = np.frombuffer(file.read_bytes(), dtype=np.uint8)  # OpenCV's own reader fails on some paths of Windows
    bgr = cv2.imdecode(content, cv2.IMREAD_COLOR) if len(content) else None
    if bgr is None:
        raise ValueError(f"path: expected an image that OpenCV can decode, got {os.fspath(path)!r}")
    return from_uint8(np.ascontiguousarray(bgr[..., ::-1]))


def write_image(path: str | os.PathLike[str], image: Float[Tensor, "3 H W"]) -> None:
    """Write an image (3,H,W) in [-1, 1]; the suffix chooses the format. The file is whole or not there.

    Raises:
        ValueError: no such format, or not an image.
    """
    file = Path(path)
    rgb = to_uint8(image)
    try:
        done, content = cv2.imencode(file.suffix or ".", np.ascontiguousarray(rgb[..., ::-1]))
    except cv2.error:
        done = False
    if not done:
        raise ValueError(f"path: expected a name ending in .png, .jpg or another image format, got {os.fspath(path)!r}")
    write_whole(file, content.tobytes())
