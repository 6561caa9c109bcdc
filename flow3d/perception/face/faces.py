"""Every face of a picture: 478 landmarks, 52 expression scores, how the head is turned; the largest first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ...checks import check_picture
from ...opencv import ONE_THREAD
from .canonical import MESH_POINTS, canonical_face
from .crops import Planes, Square, planes_of, shrunk
from .detector import Detection, detect, inner_shares, tiles, upright, whole
from .landmarks import OUTER_EYE_CORNERS, expression_scores, landmarks_in, square_around
from .similarity import Similarity, fit_similarity

SEARCHED = 1024  # pixels of the longer side in which faces are sought; landmarks are found in the picture itself
PARTS = (1, 2, 4, 8)  # the whole picture first, then tiles of a half, a quarter, an eighth of its longer side
SMALLEST_TILE = 40  # pixels; what is smaller holds no face that can be measured
# The landmarks of a face hardly depend on the square they are sought in, those of anything else do. By which share of
# the distance between the eyes' outer corners (percent, RMS) a further pass may move them: above WILD there is no
# face; below ``settled`` they are taken; in between another pass decides, of ``passes`` at most. In hundreds of tiles
# there is always something that looks like a face, so tiles get less. Of 457 faces, drawn ones turned by up to 50
# degrees and 98 small photographs, the whole picture keeps 440, and all drawn ones turned by 25 or less. Of 456 things
# in photographs that the detector took for faces it keeps 5, and tiles none. The residual should tell too: below 10.5
# it keeps 266.
WILD = 6.0
# Landmarks that make no face at all. Drawn heads with a wide open mouth reach 13 %, those turned by 55 degrees too.
LARGEST_RESIDUAL = 15.0  # percent
SAME = 0.5  # share of the smaller of two boxes that lies in the other: they show one face


@dataclass(frozen=True)
class Trial:
    """How soon landmarks must rest, see :data:`WILD`."""

    passes: int
    settled: float


IN_PICTURE, IN_TILE = Trial(5, 2.0), Trial(3, 1.5)


@dataclass(frozen=True, eq=False)
class Face:
    """A face of a picture.

    Attributes:
        landmarks: (478,3) pixels: right, down, and away from the camera on the same scale, counted from the head; an
            integer is a pixel's centre. See :mod:`flow3d.perception.face.landmarks` for their order.
        scores: (52,) from 0 to 1, by the names in :data:`flow3d.perception.face.SCORES`.
        certainty: the detector's score, from 0.5 to 1; that of the frame in which a tracked face was found.
    """

    landmarks: Float[Tensor, "478 3"]
    scores: Float[Tensor, " 52"]
    certainty: float

    @cached_property
    def box(self) -> Float[Tensor, " 4"]:
        """Left, top, right and bottom of the landmarks, pixels."""
        return torch.cat([self.landmarks[:, :2].amin(0), self.landmarks[:, :2].amax(0)])

    @property
    def area(self) -> float:
        """Square pixels of the box."""
        left, top, right, bottom = self.box.tolist()
        return (right - left) * (bottom - top)

    @cached_property
    def pose(self) -> Similarity:
        """What lays the canonical face (centimetres) onto the landmarks (pixels)."""
        return pose_of(self.landmarks.double().numpy())

    @property
    def angles(self) -> Float[Tensor, " 3"]:
        """Pitch, yaw and roll in radians, as :class:`flow3d.morphable.Coefficients` has them."""
        return torch.from_numpy(self.pose.angles).float()

    @cached_property
    def residual(self) -> float:
        """How far the landmarks are from the canonical face, see :func:`residual_of`."""
        return residual_of(self.landmarks.double().numpy())


def pose_of(landmarks: Float[np.ndarray, "478 3"]) -> Similarity:
    """What lays the canonical face onto landmarks; fitted to the 33 points that move least with expressions."""
    face = canonical_face()
    return fit_similarity(face.vertices, landmarks[:MESH_POINTS], face.weights)


def residual_of(landmarks: Float[np.ndarray, "478 3"]) -> float:
    """RMS distance of landmarks from the canonical face, laid onto them: percent of the distance between the eyes."""
    distance = np.linalg.norm(pose_of(landmarks)(canonical_face().vertices) - landmarks[:MESH_POINTS], axis=1)
    return percent(distance, landmarks)


def percent(distances: Float[np.ndarray, " N"], landmarks: Float[np.ndarray, "478 3"]) -> float:
    """RMS of distances in percent of that between the outer corners of the eyes; infinite where they coincide."""
    first, second = landmarks[list(OUTER_EYE_CORNERS)]
    eyes = float(np.linalg.norm(first - second))
    return 100 * float(np.sqrt((distances**2).mean())) / eyes if eyes > 0 else float("inf")


def moved(before: Float[np.ndarray, "478 3"], after: Float[np.ndarray, "478 3"]) -> float:
    """How far landmarks moved within the picture, RMS, in percent of the distance between the eyes."""
    return percent(np.linalg.norm((after - before)[:, :2], axis=1), after)


def settle(
    planes: Planes, landmarks: Float[np.ndarray, "478 3"], trial: Trial = IN_PICTURE
) -> Float[np.ndarray, "478 3"] | None:
    """Landmarks of a first pass, found again around themselves until they rest; None where they do not."""
    for _ in range(trial.passes):
        if not np.isfinite(landmarks).all():
            return None
        found = landmarks_in(planes, square_around(landmarks))
        step = moved(landmarks, found)
        if not step <= WILD:  # NaN is none of both
            return None
        if step <= trial.settled:
            return found if residual_of(found) < LARGEST_RESIDUAL else None
        landmarks = found
    return None


def follow(planes: Planes, before: Float[np.ndarray, "478 3"]) -> Float[np.ndarray, "478 3"] | None:
    """The landmarks of a frame, sought around those of the frame before; None where the face is lost."""
    found = landmarks_in(planes, square_around(before))
    if not moved(before, found) <= WILD:  # a quick turn, or another scene
        return settle(planes, found)
    return found if residual_of(found) < LARGEST_RESIDUAL else None


def faces_of(planes: Planes, detections: list[Detection], trial: Trial) -> Iterator[Face]:
    """What the detector saw, as far as it is a face."""
    for seen in detections:
        landmarks = settle(planes, landmarks_in(planes, upright(planes, seen.square())), trial)
        if landmarks is not None:
            yield measured(landmarks, seen.score)


def measured(landmarks: Float[np.ndarray, "478 3"], certainty: float) -> Face:
    """A face by its landmarks, with its expression."""
    scores = expression_scores(landmarks)
    return Face(torch.from_numpy(landmarks).float(), torch.from_numpy(scores), certainty)


def search(planes: Planes, parts: tuple[int, ...] = PARTS) -> Iterator[list[Face]]:
    """The faces that each round of the search adds: of the whole picture, then of tiles of one ``parts``-th.

    A tile whose middle lies in a face that is already found is not searched again.
    """
    small, ratio = shrunk(planes, SEARCHED)
    known: list[Face] = []
    for number in parts:
        squares = [whole(small)] if number == 1 else tiles(small, number)
        if number > 1 and squares[0].side < SMALLEST_TILE:
            return
        new: list[Face] = []
        for square in squares:
            if number > 1 and any(_holds(face, square, ratio) for face in known):
                continue
            seen = [_enlarged(each, ratio) for each in detect(small, square)]
            unknown = [each for each in seen if not _is_known(each.box, [*known, *new])]
            for face in faces_of(planes, unknown, IN_PICTURE if number == 1 else IN_TILE):
                if not _is_known(face.box.numpy(), [*known, *new]):
                    new.append(face)
        known += new
        yield new


def _enlarged(seen: Detection, ratio: float) -> Detection:
    """A detection in a shrunk picture as one in the picture itself."""
    if ratio == 1:
        return seen
    return Detection(seen.score, (seen.box + 0.5) * ratio - 0.5, (seen.points + 0.5) * ratio - 0.5)


def _holds(face: Face, square: Square, ratio: float) -> bool:
    """Whether the middle of a square of the shrunk picture lies in a face."""
    left, top, right, bottom = face.box.tolist()
    x, y = ((start + square.side / 2) * ratio for start in (square.left, square.top))
    return left <= x <= right and top <= y <= bottom


def _is_known(box: Float[np.ndarray, " 4"], faces: list[Face]) -> bool:
    return bool(faces) and bool((inner_shares(box, np.stack([face.box.numpy() for face in faces])) > SAME).any())


def find_faces(image: Float[Tensor, "3 H W"]) -> list[Face]:
    """The faces of a picture, the largest first; an empty list where there is none.

    They are sought in the whole picture, then in tiles of it that overlap by half: the detector is made for faces that
    fill a fifth of what it sees, or more. Once there is a face, the search ends with the first round that adds none, so
    that the smaller ones of a group are found too. A face counts if the detector is sure of it by 0.5 or more, and if
    its landmarks rest where they are found again around themselves. It may be turned any way in the picture.

    Args:
        image: the picture in [-1, 1], of any size; on any device.

    Raises:
        TypeError: not a tensor of floating-point numbers.
        ValueError: another shape, no pixels, NaN, or numbers outside of [-1, 1].
        FileNotFoundError: a network is missing; the message says how to take one in.
    """
    check_picture(image, "image")
    found: list[Face] = []
    with ONE_THREAD:
        for new in search(planes_of(image)):
            if found and not new:
                break
            found += new
    return sorted(found, key=lambda face: -face.area)
