"""A number with its spread: mean or pooled ratio, standard deviation over pairs, bootstrap interval."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Rows = NDArray[np.float64]
RESAMPLES, LEVEL, SEED = 2000, 0.95, 0
# Student's t, 95 %, two-sided, of 1 to 9 degrees of freedom. More of them take the last: an interval slightly too wide.
STUDENT = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)


@dataclass(frozen=True)
class Estimate:
    """``value`` of ``count`` pairs (or identities); ``sd`` over them; ``low`` and ``high`` of the 95 % interval."""

    value: float
    sd: float
    low: float
    high: float
    count: int


def _picks(count: int) -> NDArray[np.int64]:
    return np.random.default_rng(SEED).integers(count, size=(RESAMPLES, count))


def _described(value: float, single: Rows, again: Rows, count: int) -> Estimate:
    tail = 100 * (1 - LEVEL) / 2
    again, single = again[np.isfinite(again)], single[np.isfinite(single)]
    low, high = np.percentile(again, [tail, 100 - tail]) if len(again) else (np.nan, np.nan)
    sd = single.std(ddof=1) if len(single) > 1 else np.nan
    return Estimate(float(value), float(sd), float(low), float(high), count)


def estimate(rows: ArrayLike, statistic: Callable[[Rows], Rows]) -> Estimate:
    """Estimate a statistic of sums over pairs, with its spread.

    Args:
        rows: (N, K), K numbers of each pair.
        statistic: turns means (..., K) over any set of pairs into the number (...).

    Returns:
        The statistic of all pairs; its standard deviation over single pairs; and the percentile interval of 2,000
        bootstrap resamples of pairs, always the same ones. NaN without pairs.
    """
    table = np.asarray(rows, dtype=np.float64)
    count = len(table)
    if not count:
        return Estimate(*[float("nan")] * 4, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        single, again = statistic(table), statistic(table[_picks(count)].mean(1))
        return _described(float(statistic(table.mean(0))), single, again, count)


def mean(values: Sequence[float]) -> Estimate:
    """The mean of one number a pair; pairs that have none (NaN) are left out and not counted."""
    table = np.asarray(values, dtype=np.float64)
    return estimate(table[np.isfinite(table)][:, None], lambda sums: sums[..., 0])


def ratio(over: Sequence[float], under: Sequence[float]) -> Estimate:
    """The sum of ``over`` divided by the sum of ``under``: a ratio pooled over pairs; pairs with a NaN are left out."""
    table = np.stack([np.asarray(over, dtype=np.float64), np.asarray(under, dtype=np.float64)], -1)
    return estimate(table[np.isfinite(table).all(1)], lambda sums: sums[..., 0] / sums[..., 1])


def median(values: Sequence[float]) -> Estimate:
    """The median of one number a pair, NaN left out."""
    table = np.asarray(values, dtype=np.float64)
    table = table[np.isfinite(table)]
    if not len(table):
        return Estimate(*[float("nan")] * 4, 0)
    return _described(np.median(table), table, np.median(table[_picks(len(table))], axis=1), len(table))


def largest(values: Sequence[float]) -> Estimate:
    """The largest of one number a pair, NaN left out. Resampling cannot estimate its interval, so it has none."""
    table = np.asarray(values, dtype=np.float64)
    table = table[np.isfinite(table)]
    if not len(table):
        return Estimate(*[float("nan")] * 4, 0)
    return _described(table.max(), table, np.empty(0), len(table))


@dataclass(frozen=True)
class OverSeeds:
    """The mean of ``count`` seeds' numbers; ``reach`` is half of its 95 % interval by Student's t, NaN of one seed."""

    mean: float
    reach: float
    count: int

    @property
    def shown(self) -> bool:
        """Whether the interval leaves out 0: only then does a difference show anything."""
        return abs(self.mean) > self.reach

    def text(self) -> str:
        """Mean and interval, with sign: "+0.81 ± 1.17"."""
        return f"{self.mean:+.2f}" + (f" ± {self.reach:.2f}" if np.isfinite(self.reach) else "")


def over_seeds(values: Sequence[float]) -> OverSeeds:
    """The mean over a few seeds, normally of differences between two trainings with the same seed.

    Raises:
        ValueError: no value.
    """
    table = np.asarray(values, dtype=np.float64)
    if not len(table):
        raise ValueError("values: expected at least one, got none")
    if len(table) == 1:
        return OverSeeds(float(table[0]), float("nan"), 1)
    student = STUDENT[min(len(table) - 1, len(STUDENT)) - 1]
    return OverSeeds(float(table.mean()), float(student * table.std(ddof=1) / np.sqrt(len(table))), len(table))
