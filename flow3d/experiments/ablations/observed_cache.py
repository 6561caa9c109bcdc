"""A cache whose windows are a regressor's, not exact."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from ...datasets.batch import Batch
from ...datasets.cache import FrameCache
from ...training.error_bank import ErrorBank


class ObservedCache(FrameCache):
    """A cache whose windows carry the errors of a regressor; the same pair always carries the same ones."""

    def __init__(self, cache: FrameCache, bank: ErrorBank, one_frame: bool) -> None:
        super().__init__(cache.folder)
        self.bank, self.one_frame = bank, one_frame

    def batch(
        self, who: NDArray[np.int64], first: NDArray[np.int64], second: NDArray[np.int64], *, both: bool = True
    ) -> Batch:
        """As :meth:`FrameCache.batch`, with observed windows."""
        plain = super().batch(who, first, second, both=both)
        rng = np.random.default_rng([1, *who.tolist(), *first.tolist(), *second.tolist()])
        source = self.bank.observe(plain.source_window, rng, self.one_frame)
        target = self.bank.observe(plain.target_window, rng, self.one_frame)
        return dataclasses.replace(plain, source_window=source, target_window=target)
