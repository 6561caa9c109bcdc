"""Means, pooled ratios and their spread, by hand."""

import math

import numpy as np
import pytest

from flow3d.evaluation.scores.statistics import estimate, largest, mean, median, ratio
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
