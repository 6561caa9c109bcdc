"""Checks of whole numbers that many functions take; the message names the argument."""

from numbers import Integral

import numpy as np

Whole = int | np.integer  # seeds and counts come from numpy too
SIZES = tuple(2**k for k in range(4, 12))


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
