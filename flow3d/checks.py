"""Checks of what many functions take, whole numbers and pictures; the message names the argument."""

from numbers import Integral

import numpy as np
import torch
from torch import Tensor

Whole = int | np.integer  # seeds and counts come from numpy too
SIZES = tuple(2**k for k in range(4, 12))
ROUNDING = 1e-3  # by which a picture may leave [-1, 1]: filters overshoot by rounding


def check_integer(value: object, argument: str, least: int) -> int:
    """Return ``value`` as an int.

    Raises:
        TypeError: not an integer (a numpy integer is one, True and 3.0 are not).
        ValueError: below ``least``.
    """
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{argument}: expected an integer, got {value!r} of type {type(value).__name__}")
    number = int(value)
    if number < least:
        raise ValueError(f"{argument}: expected {least} or more, got {number}")
    return number


def check_size(size: object, argument: str = "size") -> int:
    """Return the side of an image in pixels.

    Raises:
        TypeError: not an integer.
        ValueError: not a power of two from 16 to 2048.
    """
    number = check_integer(size, argument, 1)
    if number not in SIZES:
        raise ValueError(f"{argument}: expected a power of two from {SIZES[0]} to {SIZES[-1]}, got {number}")
    return number


def check_image(image: Tensor, argument: str) -> None:
    """Raise TypeError or ValueError, naming ``argument``, unless it is a finite float image (3,H,W)."""
    if not isinstance(image, torch.Tensor) or not image.is_floating_point():
        kind = image.dtype if isinstance(image, torch.Tensor) else type(image).__name__
        raise TypeError(f"{argument}: expected a float tensor (3, H, W) in [-1, 1], got {kind}")
    if image.ndim != 3 or image.shape[0] != 3 or 0 in image.shape:
        raise ValueError(f"{argument}: expected three channels, shape (3, H, W), got {tuple(image.shape)}")
    if image.is_meta or image.layout != torch.strided:
        raise ValueError(f"{argument}: expected numbers in memory, got a {image.layout} tensor on {image.device}")
    if not torch.isfinite(image).all():
        raise ValueError(f"{argument}: expected finite numbers, got NaN or infinity")


def check_picture(image: Tensor, argument: str) -> None:
    """As :func:`check_image`; numbers outside of [-1, 1], such as those of 8-bit pixels, raise ValueError too."""
    check_image(image, argument)
    low, high = (float(v) for v in image.detach().aminmax())
    if low < -1 - ROUNDING or high > 1 + ROUNDING:
        raise ValueError(f"{argument}: expected numbers in [-1, 1], got {low:.3g} to {high:.3g}")
