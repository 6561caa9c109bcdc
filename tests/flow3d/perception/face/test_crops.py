"""Squares are cut where they should be: on ramps, whose values say which place was seen."""

import numpy as np
import pytest
import torch

from flow3d.perception.face.crops import Square, Turned, planes_of, resized, shrunk
from tolerances import FACE


def ramps(height: int = 90, width: int = 140) -> np.ndarray:
    """A picture whose channels are x, y and 1, so that every value says where it lies."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return np.stack([x, y, np.ones_like(x)])


def test_planes_are_the_image_itself_where_it_is_float32():
    image = torch.rand(3, 4, 5)
    assert planes_of(image).ctypes.data == image.data_ptr()
    assert planes_of(image.double().requires_grad_()).dtype == np.float32


def test_only_large_pictures_are_shrunk():
    planes = ramps()
    assert shrunk(planes, 140)[0] is planes
    small, ratio = shrunk(planes, 70)
    assert (small.shape, ratio) == ((3, 45, 70), 2.0)
    np.testing.assert_allclose(small[0, 0], np.arange(70) * 2 + 0.5, rtol=0, atol=FACE["ramp"][0])


def test_a_strip_of_one_pixel_stays_one():
    assert shrunk(np.zeros((3, 1, 900), np.float32), 100)[0].shape == (3, 1, 100)


def test_an_upright_square_is_black_beyond_the_picture():
    cut = Square(-10, 80, 30).cut(ramps(), 30)
    assert (cut[:, :, :10] == -1).all()
    assert (cut[:, 10:] == -1).all()
    np.testing.assert_array_equal(cut[0, 0, 10:], np.arange(20))
    np.testing.assert_array_equal(cut[1, :10, 29], np.arange(80, 90))


def test_growing_keeps_constants():
    assert (resized(np.full((3, 1, 1), 0.25, np.float32), (7, 5)) == 0.25).all()


@pytest.mark.parametrize("side", [20.0, 33.0, 64.0])
@pytest.mark.parametrize("angle", [0.0, 0.4, -1.8, np.pi])
def test_a_turned_square_shows_what_lies_under_it(side, angle):
    """The square's pixel (i, j) shows the picture where ``out`` says that its middle lies."""
    square = Turned(np.array([70.0, 45.0]), side, angle)
    cut = square.cut(ramps(), 32)
    j, i = np.mgrid[:32, :32] + 0.5
    where = square.out(np.stack([i.ravel(), j.ravel()], 1), 32).T.reshape(2, 32, 32)
    inside = (np.abs(where[0] - 69.5) < 66) & (np.abs(where[1] - 44.5) < 41)
    assert inside.any()
    np.testing.assert_allclose(cut[:2][:, inside], where[:, inside], rtol=0, atol=FACE["turned ramp"][0])


def test_beyond_the_picture_its_edge_goes_on():
    cut = Turned(np.array([-40.0, 45.0]), 20.0, 0.0).cut(ramps(), 20)
    assert (cut[0] == 0).all()
    far = Turned(np.array([1e5, 1e5]), 20.0, 0.3).cut(ramps(), 20)
    assert (far[0] == 139).all()
    assert (far[1] == 89).all()


def test_a_large_square_is_averaged_and_not_sampled():
    stripes = np.tile(np.array([-1.0, 1.0], np.float32), (3, 256, 128))
    cut = Turned(np.array([127.5, 127.5]), 256.0, 0.0).cut(stripes, 64)
    assert np.abs(cut).max() < FACE["stripes"][0]
