"""The published lists: seeds that no training sees, and pairs that turn as far as they say."""

import pytest

from flow3d.datasets import make_pair
from flow3d.datasets.pairs import BLOCK
from flow3d.evaluation.pairs.protocols import (
    FIRST_SEED,
    WIDE,
    bin_of,
    pair_lists,
    self_seeds,
    wide_seeds,
    yaw_difference,
)


def test_lists_begin_at_the_first_published_seed_and_stay_in_their_block():
    assert self_seeds(3) == [FIRST_SEED, FIRST_SEED + 1, FIRST_SEED + 2]
    assert all(BLOCK <= seed < 2 * BLOCK for seed in (*self_seeds(200), *wide_seeds(5)))


def test_yaw_is_known_without_rendering():
    for seed in (FIRST_SEED, FIRST_SEED + 4):
        assert yaw_difference(seed) == make_pair(seed, 16).yaw_difference


def test_wide_pairs_are_the_first_that_turn_far():
    found = wide_seeds(3)
    assert found == [s for s in self_seeds(found[-1] - FIRST_SEED + 1) if yaw_difference(s) > WIDE]
    assert wide_seeds(2) == found[:2]


def test_a_wide_pair_that_is_in_the_list_is_rendered_once():
    seed = wide_seeds(1)[0]
    lists = pair_lists(seed - FIRST_SEED + 1, 1, 1, 16)
    assert lists["wide"][seed] is lists["self"][seed]
    assert lists["cross"][FIRST_SEED].driving is not lists["cross"][FIRST_SEED].target


def test_bins_of_yaw():
    assert [bin_of(yaw) for yaw in (0.0, 9.9, 10.0, 34.9, 35.0, 97.0)] == [
        "0-10",
        "0-10",
        "10-20",
        "20-35",
        "35+",
        "35+",
    ]


@pytest.mark.parametrize(("counts", "name"), [((0, 1, 1), "pairs"), ((1, 0, 1), "cross"), ((1, 1, 0), "wide")])
def test_an_empty_list_is_refused_by_name(counts, name):
    with pytest.raises(ValueError, match=f"{name}: expected 1 or more, got 0"):
        pair_lists(*counts, 16)
