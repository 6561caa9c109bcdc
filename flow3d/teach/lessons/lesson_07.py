"""Notebook 07's helpers: a watched training, the gradients of its terms, and recorded curves of the shipped weights.

``python -m flow3d.teach.lessons.lesson_07 --thin METRICS --out OUT --held-out CACHE`` writes a small copy of a
``metrics.csv``.
"""

import argparse
import csv
import io
import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from flow3d.datasets.batch import Batch
from flow3d.datasets.cache import FrameCache
from flow3d.evaluation.scores.metrics import mean_end_point_error
from flow3d.files import write_whole
from flow3d.renderer import FlowRenderer
from flow3d.synthesis import cut_out
from flow3d.teach.figures.training import ZERO, Curve, read_curve
from flow3d.training import Trainer, TrainingConfig
from flow3d.training.log import MEASURED
from flow3d.training.steps import TrainingStep
from flow3d.training.trainer import SHEET_PAIRS, SHEET_SEED, Outcome

LIMIT = 40_000  # bytes of a thinned curve
NETWORKS = {
    "flow network": ("mapping.", "warping.flow_network.", "warping.code.", "warping.collapse.", "warping.residual."),
    "encoder, decoder": ("warping.encoder.", "warping.decoder."),
    "refiner": ("refiner.",),
    "inpainter": ("inpainter.",),
}
PICTURES = 3  # pairs of the probe that are shown


def shuffled(batch: Batch) -> Batch:
    """The batch with each target's coefficients replaced by those of another pair: pictures and motion do not match."""
    return replace(batch, target_window=batch.target_window.roll(1, 0))


@contextmanager
def quiet() -> Generator[None]:
    """Suppress progress bars: a static page would show every state of them."""
    with redirect_stderr(io.StringIO()):
        yield


@torch.no_grad()
def estimated_flow(renderer: FlowRenderer, batch: Batch) -> Float[Tensor, "B 2 S S"]:
    """The flow in pixels that the renderer estimates for each pair of a batch."""
    stage, foreground = renderer.warping, cut_out(batch.source, batch.source_alpha)
    target, start = renderer.mapping(batch.target_window), renderer.mapping(batch.source_window)
    return stage.estimate(foreground, stage.flow_network.lift(foreground), target, start).pixel_flow


def flow_error(renderer: FlowRenderer | None, batch: Batch) -> float:
    """Mean end-point error in pixels on the person where both frames show it; None measures the zero flow."""
    flow = torch.zeros_like(batch.flow) if renderer is None else estimated_flow(renderer, batch)
    return mean_end_point_error(flow, batch.flow, batch.seen)


