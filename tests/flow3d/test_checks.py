"""Whole numbers, sizes and pictures are checked once, and the message names the argument."""

import numpy as np
import pytest
import torch

from flow3d.checks import SIZES, check_image, check_integer, check_picture, check_size


def test_a_whole_number_comes_back_as_an_int():
    for value in (3, np.int64(3), np.uint8(3)):
        assert type(check_integer(value, "seed", 3)) is int


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (2, ValueError, "seed: expected 3 or more, got 2"),
        (True, TypeError, "seed: expected an integer, got True of type bool"),
        (3.0, TypeError, "seed: expected an integer, got 3.0 of type float"),
        ("3", TypeError, "seed: expected an integer, got '3' of type str"),
        (None, TypeError, "seed: expected an integer, got None of type NoneType"),
    ],
)
def test_what_is_no_such_number_is_refused_by_name(value, error, message):
    with pytest.raises(error, match=message):
        check_integer(value, "seed", 3)


def test_sizes_are_the_powers_of_two_from_16_to_2048():
    assert [size for size in range(1, 4097) if size in SIZES] == [16, 32, 64, 128, 256, 512, 1024, 2048]
    assert all(check_size(size) == size for size in SIZES)
    for size in (8, 63, 4096):
        with pytest.raises(ValueError, match=f"side: expected a power of two from 16 to 2048, got {size}"):
            check_size(size, "side")


def test_a_picture_is_finite_and_may_leave_its_range_where_no_range_is_asked_for():
    check_image(torch.full((3, 2, 2), 7.0), "image")
    check_picture(torch.full((3, 2, 2), 1.0005), "image")  # filters overshoot by rounding
    check_picture(torch.ones(3, 1, 1, dtype=torch.float16, requires_grad=True), "image")


@pytest.mark.parametrize(
    ("image", "error", "message"),
    [
        (torch.zeros(3, 2, 2, dtype=torch.int64), TypeError, "photo: expected a float tensor .* got torch.int64"),
        (torch.zeros(2, 2), ValueError, r"photo: expected three channels, shape \(3, H, W\), got \(2, 2\)"),
        (torch.zeros(3, 2, 0), ValueError, "photo: expected three channels"),
        (torch.tensor([[[torch.nan]]] * 3), ValueError, "photo: expected finite numbers"),
        (torch.zeros(3, 2, 2, device="meta"), ValueError, "photo: expected numbers in memory, got .* on meta"),
        (torch.zeros(3, 2, 2).to_sparse(), ValueError, "photo: expected numbers in memory, got a torch.sparse_coo"),
        (torch.full((3, 2, 2), -1.1), ValueError, r"photo: expected numbers in \[-1, 1\], got -1.1 to -1.1"),
    ],
)
def test_what_is_no_picture_is_refused_by_name(image, error, message):
    with pytest.raises(error, match=message):
        check_picture(image, "photo")
