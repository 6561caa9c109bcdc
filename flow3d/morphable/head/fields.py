"""Smooth scalar fields on the head, in head half-heights: x to the viewer's right, y up, z towards the viewer.

Only the folder ``head`` uses this upright frame; everything it hands out is turned to the project's
x right, y down, z away.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Index = NDArray[np.int64]

MOUTH_Y = -0.57  # the latitude of the lips' slit
EYE_Y = 0.03  # the latitude of the lids' slit
EYE_X = 0.285
EYE_HALF_WIDTH = 0.158
MOUTH_HALF_WIDTH = 0.225
EYE_RADIUS = 0.185
EYE_Z = 0.552  # depth of the eyeball's centre


def smoothstep(low: Array | float, high: Array | float, value: Array) -> Array:
    """Return 0 below ``low``, 1 above ``high`` and a cubic in between."""
    t = np.clip((value - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def bump(x: Array, y: Array, centre: tuple[float, float], size: tuple[float, float]) -> Array:
    """Return a Gaussian in (x, y) plus its mirror image when it is off the middle line.

    Mirrored Gaussians stay smooth across x = 0, where a field of ``abs(x)`` would leave a crease.
    """
    (cx, cy), (sx, sy) = centre, size
    tall = np.exp(-0.5 * ((y - cy) / sy) ** 2)
    wide = np.exp(-0.5 * ((x - cx) / sx) ** 2)
    if cx != 0.0:
        wide = wide + np.exp(-0.5 * ((x + cx) / sx) ** 2)
    return wide * tall


def profile(y: Array, knots: Sequence[float], values: Sequence[float]) -> Array:
    """Join ``values`` at ``knots`` by straight lines and round them off, so that a silhouette has no kinks."""
    fine = np.linspace(knots[0], knots[-1], 400)
    kernel = np.hanning(41)
    padded = np.pad(np.interp(fine, knots, values), 20, mode="edge")
    smooth = np.convolve(padded, kernel / kernel.sum(), mode="valid")
    return np.interp(y, fine, smooth)