class WatchedTrainer(Trainer):
    """The package's trainer, which also keeps every step's numbers, and snapshots of held-out pairs.

    Args:
        config, data, out, options: as for :class:`flow3d.training.Trainer`.
        probe: held-out pairs.
        snapshots: their number over all steps, besides the one at the start.
        shuffle: train on batches that are ``shuffled``.
    """

    def __init__(
        self, config: TrainingConfig, data: FrameCache, out: Path, probe: Batch, snapshots: int = 12, *,
        shuffle: bool = False, **options: Any,
    ) -> None:  # fmt: skip
        super().__init__(config, data, out, **options)
        self.probe, self.shuffle, self.every = probe, shuffle, max(1, config.steps // snapshots)
        self.numbers: list[dict[str, float]] = []
        self.snapshots: dict[int, dict[str, Any]] = {}
        self.take_snapshot()

    def batch(self, step: int) -> Batch:
        """The trainer's own batch, shuffled where asked for."""
        batch = super().batch(step)
        return shuffled(batch) if self.shuffle else batch

    def run(self, *arguments: Any, **options: Any) -> Outcome:
        """Run as the trainer does; each snapshot prints a line, in place of a progress bar."""
        with quiet():
            return super().run(*arguments, **options)

    def advance(self, batch: Batch) -> dict[str, float]:
        """Advance as the trainer does, and keep the numbers."""
        self.numbers.append(super().advance(batch))
        if self.step % self.every == 0:
            self.take_snapshot()
            error = self.snapshots[self.step]["averaged"]
            print(f"phase {self.config.phase}, step {self.step:3d} of {self.config.steps}: flow error {error:.2f} px")
        return self.numbers[-1]

    def take_snapshot(self) -> None:
        """Measure raw and averaged weights on the probe, and keep pictures of its first pairs, by averaged weights."""
        averaged, batch = self.shadow(), self.probe
        pictures: dict[str, list[Tensor]] = {"source, warped": [], "decoded": [], "output": []}
        for k in range(PICTURES):
            source = averaged.prepare(batch.source[k], batch.source_alpha[k], batch.source_window[k])
            stages = averaged.stages(source, batch.target_window[k : k + 1])
            pictures["decoded"].append(stages.warped[0])
            pictures["output"].append(stages.output[0])
            pictures["source, warped"].append((stages.warped if stages.pixels is None else stages.pixels)[0])
        errors = {"raw": flow_error(self.renderer, batch), "averaged": flow_error(averaged, batch)}
        self.snapshots[self.step] = errors | pictures


def term_gradients(model: TrainingStep, batch: Batch, step: int = 0) -> dict[str, dict[str, float]]:
    """The norm of each raw term's gradient in each of ``NETWORKS``: network -> term -> norm, without lambdas."""
    raw = model(batch, step)
    named = dict(model.renderer.named_parameters())
    owner = {name: next(n for n, begins in NETWORKS.items() if name.startswith(begins)) for name in named}
    norms: dict[str, dict[str, float]] = {network: {} for network in NETWORKS}
    for term, value in raw.items():
        gradients = torch.autograd.grad(value, list(named.values()), retain_graph=True, allow_unused=True)
        squares = dict.fromkeys(NETWORKS, 0.0)
        for name, gradient in zip(named, gradients, strict=True):
            squares[owner[name]] += 0.0 if gradient is None else float(gradient.square().sum())
        for network, square in squares.items():
            norms[network][term] = square**0.5
    return norms


def joined(parts: Sequence[Curve]) -> dict[str, np.ndarray]:
    """The curves of a phase that was trained in several parts, as one: steps and seconds go on."""
    ends = {name: np.cumsum([0, *(part[name][-1] for part in parts)]) for name in ("step", "seconds")}
    return {
        name: np.concatenate([part[name] + (ends[name][k] if name in ends else 0) for k, part in enumerate(parts)])
        for name in parts[0]
    }


def thin(metrics: Sequence[str | os.PathLike[str]], held_out: FrameCache, limit: int = LIMIT) -> bytes:
    """A copy of a ``metrics.csv`` of at most ``limit`` bytes: neighbouring rows become their mean, measured rows stay.

    A column is added: the zero flow's error on the pairs of the contact sheets, beside each ``flow_error``.

    Args:
        metrics: the file, or those of several parts in their order, which are joined.
        held_out: the frames that the training was measured on. ``limit``: of the copy.

    Raises:
        ValueError: not a training's metrics, or the measured rows alone exceed the limit.
    """
    curve = joined([read_curve(path) for path in metrics])
    pairs = held_out.batch(*held_out.draw(np.random.default_rng(SHEET_SEED), SHEET_PAIRS), both=False)
    measured = np.isfinite(curve[MEASURED[-1]])
    curve[ZERO] = np.where(measured, flow_error(None, pairs), np.nan)
    for size in range(1, len(measured) + 1):
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(curve)
        begin = 0
        for end in range(1, len(measured) + 1):
            if end - begin == size or measured[end - 1] or end == len(measured):
                writer.writerow([_mean(name, values[begin:end]) for name, values in curve.items()])
                begin = end
        if len(content := text.getvalue().encode()) <= limit:
            return content
    raise ValueError(f"limit: expected room for the measured rows, got {limit} bytes")


def _mean(name: str, values: np.ndarray) -> str:
    """A column's entry for a block of rows: the last step or second, the mean of any other number."""
    if name in ("step", "seconds"):
        return f"{values[-1]:.0f}"
    finite = values[np.isfinite(values)]
    return f"{finite.mean():.4g}" if len(finite) else ""


def main(arguments: Sequence[str] | None = None) -> None:
    """Write a thinned copy of a training's metrics."""
    parser = argparse.ArgumentParser(prog="python -m flow3d.teach.lessons.lesson_07", description=main.__doc__)
    parser.add_argument("--thin", nargs="+", required=True, metavar="METRICS", help="metrics.csv of each part")
    parser.add_argument("--out", required=True, help="the copy")
    parser.add_argument("--held-out", required=True, help="the cache that the training was measured on")
    options = parser.parse_args(arguments)
    write_whole(options.out, thin(options.thin, FrameCache(options.held_out)))


if __name__ == "__main__":
    main()
