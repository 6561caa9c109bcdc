"""The loop: one phase of training on any number of processes, from nothing or from a checkpoint."""

from __future__ import annotations

import json
import os
import time
import warnings
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from tqdm import tqdm

from ..config import RendererConfig, preset
from ..datasets.batch import Batch
from ..datasets.cache import FrameCache
from ..datasets.pairs import BLOCK
from ..files import write_whole
from ..renderer import FlowRenderer
from .checkpoint import FILE, Checkpoint, check_fits, read_checkpoint
from .config import TrainingConfig
from .graphs import GraphedLoss
from .interrupts import interrupts
from .log import Metrics, look, write_sheet
from .losses import LossTerms, check_finite, loss_total
from .perceptual import perceptual
from .steps import TrainingStep

Outcome = Literal["finished", "paused", "interrupted"]
LOG_EVERY = 20  # steps in a row of metrics.csv
SHEET_PAIRS = 6
SHEET_SEED = 0


class Trainer:
    """One phase of training.

    Every step's pairs follow from seed, step and process alone, so a resumed training sees what it would have seen.
    On a card, frames that fit into half of its free memory are held there; with one process a step is one CUDA graph.

    Args:
        config: recipe and sizes; see :func:`training`.
        data: rendered frames of training seeds.
        out: folder for checkpoint, averaged weights, metrics and contact sheets.
        resume: go on from the checkpoint in ``out``.
        start: a folder of weights to begin with, or another phase's ``out``.
        held_out: frames of validation seeds for the contact sheets; without them, they show training pairs.
        described: the renderer, where it differs from preset and recipe, as in an ablation.
        save_minutes, sheet_minutes: between checkpoints, and between contact sheets.

    Raises:
        FileNotFoundError: nothing to resume or start from.
        ValueError: data or checkpoint of another preset, data of validation seeds, or a folder that holds a training.
    """

    def __init__(
        self, config: TrainingConfig, data: FrameCache, out: str | os.PathLike[str], *, resume: bool = False,
        start: str | os.PathLike[str] | None = None, held_out: FrameCache | None = None, save_minutes: float = 5.0,
        sheet_minutes: float = 5.0, described: RendererConfig | None = None,
    ) -> None:  # fmt: skip
        from accelerate import Accelerator, DistributedDataParallelKwargs

        described = described or preset(config.preset, config.recipe)
        self.out, self.data, self.held_out = Path(out), data, held_out
        found = read_checkpoint(out) if resume else None
        if found is not None:
            check_fits(found, config, described)
        elif (self.out / FILE).exists():
            raise ValueError(f"out: {os.fspath(out)!r} holds a training already; resume it, or choose another folder")
        for name, cache in (("data", data), ("held_out", held_out)):
            if cache is not None and cache.size != described.size:
                raise ValueError(f"{name}: expected {described.size} px for preset {config.preset}, got {cache.size}")
        if data.seed >= BLOCK:
            raise ValueError(f"data: expected seeds below {BLOCK:,}, which train, got {data.seed:,} and on")
        if held_out is not None and held_out.seed < BLOCK:
            raise ValueError(f"held_out: expected seeds from {BLOCK:,}, which no training sees, got {held_out.seed:,}")
        self.config, self.step = config, found.step if found else 0
        self.seconds, self.save_minutes, self.sheet_minutes = (
            found.seconds if found else 0.0,
            save_minutes,
            sheet_minutes,
        )
        torch.manual_seed(config.seed)
        self.renderer = _first_weights(described, data, start, found)
        step = TrainingStep(self.renderer, config, perceptual(config.features))
        self.judge = step.judge.name
        # in phase 1 the refiner, and in the warm-up more, has no gradient
        unused = DistributedDataParallelKwargs(find_unused_parameters=True)
        self.accelerator = Accelerator(mixed_precision="no", kwargs_handlers=[unused])
        optimiser = torch.optim.Adam(self.renderer.parameters(), lr=config.learning_rate)
        if found is not None:
            optimiser.load_state_dict(found.optimiser)
        self.model, self.optimiser = self.accelerator.prepare(step, optimiser)
        averaged = found.averaged if found else self.renderer.state_dict()
        device = self.accelerator.device
        self.averaged = {k: v.detach().to(device, copy=True) for k, v in averaged.items()}
        self.graphs = self._use_card()

    @property
    def first(self) -> bool:
        """Whether this process writes the files."""
        return self.accelerator.is_main_process

    def batch(self, step: int) -> Batch:
        """The pairs of a step of this process, both directions."""
        rng = np.random.default_rng([self.config.seed, step, self.accelerator.process_index])
        config = self.config
        return self.data.batch(*self.data.draw(rng, config.batch // 2, config.hard_pairs, config.cross_pairs))

    def advance(self, batch: Batch) -> dict[str, float]:
        """Train on one batch; return the numbers for the log.

        Raises:
            FloatingPointError: a loss or the gradient is not finite; the weights are what they were.
        """
        rate = self.config.rate(self.step)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        batch = batch.to(self.accelerator.device)
        terms = self.graphs(batch, self.step) if self.graphs is not None else None
        if terms is not None:
            check_finite(terms)
        else:
            terms = self._losses(batch, self.step)
            check_finite(terms)
            self.optimiser.zero_grad(set_to_none=True)
            self.accelerator.backward(terms.total)
        norm = self.accelerator.clip_grad_norm_(self.renderer.parameters(), self.config.clip)
        gradient = float(norm) if norm is not None else 0.0
        if not np.isfinite(gradient):
            raise FloatingPointError(f"gradient: expected a finite norm, got {gradient}, of {', '.join(terms.raw)}")
        self.optimiser.step()
        self.step += 1
        self._average()
        return terms.numbers() | {"learning_rate": rate, "gradient": gradient}

    def _losses(self, batch: Batch, step: int) -> LossTerms:
        raw = self.model(batch, step)
        return loss_total(raw, self.config.lambdas, judge=self.judge, extensions=self.config.extensions(step))

    def _use_card(self) -> GraphedLoss | None:
        """On one card: frames beside the network, where they fit, and a step as one graph."""
        device, config = self.accelerator.device, self.config
        if device.type != "cuda":
            return None
        for cache in filter(None, (self.data, self.held_out)):
            if not cache.held and 2 * cache.bytes < torch.cuda.mem_get_info(device)[0]:
                cache.hold_on(device)
        alike = config.flow_rest == 1  # else the terms' weights differ from step to step
        if self.accelerator.num_processes > 1 or not alike:
            return None
        return GraphedLoss(self._losses, list(self.renderer.parameters()), config)

    @torch.no_grad()
    def _average(self) -> None:
        decay = min(self.config.ema, self.step / (self.step + 10))
        state = self.renderer.state_dict()
        torch._foreach_lerp_([self.averaged[name] for name in state], list(state.values()), 1 - decay)  # one launch

    def run(
        self, until: int | None = None, minutes: float | None = None, watch: Callable[[Trainer], None] | None = None
    ) -> Outcome:
        """Train until all steps are done, step ``until``, so many ``minutes``, or Ctrl-C; then save and return which.

        Args:
            until: stop here, before the schedule's end.
            minutes: stop after this time.
            watch: called after every step.

        Raises:
            FloatingPointError: see :meth:`advance`; the last checkpoint stays.
            OSError: the last checkpoint could not be written; an earlier one stays.
        """
        last = min(self.config.steps, self.config.steps if until is None else until)
        begun = saved = drawn = time.monotonic()
        before = self.seconds
        metrics = self._open() if self.first else None
        bar = tqdm(total=self.config.steps, initial=self.step, disable=not self.first, unit="step", leave=False)
        outcome: Outcome = "finished"
        with interrupts() as stop, ThreadPoolExecutor(1) as pool, bar:
            coming: Future[Batch] = pool.submit(self.batch, self.step)
            while self.step < last:
                batch, coming = coming.result(), pool.submit(self.batch, self.step + 1)
                numbers = self.advance(batch)
                now = time.monotonic()
                self.seconds = before + now - begun
                bar.update()
                if watch is not None:
                    watch(self)
                if metrics is not None:
                    metrics.add(numbers)
                    if now - drawn > 60 * self.sheet_minutes:
                        metrics.add(self.draw())
                        drawn = now
                    if self.step % LOG_EVERY == 0 and self.step < last:
                        row = metrics.write(self.step, self.seconds)
                        bar.set_postfix_str(f"loss {row['total']:.3g}")
                    if now - saved > 60 * self.save_minutes:
                        self._save_or_warn()
                        saved = now
                late = minutes is not None and now - begun > 60 * minutes
                if self._agree(stop.is_set() or late):
                    outcome = "interrupted" if stop.is_set() else "paused"
                    break
            coming.cancel()
        if outcome == "finished" and self.step < self.config.steps:
            outcome = "paused"
        if metrics is not None:
            self.save()
            metrics.add(self.draw())
            metrics.write(self.step, self.seconds)
        self.accelerator.wait_for_everyone()
        return outcome

    def _open(self) -> Metrics:
        self.out.mkdir(parents=True, exist_ok=True)
        about = json.loads(self.config.to_json()) | {"judge": self.judge, "processes": self.accelerator.num_processes}
        write_whole(self.out / "training.json", json.dumps(about, indent=1).encode())
        return Metrics(self.out, self.step)

    def _agree(self, stop: bool) -> bool:
        """Whether any process wants to stop: all of them must, or the others would wait for its gradients."""
        if self.accelerator.num_processes == 1:
            return stop
        wish = torch.tensor([float(stop)], device=self.accelerator.device)
        return bool(self.accelerator.gather(wish).max() > 0)

    def shadow(self) -> FlowRenderer:
        """A renderer with the averaged weights."""
        renderer = FlowRenderer(self.renderer.config).to(self.accelerator.device)
        renderer.load_state_dict(self.averaged)
        return renderer.eval()

    def draw(self) -> dict[str, float]:
        """Write the contact sheet of this step, made by the averaged weights, and return what was measured on it."""
        cache = self.held_out or self.data
        chosen = cache.draw(np.random.default_rng(SHEET_SEED), SHEET_PAIRS)
        batch = cache.batch(*chosen, both=False).to(self.accelerator.device)
        columns, measured = look(self.shadow(), batch)
        write_sheet(self.out / "sheets" / f"step_{self.step:07d}.png", columns)
        return measured

    def save(self) -> None:
        """Write the checkpoint, and the averaged weights as a renderer.

        Raises:
            OSError: no room, or no permission; what was there before is still there.
        """
        weights = {name: value.detach().cpu() for name, value in self.renderer.state_dict().items()}
        averaged = {name: value.cpu() for name, value in self.averaged.items()}
        described = self.renderer.config.to_json()
        Checkpoint(
            self.step, self.seconds, self.config, described, weights, averaged, self.optimiser.state_dict()
        ).save(self.out)
        text = (
            f"Phase {self.config.phase}, step {self.step:,} of {self.config.steps:,}, {self.seconds / 60:.0f} minutes, "
            f"seed {self.config.seed}; averaged weights. Perceptual losses through {self.judge}."
        )
        self.shadow().save_pretrained(self.out / "weights", text)

    def _save_or_warn(self) -> None:
        try:
            self.save()
        except OSError as error:
            warnings.warn(f"step {self.step}: not saved ({error}); the last checkpoint is kept", stacklevel=2)


def _first_weights(
    described: RendererConfig, data: FrameCache, start: str | os.PathLike[str] | None, found: Checkpoint | None
) -> FlowRenderer:
    """A renderer with the checkpoint's weights, with those of ``start``, or fresh ones that know the data's spread."""
    renderer = FlowRenderer(described)
    if found is not None:
        renderer.load_state_dict(found.weights)
    elif start is not None:
        folder = Path(start, "weights") if Path(start, "weights").is_dir() else Path(start)
        earlier = FlowRenderer.from_pretrained(folder)
        if earlier.config != described:
            wanted, got = (f"{c.name} ({c.recipe})" for c in (described, earlier.config))
            raise ValueError(f"start: expected weights of {wanted}, got {got}")
        renderer.load_state_dict(earlier.state_dict())
    else:
        renderer.mapping.standardise(data.coefficients.flatten(0, 1))
    return renderer.train()
