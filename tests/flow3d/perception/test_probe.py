"""What networks are tried with is the same everywhere, and it is a person."""

import numpy as np

from flow3d.perception.probe import WALL, drawn_person, wave
from tolerances import NETWORKS_OF_OTHERS


def test_the_person_has_a_face_before_a_wall():
    picture = drawn_person(64)
    assert picture.shape == (3, 64, 64)
    assert picture.dtype == np.float32
    assert 0 <= picture.min() < picture.max() <= 1
    np.testing.assert_array_equal(picture[:, 0, 0], np.array(WALL, np.float32))
    face, eye = picture[:, 33, 40], picture[:, 27, 26]
    assert face[0] > face[2] + 0.2  # skin
    assert eye.max() < 0.5  # a pupil, next to its rim


def test_the_person_is_the_same_at_every_size_and_from_left_and_right():
    picture = drawn_person(64)
    np.testing.assert_array_equal(picture, drawn_person(64))
    halved = drawn_person(128).reshape(3, 64, 2, 64, 2).mean((2, 4))
    assert np.abs(halved - picture).mean() < NETWORKS_OF_OTHERS["probe, halved"][0]
    np.testing.assert_array_equal((picture > 0.5).mean((1, 2)), (picture[:, :, ::-1] > 0.5).mean((1, 2)))


def test_the_wave_is_closed_and_has_no_two_points_in_one_place():
    points = wave(146)
    assert points.shape == (146, 2)
    assert 0 <= points.min() < points.max() <= 1
    apart = np.linalg.norm(points[:, None] - points, axis=2) + np.eye(146)
    assert apart.min() > 0
