"""Perspective first, then the crop: a similarity whose pixels are those of a 256 px frame."""

import pytest
import torch

from flow3d.morphable import Camera
from tolerances import MORPHABLE

CAMERA = Camera()
PLAIN = torch.tensor([1.0, 0.0, 0.0])
PIXELS = MORPHABLE["pixels"][0]


def test_the_heads_centre_is_the_middle_of_the_frame():
    for size in (64, 256):
        place, depth = CAMERA.project(torch.zeros(1, 3), PLAIN, size)
        assert place[0].tolist() == [(size - 1) / 2] * 2
        assert depth[0] == CAMERA.distance


def test_a_unit_covers_what_the_camera_says_and_less_further_away():
    points = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 0.0, CAMERA.distance]])
    place, depth = CAMERA.project(points, PLAIN, 64)
    moved = place - 31.5
    unit = CAMERA.pixels_per_unit(64)
    expected = torch.tensor([[unit, 0.0], [0.0, unit], [unit / 2, 0.0]])  # twice as far, half as large
    torch.testing.assert_close(moved, expected, rtol=0, atol=PIXELS)
    assert depth[2] == 2 * CAMERA.distance


@pytest.mark.parametrize("size", [32, 64, 256])
def test_the_crop_scales_about_the_middle_and_shifts_in_pixels_of_256(size):
    points = torch.randn(20, 3, generator=torch.Generator().manual_seed(0)) * 0.5
    plain, _ = CAMERA.project(points, PLAIN, size)
    cropped, _ = CAMERA.project(points, torch.tensor([1.25, 16.0, -8.0]), size)
    middle = (size - 1) / 2
    expected = 1.25 * (plain - middle) + middle + torch.tensor([16.0, -8.0]) * size / 256
    torch.testing.assert_close(cropped * 64 / size, expected * 64 / size, rtol=0, atol=PIXELS)


def test_every_size_shows_the_same_scene():
    points = torch.randn(20, 3, generator=torch.Generator().manual_seed(0)) * 0.5
    crop = torch.tensor([0.9, 5.0, 3.0])
    small, large = (CAMERA.project(points, crop, size)[0] for size in (64, 256))
    torch.testing.assert_close(small + 0.5, (large + 0.5) / 4, rtol=0, atol=PIXELS)
