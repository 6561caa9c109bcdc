"""On a card: forward, loss and backward of a step as one CUDA graph, since thousands of small launches cost more than
the work itself."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..datasets.batch import Batch
from .config import TrainingConfig
from .losses import LossTerms

Key = tuple[object, ...]


@dataclass(frozen=True, eq=False)
class Recorded:
    """A graph, the losses that it writes, and the gradients that it leaves."""

    graph: torch.cuda.CUDAGraph
    terms: LossTerms
    gradients: list[Tensor | None]


class GraphedLoss:
    """Losses and gradients of a step, replayed from CUDA graphs; every set of terms has a graph of its own.

    Args:
        compute: losses of a batch at a step; it works on the card and reads no number from it.
        parameters: the parameters that need gradients.
        config: decides which steps compute the same terms.
    """

    def __init__(
        self, compute: Callable[[Batch, int], LossTerms], parameters: list[nn.Parameter], config: TrainingConfig
    ) -> None:
        self.compute, self.parameters, self.config = compute, parameters, config
        self.batch: Batch | None = None
        self.recorded: dict[Key, Recorded] = {}
        self.pool: Any = None  # memory that all graphs share
        self.broken = False

    def key(self, step: int) -> Key:
        """Steps with one key compute the same function."""
        config = self.config
        turn = step % (2 * config.sparse_terms)
        turn = turn, step % (config.hole_dilation + 1)
        return step < config.warmup_steps, step < config.frozen_steps, turn, *config.extensions(step).values()

    def __call__(self, batch: Batch, step: int) -> LossTerms | None:
        """The losses, with every parameter's gradient in place; None where no graph could be recorded."""
        if self.broken:
            return None
        if self.batch is None:
            self.batch = batch.map(torch.clone)
        for kept, given in zip(self.batch.tensors(), batch.tensors(), strict=True):
            kept.copy_(given)
        key = self.key(step)
        if key not in self.recorded:
            try:
                self.recorded[key] = self._record(self.batch, step)
            except RuntimeError as error:
                reason = str(error).partition("\n")[0]
                warnings.warn(f"step {step}: no CUDA graph ({reason}); training goes on without, slower", stacklevel=2)
                self.broken = True
                return None
        recorded = self.recorded[key]
        recorded.graph.replay()
        for parameter, gradient in zip(self.parameters, recorded.gradients, strict=True):
            parameter.grad = gradient
        return recorded.terms

    def _record(self, batch: Batch, step: int) -> Recorded:
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):  # compiles kernels and chooses algorithms, which a recording may not
            self._clear()
            self.compute(batch, step).total.backward()
        torch.cuda.current_stream().wait_stream(stream)
        self._clear()
        graph = torch.cuda.CUDAGraph()
        # another thread may be making the next batch
        with torch.cuda.graph(graph, pool=self.pool, capture_error_mode="thread_local"):
            terms = self.compute(batch, step)
            terms.total.backward()
        self.pool = self.pool or graph.pool()
        return Recorded(graph, terms, [parameter.grad for parameter in self.parameters])

    def _clear(self) -> None:
        for parameter in self.parameters:
            parameter.grad = None
