"""A line of a report: what was measured, its spread, what it is compared with, and its target."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..measure.pair_rows import Row
from ..scores.statistics import Estimate, mean

SCALE = {"": 1.0, "dB": 1.0, "px": 1.0, "°": 1.0, "%": 100.0, "/255": 255.0}
DIGITS = {"": 3, "dB": 2, "px": 2, "°": 1, "%": 1, "/255": 2}


@dataclass(frozen=True)
class Line:
    """One measured thing. ``beside`` says in words what it is compared with; ``least`` or ``most`` is the target."""

    what: str
    estimate: Estimate
    unit: str = ""
    beside: str = ""
    least: float | None = None
    most: float | None = None

    @property
    def reached(self) -> bool | None:
        """Whether the value, not its interval, meets the target; None without one."""
        if self.least is None and self.most is None:
            return None
        above = self.least is None or self.estimate.value >= self.least
        return above and (self.most is None or self.estimate.value <= self.most)

    def number(self, value: float) -> str:
        """A number as this line writes it; empty where there is none."""
        return f"{SCALE[self.unit] * value:.{DIGITS[self.unit]}f}" if math.isfinite(value) else ""

    def text(self, value: float) -> str:
        """A number of this line with its unit."""
        return f"{self.number(value) or 'none'} {self.unit}".rstrip()


Table = list[Line]


def column(rows: Sequence[Row], name: str) -> list[float]:
    """One number of every pair; NaN where a pair has none."""
    return [row.get(name, float("nan")) for row in rows]


def gain(rows: Sequence[Row], name: str, baseline: str) -> Estimate:
    """The mean over pairs of one number less another."""
    return mean([row[name] - row[baseline] for row in rows])
