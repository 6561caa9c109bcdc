"""Windows as the regressor would estimate them: exact ones plus errors that it makes on people it never saw."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from ...checks import Whole
from ...datasets.batch import Batch
from ...datasets.cache import FrameCache
from ...evaluation.measure.coefficient_errors import answer_clips
from ...perception.regressor import CoefficientRegressor
from ...sizes import COEFFICIENT_COUNT, RADIUS, WINDOW


@dataclass(frozen=True, eq=False)
class ErrorBank:
    """Errors (I, N, 73) of a regressor on I clips of N frames, raw units; those of neighbouring frames correlate."""

    errors: Float[Tensor, "I N 73"]

    @classmethod
    def of(cls, regressor: CoefficientRegressor, identities: Whole = 40) -> ErrorBank:
        """Its errors on fresh clips (see :func:`flow3d.evaluation.measure.coefficient_errors.answer_clips`).

        Raises:
            ValueError: ``identities`` below 1.
        """
        answers = answer_clips(regressor, identities)
        return cls((answers.estimates - answers.truth)[..., :COEFFICIENT_COUNT].contiguous())

    def observe(
        self, windows: Float[Tensor, "B 73 27"], rng: np.random.Generator, one_frame: bool = False
    ) -> Float[Tensor, "B 73 27"]:
        """Add to each window the errors of 27 frames in a row of one clip.

        If ``one_frame``, the middle frame is then repeated, which is a window of radius k = 0.
        """
        clips, frames = self.errors.shape[:2]
        who = rng.integers(clips, size=len(windows))
        start = rng.integers(frames - WINDOW + 1, size=len(windows))
        slices = [self.errors[i, s : s + WINDOW].T for i, s in zip(who.tolist(), start.tolist(), strict=True)]
        observed = windows + torch.stack(slices)
        return observed[:, :, RADIUS : RADIUS + 1].expand(-1, -1, WINDOW).contiguous() if one_frame else observed


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
