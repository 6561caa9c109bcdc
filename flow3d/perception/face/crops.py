"""Squares cut from a picture for a network: upright ones with black outside, and turned ones around a face."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

Planes = Float32[np.ndarray, "3 H W"]  # a picture in [-1, 1], channel by channel
BLACK = -1.0


def planes_of(image: Float[Tensor, "3 H W"]) -> Planes:
    """A checked image as numbers that OpenCV takes, in memory of this machine; float32 images are not copied."""
    return image.detach().to("cpu", torch.float32).contiguous().numpy()


def shrunk(planes: Planes, most: int) -> tuple[Float32[np.ndarray, "3 Y X"], float]:
    """The picture with a longer side of ``most`` pixels at most, averaged, and how many times smaller it became."""
    height, width = planes.shape[1:]
    ratio = max(height, width) / most
    if ratio <= 1:
        return planes, 1.0
    size = (max(1, round(width / ratio)), max(1, round(height / ratio)))
    return resized(planes, size), ratio


def resized(planes: Float32[np.ndarray, "C H W"], size: tuple[int, int]) -> Float32[np.ndarray, "C Y X"]:
    """Another width and height (``size``), channel by channel: averaged where it shrinks, linear where it grows."""
    way = cv2.INTER_AREA if size[0] * size[1] < planes.shape[1] * planes.shape[2] else cv2.INTER_LINEAR
    return np.stack([cv2.resize(plane, size, interpolation=way) for plane in planes])


@dataclass(frozen=True)
class Square:
    """An upright square of whole pixels, which may reach beyond the picture."""

    left: int
    top: int
    side: int

    def cut(self, planes: Planes, size: int) -> Float32[np.ndarray, "3 S S"]:
        """The square at ``size`` pixels; what lies outside of the picture is black."""
        height, width = planes.shape[1:]
        x, y = (
            slice(max(self.left, 0), min(self.left + self.side, width)),
            slice(max(self.top, 0), min(self.top + self.side, height)),
        )
        whole = np.full((3, self.side, self.side), BLACK, np.float32)
        whole[:, y.start - self.top : y.stop - self.top, x.start - self.left : x.stop - self.left] = planes[:, y, x]
        return whole if self.side == size else resized(whole, (size, size))


@dataclass(frozen=True, eq=False)
class Turned:
    """A square around a face, turned as the face is.

    Attributes:
        centre: (x, y) in pixels; an integer is a pixel's centre.
        side: pixels.
        angle: radians, clockwise.
    """

    centre: Float[np.ndarray, " 2"]
    side: float
    angle: float

    @property
    def axes(self) -> Float[np.ndarray, "2 2"]:
        """Columns: where the square's right and its down point in the picture."""
        c, s = np.cos(self.angle), np.sin(self.angle)
        return np.array([[c, -s], [s, c]])

    def cut(self, planes: Planes, size: int) -> Float32[np.ndarray, "3 S S"]:
        """The square at ``size`` pixels; beyond the picture its edge goes on.

        Only the part of the picture that the square touches is looked at; where it is larger than ``size``, that part
        is averaged first, since sampling alone would skip pixels.
        """
        height, width = planes.shape[1:]
        reach = self.side * (abs(self.axes[0]).sum() / 2) + 2
        low = np.floor(self.centre - reach).astype(int).clip(0, (width - 1, height - 1))
        high = np.ceil(self.centre + reach).astype(int).clip(0, (width - 1, height - 1)) + 1
        part = planes[:, low[1] : high[1], low[0] : high[0]]
        small, ratio = part, np.ones(2)
        if self.side > size:
            shape = np.ceil((high - low) * (size / self.side)).astype(int)
            small, ratio = resized(part, (int(shape[0]), int(shape[1]))), (high - low) / shape
        step = self.axes * (self.side / size)
        first = self.centre + step @ np.full(2, 0.5 - size / 2)  # of the square's first pixel, in the picture
        first = (first - low + 0.5) / ratio - 0.5
        matrix = np.column_stack([step / ratio[:, None], first])
        flags, edge = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, cv2.BORDER_REPLICATE
        return np.stack([cv2.warpAffine(p, matrix, (size, size), flags=flags, borderMode=edge) for p in small])

    def out(self, points: Float[np.ndarray, "N 2"], size: int) -> Float[np.ndarray, "N 2"]:
        """Positions in the square of ``size``, whose edges are 0 and ``size``, as positions in the picture."""
        return (points - size / 2) @ self.axes.T * (self.side / size) + self.centre
