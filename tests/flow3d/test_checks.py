"""Whole numbers and sizes of pictures are checked once, and the message names the argument."""

import numpy as np
import pytest

from flow3d.checks import SIZES, check_integer, check_size


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
