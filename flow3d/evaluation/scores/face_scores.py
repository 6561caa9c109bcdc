"""AKD and AED of detected faces: 478 landmarks and 52 expression scores, by a detector that saw no drawn head.

A frame in which no face is found has neither; it is counted, never left out in silence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from ...perception.face import find_faces
from ...perception.regressor import check_frames
from ...sizes import CROP_FRAME

SIDE = 256  # pixels; smaller frames are enlarged to it. flow3d.evaluation.detected_faces says what this gains
LEAST = 0.25  # of the frame's side: a smaller face is none. Drawn heads take .58 or more, what is seen in walls .19
POINTS, SCORES = 478, 52
FOREHEAD, CHIN = 10, 152  # landmarks


@dataclass(frozen=True, eq=False)
class FacesFound:
    """The largest face of each of N frames.

    Attributes:
        points: landmarks (x, y) in pixels of a 256 px frame (integer = pixel centre); NaN where no face was found.
        scores: of expressions, from 0 to 1; NaN where no face was found.
    """

    points: Float[Tensor, "N 478 2"]
    scores: Float[Tensor, "N 52"]

    @property
    def found(self) -> Bool[Tensor, " N"]:
        """Which frames show a face."""
        return self.points.isfinite().all(2).all(1)

    def roll(self, count: int) -> FacesFound:
        """The faces of frames that stand ``count`` further on in the list."""
        return FacesFound(self.points.roll(count, 0), self.scores.roll(count, 0))


def detect_faces(frames: Float[Tensor, "N 3 S S"], side: int = SIDE) -> FacesFound:
    """Look for the largest face in each frame, of a quarter of its side or more, its chin below its forehead.

    A frame smaller than ``side`` is enlarged to it first, by cubic splines. People in portraits do not stand on their
    heads: where the detector says so (one of 200 outputs of ``tiny``), it has taken a chin for a forehead.

    Raises:
        TypeError: no floating-point tensor.
        ValueError: another shape, no frame, NaN, or values outside of [-1, 1].
        FileNotFoundError: the detector's files are missing.
    """
    check_frames(frames)
    if frames.shape[-1] < side:
        frames = functional.interpolate(frames.float(), (side, side), mode="bicubic", align_corners=False).clamp(-1, 1)
    points, scores = torch.full((len(frames), POINTS, 2), torch.nan), torch.full((len(frames), SCORES), torch.nan)
    for number, frame in enumerate(frames):
        for face in find_faces(frame)[:1]:
            places = face.landmarks[:, :2].float()
            large = bool((places.amax(0) - places.amin(0)).max() >= LEAST * frame.shape[-1])
            if large and bool(places[CHIN, 1] > places[FOREHEAD, 1]):
                points[number] = (places + 0.5) * (CROP_FRAME / frame.shape[-1]) - 0.5
                scores[number] = face.scores.float()
    return FacesFound(points, scores)


def detect_moved(frames: Float[Tensor, "N 3 S S"], side: int = SIDE) -> FacesFound:
    """The faces of the frames moved by one pixel to the right and down, measured back: how far the detector wavers."""
    moved = functional.pad(frames, (1, 0, 1, 0), mode="replicate")[..., :-1, :-1]
    faces = detect_faces(moved, side)
    return FacesFound(faces.points - CROP_FRAME / frames.shape[-1], faces.scores)


def akd(a: FacesFound, b: FacesFound) -> list[float]:
    """Average keypoint distance of each frame: mean |difference| of 2 x 478 coordinates, in pixels of a 256 px frame.

    NaN where a face is missing.

    Raises:
        ValueError: two different numbers of frames.
    """
    return _distances(a, b, lambda faces: faces.points.flatten(1))


def aed(a: FacesFound, b: FacesFound) -> list[float]:
    """Average expression distance of each frame: mean |difference| of the 52 scores; NaN where a face is missing.

    Raises:
        ValueError: two different numbers of frames.
    """
    return _distances(a, b, lambda faces: faces.scores)


def _distances(a: FacesFound, b: FacesFound, part: Callable[[FacesFound], Tensor]) -> list[float]:
    first, second = part(a), part(b)
    if len(first) != len(second):
        raise ValueError(f"b: expected the faces of {len(first)} frames, got {len(second)}")
    return (first - second).double().abs().mean(1).tolist()
