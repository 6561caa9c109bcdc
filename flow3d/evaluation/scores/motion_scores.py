"""AED, APD and pose distance: how far a frame's motion is from the driver's, as the shipped scorer sees both.

Of the 64 expression coefficients it reads five on heads that it never saw, ``READ``, and AED is over these. The pose
distance is one of landmarks placed by regressed coefficients; of identity, and of most expressions, they know nothing.
Distances of landmarks that are seen are in face_scores.py.

Every label names the network: "AED (scorer)". No renderer is trained with the scorer, and the regressor that trains
renderers is refused here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ...morphable import Camera, MorphableModel, ProceduralHead
from ...morphable.coefficients import CROP, ROTATION, TRANSLATION, index
from ...morphable.head.fields import EYE_HALF_WIDTH, EYE_X, EYE_Y, MOUTH_HALF_WIDTH, MOUTH_Y
from ...perception import CoefficientRegressor
from ...sizes import ANSWER_COUNT, COEFFICIENT_COUNT, CROP_FRAME

# The expression coefficients that the shipped scorer reads with an R² above .5 on 60 unseen persons, and that R²; by
# `python -m flow3d regress --evaluate scorer`. gaze_x has .48 on one half of them and .65 on the other; the next,
# brow_up, has .20, and none of the 40 without a name more than .05.
READ = {"jaw_open": 0.921, "smile": 0.61, "blink_right": 0.939, "blink_left": 0.937, "gaze_x": 0.575}
FREE = "nearest in front"
# (x, y, which copy of the slit's row) on the mean head, half-heights, y up; right and left are the viewer's
_EYE, _LIP = EYE_HALF_WIDTH, MOUTH_HALF_WIDTH
_ONE_SIDE = {
    "eye_inner": (EYE_X - _EYE, EYE_Y, FREE),
    "eye_outer": (EYE_X + _EYE, EYE_Y, FREE),
    "lid_upper": (EYE_X, EYE_Y, "upper"),
    "lid_lower": (EYE_X, EYE_Y, "lower"),
    "brow_inner": (0.13, 0.23, FREE),
    "brow_middle": (0.29, 0.27, FREE),
    "brow_outer": (0.43, 0.22, FREE),
    "nostril": (0.12, -0.30, FREE),
    "mouth_corner": (_LIP, MOUTH_Y, FREE),
    "lip_upper": (0.5 * _LIP, MOUTH_Y, "upper"),
    "lip_lower": (0.5 * _LIP, MOUTH_Y, "lower"),
    "jaw": (0.42, -0.62, FREE),
}
_MIDDLE = {
    "nose_bridge": (0.0, 0.05, FREE),
    "nose_tip": (0.0, -0.24, FREE),
    "lip_upper_middle": (0.0, MOUTH_Y, "upper"),
    "lip_lower_middle": (0.0, MOUTH_Y, "lower"),
    "chin": (0.0, -0.86, FREE),
}
_SIDES = {"left": -1.0, "right": 1.0}
POINTS = {f"{n}_{s}": (sign * x, y, how) for s, sign in _SIDES.items() for n, (x, y, how) in _ONE_SIDE.items()}
POINTS |= _MIDDLE
LANDMARKS = tuple(POINTS)  # 29 names


@lru_cache(maxsize=1)
def landmark_vertices() -> Int[Tensor, " L"]:
    """The vertices of :class:`ProceduralHead` that the names of ``LANDMARKS`` stand for."""
    head = ProceduralHead()
    skin = head.slices["skin"]
    place = (head.mean[skin] * torch.tensor([1.0, -1.0, -1.0])).double().numpy()
    latitude = head.local[skin, 0].double().numpy()
    vertices = []
    for x, y, how in POINTS.values():
        distance = np.hypot(place[:, 0] - x, place[:, 1] - y) + 10.0 * (place[:, 2] < 0.2)
        if how != FREE:  # two rows of one latitude: the upper copy's vertices come later
            row = np.flatnonzero(np.abs(latitude - y) < 1e-6)
            copies = np.split(row, 2)
            chosen = copies[1] if how == "upper" else copies[0]
            distance = np.abs(place[:, 0] - x) + 10.0 * (place[:, 2] < 0.2)
            vertices.append(int(chosen[distance[chosen].argmin()]))
        else:
            vertices.append(int(distance.argmin()))
    return torch.tensor(vertices) + skin.start


@lru_cache(maxsize=1)
def _points() -> MorphableModel:
    """The morphable model of the landmarks alone."""
    head, chosen = ProceduralHead(), landmark_vertices()
    none = torch.zeros(0, dtype=torch.long)
    return MorphableModel(
        head.mean[chosen], head.identity_basis[:, chosen], head.expression_basis[:, chosen], none.view(0, 3), none,
        head.follow[chosen], head.local[chosen], none.view(0, 2),
    )  # fmt: skip


def landmarks(answers: Float[Tensor, "N 153"]) -> Float[Tensor, "N L 2"]:
    """Where the named vertices lie, in pixels of a 256 px frame (integer = pixel centre).

    Args:
        answers: 73 coefficients and 80 of identity, raw. A point counts even where hair hides it.

    Raises:
        ValueError: another number of coefficients, or NaN.
    """
    if answers.ndim != 2 or answers.shape[1] != ANSWER_COUNT or not bool(torch.isfinite(answers).all()):
        raise ValueError(f"answers: expected (N, {ANSWER_COUNT}) finite numbers, got {tuple(answers.shape)}")
    model, camera, points = _points(), Camera(), []
    for row in answers:
        motion = row[:COEFFICIENT_COUNT]
        posed = model.posed(motion, model.shape(row[COEFFICIENT_COUNT:]))
        points.append(camera.project(posed, motion[CROP], CROP_FRAME)[0])
    return torch.stack(points)


@dataclass(frozen=True, eq=False)
class MotionEstimate:
    """A scorer's coefficients of N frames, and the landmarks that they pose."""

    motion: Float[Tensor, "N 73"]
    points: Float[Tensor, "N L 2"]


