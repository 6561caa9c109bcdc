"""Where faces are: the short-range detector of BlazeFace, on the whole picture and on tiles of it.

The network: V. Bazarevsky and others, BlazeFace: sub-millisecond neural face detection on mobile GPUs, 2019.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from ..networks import network
from .crops import Planes, Square, Turned

PLACE = "face/face_detector.tflite"
SIZE = 128  # pixels of what the network sees
LEAST_SCORE = 0.5  # of a face; what is less sure is none
OVERLAP = 0.3  # of two boxes, intersection over union: more is one face
AROUND = 1.5  # sides of the square that the landmarks need, in sides of a box
LARGEST_LOGIT = 80.0  # beyond it a score is 0 or 1 anyway, and exp overflows


@dataclass(frozen=True, eq=False)
class Detection:
    """A face that the detector sees.

    Attributes:
        score: how sure it is, from 0 to 1.
        box: (4,) left, top, right and bottom in pixels.
        points: (6,2) eyes, nose, mouth and ears, the viewer's left first.
    """

    score: float
    box: Float[np.ndarray, " 4"]
    points: Float[np.ndarray, "6 2"]

    def square(self) -> Turned:
        """The square in which the landmarks are sought, level with the eyes."""
        right, down = self.points[1] - self.points[0]
        side = float(max(self.box[2:] - self.box[:2]))
        return Turned((self.box[:2] + self.box[2:]) / 2, AROUND * side, float(np.arctan2(down, right)))


def _anchors() -> Float[np.ndarray, "896 2"]:
    """The centres that boxes are counted from, in shares of the side: 2 on each of 16² cells, then 6 on each of 8²."""
    grids = []
    for cells, each in ((16, 2), (8, 6)):
        centre = (np.arange(cells) + 0.5) / cells
        x, y = np.meshgrid(centre, centre)
        grids.append(np.stack([x, y], -1).reshape(-1, 2).repeat(each, 0))
    return np.concatenate(grids)


ANCHORS = _anchors()


def detect(planes: Planes, square: Square, least: float = LEAST_SCORE) -> list[Detection]:
    """The faces in a square of a picture, the surest first."""
    picture = square.cut(planes, SIZE)[None]
    scores = scores_of(picture)
    if not (scores >= least).any():
        return []
    (values,) = network(PLACE)(picture, (0,))
    seen = np.flatnonzero((scores >= least) & (values[:, 2:4] > 0).all(1))  # a box has a width and a height
    seen = seen[np.argsort(-scores[seen], kind="stable")]
    numbers = values[seen].astype(np.float64).reshape(-1, 8, 2) / SIZE  # centre, size, six points
    numbers[:, [0, 2, 3, 4, 5, 6, 7]] += ANCHORS[seen, None]
    boxes = np.concatenate([numbers[:, 0] - numbers[:, 1] / 2, numbers[:, 0] + numbers[:, 1] / 2], 1)
    rows = np.concatenate([boxes, numbers[:, 2:].reshape(-1, 12)], 1).reshape(-1, 8, 2)
    rows = (rows * square.side + (square.left - 0.5, square.top - 0.5)).reshape(-1, 16)
    return [Detection(score, row[:4], row[4:].reshape(6, 2)) for score, row in merged(scores[seen], rows)]


def upright(planes: Planes, square: Turned) -> Turned:
    """The square around a face, turned over if the detector is surer of the face then.

    It sees many faces that are upside down too, and takes their chins for foreheads.
    """
    over = replace(square, angle=square.angle + np.pi)
    as_it_is, turned = (float(scores_of(each.cut(planes, SIZE)[None]).max()) for each in (square, over))
    return over if turned > as_it_is else square


def scores_of(picture: Float[np.ndarray, "1 3 S S"]) -> Float[np.ndarray, " 896"]:
    """How sure the detector is of a face at each of its places, from 0 to 1."""
    (logits,) = network(PLACE)(picture, (1,))
    return 1 / (1 + np.exp(-logits[:, 0].astype(np.float64).clip(-LARGEST_LOGIT, LARGEST_LOGIT)))


def merged(
    scores: Float[np.ndarray, " N"], rows: Float[np.ndarray, "N 16"]
) -> Iterator[tuple[float, Float[np.ndarray, " 16"]]]:
    """One row for each face: the mean, weighted by score, of those whose boxes overlap the surest one's.

    Args:
        scores: of each row, the largest first.
        rows: box and six points.
    """
    left = np.arange(len(scores))
    while len(left):
        near = union_shares(rows[left[0], :4], rows[left, :4]) > OVERLAP
        mine = left[near]
        yield float(scores[mine[0]]), np.average(rows[mine], axis=0, weights=scores[mine])
        left = left[~near]


def union_shares(box: Float[np.ndarray, " 4"], boxes: Float[np.ndarray, "N 4"]) -> Float[np.ndarray, " N"]:
    """Intersection over union of a box with each of others."""
    common = _areas(np.concatenate([np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])], 1))
    return common / np.maximum(_areas(box[None]) + _areas(boxes) - common, np.finfo(float).tiny)


def inner_shares(box: Float[np.ndarray, " 4"], boxes: Float[np.ndarray, "N 4"]) -> Float[np.ndarray, " N"]:
    """Intersection of a box with each of others, over the smaller one of the two."""
    common = _areas(np.concatenate([np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])], 1))
    return common / np.maximum(np.minimum(_areas(box[None]), _areas(boxes)), np.finfo(float).tiny)


def _areas(boxes: Float[np.ndarray, "N 4"]) -> Float[np.ndarray, " N"]:
    return np.maximum(boxes[:, 2:] - boxes[:, :2], 0).prod(1)


def whole(planes: Planes) -> Square:
    """The smallest square that holds the picture, in its middle."""
    height, width = planes.shape[1:]
    side = max(height, width)
    return Square((width - side) // 2, (height - side) // 2, side)


def tiles(planes: Planes, parts: int) -> list[Square]:
    """Squares of one ``parts``-th of the longer side that overlap by half or more and cover the picture."""
    height, width = planes.shape[1:]
    side = -(-max(height, width) // parts)
    return [Square(left, top, side) for top in _starts(height, side) for left in _starts(width, side)]


def _starts(length: int, side: int) -> list[int]:
    """Where tiles begin along an axis."""
    if side >= length:
        return [(length - side) // 2]
    steps = -(-2 * (length - side) // side)
    return np.linspace(0, length - side, steps + 1).round().astype(int).tolist()
