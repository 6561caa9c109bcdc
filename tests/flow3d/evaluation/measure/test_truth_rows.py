"""Hidden parts, the hole and jitter: by hand, and by methods whose answer is known."""

import math

import pytest
import torch

from flow3d.evaluation.measure.truth_rows import bend, hidden_regions, jitter, jitter_row, truth_row
from flow3d.evaluation.pairs.pair_files import list_pair
from tolerances import EVALUATION

CEILING = 10 * math.log10(4e10)  # dB of no error at all


def test_regions_are_apart_and_the_hole_shows_background(pairs):
    for pair in pairs.values():
        areas = hidden_regions(pair)
        assert not (areas["shown"] & areas["hidden"]).any()
        assert not (areas["hole"] & (areas["shown"] | areas["hidden"])).any()
        assert torch.equal(pair.target[:, areas["hole"]], pair.background[:, areas["hole"]])


def test_the_truth_is_perfect_and_the_copy_is_its_own_baseline(pairs):
    for pair in pairs.values():
        best, worst = truth_row(pair.target, pair), truth_row(pair.source, pair)
        for area, where in hidden_regions(pair).items():
            if int(where.sum()) >= 8:
                assert best[f"{area} output"] == pytest.approx(CEILING, abs=EVALUATION["decibels"][0])
                assert worst[f"{area} output"] == worst[f"{area} copy"] < 30
            else:
                assert math.isnan(best[f"{area} output"])


def test_jitter_by_hand():
    still = torch.zeros(4, 3, 2, 2)
    shaken, drifting = still.clone(), torch.arange(4.0).view(4, 1, 1, 1) * 0.1 + still
    shaken[1] = 0.4  # second differences -.8 and .4, halved and averaged: .3
    limit = EVALUATION["by hand"][0]
    assert jitter(shaken, still) == pytest.approx(0.3, abs=limit)
    assert jitter(still, shaken) == pytest.approx(0.3, abs=limit) == bend(shaken)
    assert jitter(shaken, shaken) == 0
    assert jitter(drifting, still) == pytest.approx(0, abs=limit)
    left = torch.tensor([[True, False], [True, False]])
    shaken[..., 1] = 9.0
    assert jitter(shaken, still, left) == pytest.approx(0.3, abs=limit)
    with pytest.raises(ValueError, match="frames: expected a clip of 3 frames or more, got 2"):
        bend(still[:2])


def test_a_still_picture_has_the_truths_own_bend(pairs, copy):
    seed, pair = next(iter(pairs.items()))
    row = jitter_row(copy, list_pair(seed, False), pair)
    assert row["jitter output"] == row["jitter still"] > 0
    assert row["bend output"] == 0
