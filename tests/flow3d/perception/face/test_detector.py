"""Boxes are where heads are, tiles cover a picture, and overlapping answers become one."""

from itertools import pairwise

import numpy as np
import pytest

from flow3d.morphable.camera import Camera
from flow3d.perception.face.crops import Square, Turned
from flow3d.perception.face.detector import (
    ANCHORS,
    Detection,
    detect,
    inner_shares,
    merged,
    tiles,
    union_shares,
    upright,
    whole,
)
from tolerances import FACE


def test_anchors_are_the_middles_of_their_cells():
    assert ANCHORS.shape == (896, 2)
    np.testing.assert_array_equal(ANCHORS[0], (1 / 32, 1 / 32))
    np.testing.assert_array_equal(ANCHORS[2], (3 / 32, 1 / 32))
    np.testing.assert_array_equal(ANCHORS[[512, 895]], [(1 / 16, 1 / 16), (15 / 16, 15 / 16)])


@pytest.mark.parametrize("size", [64, 256])
def test_a_drawn_head_is_seen_where_it_is(draw, size):
    planes = draw(3, size).numpy()
    (seen,) = detect(planes, whole(planes))
    left, top, right, bottom = seen.box
    unit = Camera().pixels_per_unit(size)
    middle = (size - 1) / 2
    assert seen.score > 0.8
    assert abs((left + right) / 2 - middle) < FACE["box, head half-heights"][0] * unit
    assert top < middle < bottom
    eyes = seen.points[:2]
    assert eyes[0, 0] < middle < eyes[1, 0]
    assert (seen.points[3, 1] > eyes[:, 1]).all()  # the mouth is below


def test_a_square_aside_sees_the_same_head_in_the_same_place(draw):
    """A wrong offset of the square would move the box."""
    planes = draw(3, 256).numpy()
    (here,), (there,) = detect(planes, whole(planes)), detect(planes, Square(-40, -20, 290))
    assert np.abs(here.box - there.box).max() < FACE["box, moved square"][0]


def test_nothing_is_seen_where_nothing_is():
    assert detect(np.zeros((3, 50, 70), np.float32), Square(0, 0, 70)) == []


def test_the_square_of_the_landmarks_is_level_with_the_eyes():
    points = np.array([[10, 20], [30, 40], [0, 0], [0, 0], [0, 0], [0, 0]], float)
    square = Detection(0.9, np.array([0.0, 10.0, 20.0, 50.0]), points).square()
    assert tuple(square.centre) == (10, 30)
    assert (square.side, square.angle) == (60, pytest.approx(np.pi / 4))


@pytest.mark.parametrize("over", [False, True])
def test_a_face_is_turned_the_right_way_up(draw, over):
    planes = draw(3, 256).numpy()
    if over:
        planes = np.ascontiguousarray(planes[:, ::-1, ::-1])
    square = Turned(np.array([127.5, 127.5]), 220.0, 0.0)
    assert upright(planes, square).angle == (np.pi if over else 0)


def test_overlapping_rows_become_their_mean_by_score():
    rows = np.zeros((3, 16))
    rows[:, :4] = (0, 0, 10, 10), (1, 0, 11, 10), (40, 40, 50, 50)
    (first, mean), (second, alone) = merged(np.array([0.9, 0.6, 0.5]), rows)
    assert (first, second) == (0.9, 0.5)
    np.testing.assert_allclose(mean[:4], (0.4, 0, 10.4, 10), rtol=0, atol=FACE["exact pose"][0])
    np.testing.assert_array_equal(alone[:4], rows[2, :4])


def test_shares_of_boxes_by_hand():
    box, others = (
        np.array([0.0, 0, 10, 10]),
        np.array([[0.0, 0, 10, 10], [5, 0, 15, 10], [2, 2, 4, 4], [20, 0, 30, 10]]),
    )
    np.testing.assert_allclose(union_shares(box, others), [1, 1 / 3, 0.04, 0])
    np.testing.assert_allclose(inner_shares(box, others), [1, 1 / 2, 1, 0])


@pytest.mark.parametrize(("height", "width"), [(100, 100), (60, 200), (200, 60), (1, 900), (7, 7)])
@pytest.mark.parametrize("parts", [2, 4, 8])
def test_tiles_cover_the_picture_and_overlap_by_half(height, width, parts):
    squares = tiles(np.zeros((3, height, width), np.float32), parts)
    side = squares[0].side
    assert side == -(-max(height, width) // parts)
    seen = np.zeros((height, width), bool)
    for square in squares:
        seen[max(square.top, 0) : square.top + side, max(square.left, 0) : square.left + side] = True
    assert seen.all()
    lefts = sorted({square.left for square in squares})
    assert all(b - a <= side / 2 + 1 for a, b in pairwise(lefts))


def test_the_whole_picture_lies_in_the_middle_of_its_square():
    assert whole(np.zeros((3, 60, 200), np.float32)) == Square(0, -70, 200)
