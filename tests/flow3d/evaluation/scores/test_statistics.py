"""Means, pooled ratios and their spread, by hand."""

import math

import numpy as np
import pytest

from flow3d.evaluation.scores.statistics import STUDENT, estimate, largest, mean, median, over_seeds, ratio
from tolerances import EVALUATION


def test_a_mean_its_spread_and_its_interval():
    found = mean([1.0, 2.0, 3.0, 6.0, float("nan")])
    assert (found.value, found.count) == (3.0, 4)
    assert found.sd == pytest.approx(math.sqrt(14 / 3))
    assert 1 <= found.low < 3 < found.high <= 6
    assert mean([1.0, 2.0, 3.0, 6.0]) == found  # the same resamples every time


def test_the_interval_is_as_wide_as_theory_says():
    values = np.random.default_rng(0).normal(size=400)
    found = mean(values.tolist())
    standard_error = values.std(ddof=1) / 20
    assert found.high - found.low == pytest.approx(2 * 1.96 * standard_error, rel=EVALUATION["bootstrap"][0])


def test_a_ratio_pools_its_sums():
    found = ratio([1.0, 9.0, float("nan")], [2.0, 3.0, 1.0])
    assert (found.value, found.count) == (2.0, 2)  # 10 / 5, not the mean of 1/2 and 3
    assert found.sd == pytest.approx(np.std([0.5, 3.0], ddof=1))
    assert (found.low, found.high) == (0.5, 3.0)


def test_equal_pairs_have_no_spread():
    for found in (mean([2.0] * 5), median([2.0] * 5), ratio([4.0] * 5, [2.0] * 5)):
        assert (found.value, found.sd, found.low, found.high, found.count) == (2.0, 0.0, 2.0, 2.0, 5)


def test_a_median_and_the_largest():
    values = [5.0, 1.0, 2.0, float("nan")]
    assert median(values).value == 2.0
    assert largest(values).value == 5.0
    assert math.isnan(largest(values).high)


def test_nothing_measured_is_nothing_found():
    for found in (mean([]), median([float("nan")]), largest([]), ratio([], []), estimate(np.empty((0, 3)), np.sum)):
        assert found.count == 0
        assert math.isnan(found.value)


def test_a_few_seeds_have_an_interval_by_students_t():
    found = over_seeds([0.5, 1.0, 1.5])  # sd .5, standard error .5 / sqrt(3)
    assert (found.mean, found.count, found.shown) == (1.0, 3, False)
    assert found.reach == pytest.approx(4.303 * 0.5 / math.sqrt(3))
    assert found.text() == "+1.00 ± 1.24"
    assert over_seeds([-1.0, -1.1, -0.9]).shown
    assert over_seeds([0.0, 0.0, 0.0]).shown is False
    one = over_seeds([2.0])
    assert (one.mean, one.shown, one.text()) == (2.0, False, "+2.00")
    with pytest.raises(ValueError, match="values: expected at least one, got none"):
        over_seeds([])


def test_students_quantiles_leave_out_one_draw_in_twenty():
    generator = np.random.default_rng(0)
    for count in (2, 3, 5, 10, 14):
        draws = [over_seeds(row) for row in generator.normal(size=(4000, count)).tolist()]
        missed = sum(draw.shown for draw in draws) / len(draws)
        assert missed == pytest.approx(0.05, abs=EVALUATION["one in twenty"][0])
    assert STUDENT[0] == pytest.approx(math.tan(math.pi * 0.95 / 2), abs=EVALUATION["three decimals"][0])