def estimate_motion(scorer: CoefficientRegressor, frames: Float[Tensor, "N 3 H W"]) -> MotionEstimate:
    """Estimate the motion of frames with the scorer.

    Raises:
        TypeError: no floating-point tensor.
        ValueError: a regressor whose purpose is not scoring, no frame, another shape, or values outside of [-1, 1].
    """
    if scorer.config.purpose != "scoring":
        raise ValueError(f"scorer: expected a regressor for scoring, got {scorer.config.name!r}, which is for training")
    answers = scorer.answer(frames)
    return MotionEstimate(answers[:, :COEFFICIENT_COUNT], landmarks(answers))


def aed(a: Float[Tensor, "N 73"], b: Float[Tensor, "N 73"]) -> list[float]:
    """Average expression distance of each frame: mean |beta_a - beta_b| over the coefficients ``READ``."""
    return (a - b)[:, [index(name) for name in READ]].double().abs().mean(1).tolist()


def apd_rot(a: Float[Tensor, "N 73"], b: Float[Tensor, "N 73"]) -> list[float]:
    """Average pose distance of each frame: mean |difference| of pitch, yaw and roll, in radians."""
    return (a - b)[:, ROTATION].double().abs().mean(1).tolist()


def apd_rt(a: Float[Tensor, "N 73"], b: Float[Tensor, "N 73"]) -> list[float]:
    """Average pose distance over the 3 angles (radians) and the 3 translations (head half-heights) together."""
    six = torch.cat([(a - b)[:, ROTATION], (a - b)[:, TRANSLATION]], 1)
    return six.double().abs().mean(1).tolist()


def pose_distance(a: Float[Tensor, "N L 2"], b: Float[Tensor, "N L 2"]) -> list[float]:
    """Mean |difference| over all coordinates of landmarks placed by coefficients, in pixels of a 256 px frame."""
    return (a - b).double().abs().mean((1, 2)).tolist()


def motion_distances(frames: MotionEstimate, driving: MotionEstimate) -> dict[str, list[float]]:
    """All four distances of each frame: "aed_read", "apd_rot", "apd_rt" and "pose_distance".

    Raises:
        ValueError: two different numbers of frames.
    """
    if len(frames.motion) != len(driving.motion):
        raise ValueError(f"driving: expected {len(frames.motion)} frames, got {len(driving.motion)}")
    coefficients = {"aed_read": aed, "apd_rot": apd_rot, "apd_rt": apd_rt}
    scores = {name: score(frames.motion, driving.motion) for name, score in coefficients.items()}
    return scores | {"pose_distance": pose_distance(frames.points, driving.points)}
