"""Five facial landmarks, typed by hand or found by a detector, and the crop that they define."""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from .images import from_uint8, to_uint8

# "left" and "right" are the viewer's, as in the images
LANDMARK_NAMES = ("left_eye", "right_eye", "nose_tip", "mouth_left", "mouth_right")


@dataclass(frozen=True)
class FaceLandmarks:
    """Pixel positions (x right, y down; an integer is a pixel's centre) of five points of one face.

    Eyes are the middles of the eyeballs, ``left`` is the viewer's left.
    """

    left_eye: tuple[float, float]
    right_eye: tuple[float, float]
    nose_tip: tuple[float, float]
    mouth_left: tuple[float, float]
    mouth_right: tuple[float, float]

    def __post_init__(self) -> None:
        for name in LANDMARK_NAMES:
            point = getattr(self, name)
            if len(point) != 2 or not all(math.isfinite(v) for v in point):
                raise ValueError(f"{name}: expected two finite numbers (x, y), got {point!r}")
        if self.left_eye[0] >= self.right_eye[0]:
            raise ValueError(
                f"left_eye: expected the viewer's left eye, left of right_eye; got x = {self.left_eye[0]} and "
                f"{self.right_eye[0]}"
            )
        if min(self.mouth_left[1], self.mouth_right[1]) <= min(self.left_eye[1], self.right_eye[1]):
            raise ValueError(
                f"mouth_left: expected the mouth below the eyes, got y = {self.mouth_left[1]} above "
                f"{self.left_eye[1]}: turn the photograph upright first"
            )

    def points(self) -> Float[Tensor, "5 2"]:
        """The points in the order of ``LANDMARK_NAMES``, float64."""
        return torch.tensor([getattr(self, name) for name in LANDMARK_NAMES], dtype=torch.float64)

    @classmethod
    def from_points(cls, points: Float[Tensor, "5 2"]) -> FaceLandmarks:
        """The reverse of :meth:`points`."""
        if tuple(points.shape) != (5, 2):
            raise ValueError(f"points: expected shape (5, 2), got {tuple(points.shape)}")
        rows = [(float(x), float(y)) for x, y in points]
        return cls(**dict(zip(LANDMARK_NAMES, rows, strict=True)))

    @classmethod
    def from_json(cls, path: str | os.PathLike[str]) -> FaceLandmarks:
        """Read ``{"left_eye": [x, y], ...}``.

        Raises:
            ValueError: a name is missing or unknown, or a point is not two numbers.
        """
        try:
            named = json.loads(Path(path).read_text(encoding="utf-8"))
        except (UnicodeDecodeError, json.JSONDecodeError) as error:
            raise ValueError(f"path: expected a JSON file, got {os.fspath(path)!r} ({error})") from error
        if not isinstance(named, dict) or set(named) != set(LANDMARK_NAMES):
            got = sorted(named) if isinstance(named, dict) else type(named).__name__
            raise ValueError(f"path: expected the names {', '.join(LANDMARK_NAMES)} in {os.fspath(path)!r}, got {got}")
        return cls(**{name: tuple(point) for name, point in named.items()})


# The portrait's expression, by eye: five points cannot tell a smile from a wide mouth.
ASTRONAUT_EXPRESSION = {
    "smile": 0.75, "upper_lip_up": 0.45, "lower_lip_down": 0.25, "blink_left": 0.25, "blink_right": 0.25,
}  # fmt: skip


def astronaut() -> tuple[Float[Tensor, "3 512 512"], FaceLandmarks]:
    """NASA's public-domain portrait of Eileen Collins from scikit-image's wheel, with its five landmarks."""
    from skimage.data import astronaut as portrait  # only the notebooks need scikit-image

    landmarks = FaceLandmarks((203.5, 100.5), (247.0, 102.7), (227.3, 123.5), (204.8, 140.6), (243.4, 141.8))
    return from_uint8(np.ascontiguousarray(portrait())), landmarks


def crop_portrait(
    image: Float[Tensor, "3 H W"], landmarks: FaceLandmarks, size: int = 256
) -> tuple[Float[Tensor, "3 S S"], FaceLandmarks]:
    """Cut out an upright square in which the head fills the frame, as in talking-head data sets.

    Args:
        image: the photograph, any size.
        landmarks: its five points, in its pixels.
        size: side of the square in pixels; beyond the photograph's edge, the edge is repeated.

    Returns:
        The crop and the landmarks in its pixels.
    """
    if size < 32:
        raise ValueError(f"size: expected at least 32, got {size}")
    rgb = to_uint8(image)
    points = landmarks.points().numpy()
    eyes, mouth = points[:2].mean(0), points[3:].mean(0)
    across, down = points[1] - points[0], mouth - eyes
    # eyes stand 0.57 head half-heights apart and 0.60 above the mouth; a turned head shortens only the first
    unit = max(np.hypot(*across) / 0.57, np.hypot(*down) / 0.60)
    turn = np.arctan2(across[1], across[0])
    scale = size / 2.45 / unit
    linear = scale * np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    middle = eyes + 0.06 * down  # of the head
    shift = np.array([(size - 1) / 2, (size - 1) / 2]) - linear @ middle
    if scale < 0.5:  # warpAffine does not average: shrink first, or fine texture turns into noise
        small = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        centre = (scale - 1) / 2  # pixel centres move when an image is resized
        matrix = np.c_[linear / scale, shift - linear @ np.array([centre, centre]) / scale]
        cut = cv2.warpAffine(small, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    else:
        matrix = np.c_[linear, shift]
        way = cv2.INTER_LINEAR if scale < 1 else cv2.INTER_CUBIC
        cut = cv2.warpAffine(rgb, matrix, (size, size), flags=way, borderMode=cv2.BORDER_REPLICATE)
    return from_uint8(cut), FaceLandmarks.from_points(torch.as_tensor(points @ linear.T + shift))
