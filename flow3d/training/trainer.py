"""One phase of training, on any number of processes, from nothing or from a checkpoint."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from ..config import RendererConfig, preset
from ..datasets.batch import Batch
from ..datasets.cache import FrameCache
from ..files import write_whole
from ..renderer import FlowRenderer
from .augment import observe, relight
from .checkpoint import Checkpoint, check_fits, read_checkpoint
from .config import TrainingConfig
from .error_bank import shipped_errors
from .folder import TrainingFolder, reading, restore
from .frames import check_frames, check_volume
from .graphs import GraphedLoss
from .log import Metrics, look, write_sheet
from .loop import AveragedWeights, Loop, Outcome, Timer, or_warn
from .losses import LossTerms, check_finite, loss_total
from .perceptual import Perceptual, perceptual
from .processes import accelerator
from .steps import TrainingStep

LOG_EVERY = 20  # steps in a row of metrics.csv
SHEET_PAIRS = 6
SHEET_SEED = 0


class Trainer:
    """One phase of training.

    Every step's pairs follow from seed, step and process alone, so a resumed training sees the same pairs and ends with
    the same weights, to the bit. On one card a step is a CUDA graph.

    Args:
        config: recipe and sizes; see :func:`training`.
        data: rendered frames of training seeds; see :func:`flow3d.training.frames.hold_on_card`.
        out: folder for checkpoint, averaged weights, metrics and contact sheets.
        resume: go on from the checkpoint in ``out``.
        start: a folder of weights to begin with, or another phase's ``out``.
        held_out: frames of validation seeds for the contact sheets; without them, they show training pairs.
        described: the renderer's configuration, where it differs from preset and recipe, as in an ablation.
        judge: of the perceptual losses; None is that of ``config.features``.
        save_minutes, sheet_minutes: between checkpoints, and between contact sheets.

    Raises:
        FileNotFoundError: nothing to resume or start from.
        ValueError: data or checkpoint of another preset, a volume of which the data tell no truth, data of validation
            seeds, or a folder that holds a training.
    """

    def __init__(
        self, config: TrainingConfig, data: FrameCache, out: str | os.PathLike[str], *, resume: bool = False,
        start: str | os.PathLike[str] | None = None, held_out: FrameCache | None = None, save_minutes: float = 5.0,
        sheet_minutes: float = 5.0, described: RendererConfig | None = None, judge: Perceptual | None = None,
    ) -> None:  # fmt: skip
        from accelerate import DistributedDataParallelKwargs

        described = described or preset(config.preset, config.recipe)
        self.config, self.data, self.held_out, self.out = config, data, held_out, Path(out)
        self.save_minutes, self.sheet_minutes = save_minutes, sheet_minutes
        self.folder = TrainingFolder(out, resume)
        earlier = read_checkpoint(out) if resume else None
        if earlier is not None:
            check_fits(earlier, config, described)
        check_frames(data, held_out, described.size, config.preset)
        check_volume(described, config)
        self.step, self.seconds = (earlier.step, earlier.seconds) if earlier else (0, 0.0)
        torch.manual_seed(config.seed)
        self.renderer = FlowRenderer(described).train()
        if earlier is None:
            _set_first_weights(self.renderer, data, start)
        step = TrainingStep(self.renderer, config, judge or perceptual(config.features))
        self.judge = step.judge.name
        # the refiner gets no gradient in phase 1, and more networks get none in the warm-up
        self.accelerator = accelerator(DistributedDataParallelKwargs(find_unused_parameters=True))
        optimiser = torch.optim.Adam(self.renderer.parameters(), lr=config.learning_rate, betas=config.betas)
        if earlier is not None:
            with reading(out):
                restore(self.renderer, optimiser, earlier.content)
        self.model, self.optimiser = self.accelerator.prepare(step, optimiser)
        averaged = earlier.averaged if earlier else self.renderer.state_dict()
        self.averaged = AveragedWeights(averaged, config.ema, self.accelerator.device)
        self.graphs = self._graphed()
        self.bank = shipped_errors() if config.observed else None

    @property
    def first(self) -> bool:
        """Whether this process writes the files."""
        return self.accelerator.is_main_process

    def batch(self, step: int) -> Batch:
        """The pairs of a step of this process, both directions."""
        rng = np.random.default_rng([self.config.seed, step, self.accelerator.process_index])
        config = self.config
        batch = self.data.batch(*self.data.draw(rng, config.batch // 2, config.hard_pairs, config.cross_pairs))
        if config.relight:
            batch = relight(batch, rng, config.relight)
        return batch if self.bank is None else observe(batch, rng, config.observed, self.bank)

    def advance(self, batch: Batch) -> dict[str, float]:
        """Train on one batch; return the numbers for the log.

        Raises:
            FloatingPointError: a loss or the gradient is not finite; the weights are what they were.
        """
        rate = self.config.rate(self.step)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        terms = self._set_gradients(batch.to(self.accelerator.device))
        norm = self.accelerator.clip_grad_norm_(self.renderer.parameters(), self.config.largest_norm)
        gradient = float(norm) if norm is not None else 0.0
        if not np.isfinite(gradient):
            raise FloatingPointError(f"gradient: expected a finite norm, got {gradient}, of {', '.join(terms.raw)}")
        self.optimiser.step()
        self.step += 1
        self.averaged.update(self.renderer.state_dict(), self.step)
        return terms.numbers() | {"learning_rate": rate, "gradient": gradient}

    def _set_gradients(self, batch: Batch) -> LossTerms:
        terms = self.graphs(batch, self.step) if self.graphs is not None else None
        if terms is not None:
            check_finite(terms)
            return terms
        terms = self._losses(batch, self.step)
        check_finite(terms)
        self.optimiser.zero_grad(set_to_none=True)
        self.accelerator.backward(terms.total)
        return terms

    def _losses(self, batch: Batch, step: int) -> LossTerms:
        raw = self.model(batch, step)
        return loss_total(raw, self.config.lambdas, judge=self.judge, extensions=self.config.extensions(step))

    def _graphed(self) -> GraphedLoss | None:
        """A step as one graph, on one card; None where the terms' weights differ from step to step."""
        one_card = self.accelerator.device.type == "cuda" and self.accelerator.num_processes == 1
        if not one_card or self.config.flow_rest != 1:
            return None
        return GraphedLoss(self._losses, list(self.renderer.parameters()), self.config)

    def run(
        self, until: int | None = None, minutes: float | None = None, watch: Callable[[Trainer], None] | None = None
    ) -> Outcome:
        """Train until all steps are done, ``until`` are done, ``minutes`` have passed, or Ctrl-C comes; then save.

        Args:
            until: stop here, before the schedule's end.
            minutes: stop after this time.
            watch: called after every step.

        Returns:
            "finished" when all steps are done, else "paused", or "interrupted" by Ctrl-C.

        Raises:
            FloatingPointError: see :meth:`advance`; the last checkpoint stays.
            ValueError: another training writes the folder, or has done so since this one was made.
            OSError: the last checkpoint could not be written; an earlier one stays.
        """
        with self.folder.claimed(self.first):
            metrics = self._open() if self.first else None
            outcome = self._train(metrics, until, minutes, watch)
            if metrics is not None:
                self.save()
                self._draw_into(metrics)
                metrics.write(self.step, self.seconds)
        self.accelerator.wait_for_everyone()
        return outcome

    def _open(self) -> Metrics:
        about = json.loads(self.config.to_json()) | {"judge": self.judge, "processes": self.accelerator.num_processes}
        write_whole(self.out / "training.json", json.dumps(about, indent=1).encode())
        return Metrics(self.out, self.step)

    def _train(
        self, metrics: Metrics | None, until: int | None, minutes: float | None, watch: Callable[[Trainer], None] | None
    ) -> Outcome:
        saving, drawing = Timer(self.save_minutes), Timer(self.sheet_minutes)
        loop = Loop(
            self.config.steps, done=self.step, spent=self.seconds, until=until, minutes=minutes,
            accelerator=self.accelerator,
        )  # fmt: skip
        with loop, ThreadPoolExecutor(1) as pool:
            coming = pool.submit(self.batch, self.step)
            for step in loop:
                batch, coming = coming.result(), pool.submit(self.batch, step + 1)
                numbers = self.advance(batch)
                self.seconds = loop.seconds
                if watch is not None:
                    watch(self)
                if metrics is None:
                    continue
                metrics.add(numbers)
                if drawing.due():
                    self._draw_into(metrics)
                if self.step % LOG_EVERY == 0 and self.step < loop.last:
                    loop.bar.set_postfix_str(f"loss {metrics.write(self.step, self.seconds)['total']:.3g}")
                if saving.due():
                    or_warn(self.save, f"step {self.step}: not saved, the last checkpoint is kept")
            coming.cancel()
        return loop.outcome

    def shadow(self) -> FlowRenderer:
        """A renderer with the averaged weights."""
        renderer = FlowRenderer(self.renderer.config).to(self.accelerator.device)
        renderer.load_state_dict(self.averaged.state)
        return renderer.eval()

    def draw(self) -> dict[str, float]:
        """Write the contact sheet of this step, made by the averaged weights, and return what was measured on it."""
        cache = self.held_out or self.data
        chosen = cache.draw(np.random.default_rng(SHEET_SEED), SHEET_PAIRS)
        batch = cache.batch(*chosen, both=False).to(self.accelerator.device)
        columns, measured = look(self.shadow(), batch)
        write_sheet(self.out / "sheets" / f"step_{self.step:07d}.png", columns)
        return measured

    def _draw_into(self, metrics: Metrics) -> None:
        metrics.add(or_warn(self.draw, f"step {self.step}: no contact sheet") or {})

    def save(self) -> None:
        """Write the checkpoint, and the averaged weights as a renderer.

        Raises:
            OSError: no room, or no permission; what was there before is still there.
        """
        weights = {name: value.detach().cpu() for name, value in self.renderer.state_dict().items()}
        averaged = {name: value.cpu() for name, value in self.averaged.state.items()}
        described, optimiser = self.renderer.config.to_json(), self.optimiser.state_dict()
        checkpoint = Checkpoint(self.step, self.seconds, self.config, described, weights, averaged, optimiser)
        self.folder.save(checkpoint.content)
        text = (
            f"Phase {self.config.phase}, step {self.step:,} of {self.config.steps:,}, {self.seconds / 60:.0f} minutes, "
            f"seed {self.config.seed}; averaged weights. Perceptual losses through {self.judge}."
        )
        self.shadow().save_pretrained(self.out / "weights", text)


def _set_first_weights(renderer: FlowRenderer, data: FrameCache, start: str | os.PathLike[str] | None) -> None:
    """Give a renderer the weights of ``start``; without it, the mean and deviation of the data's coefficients."""
    if start is None:
        renderer.mapping.standardise(data.coefficients.flatten(0, 1))
        return
    folder = Path(start, "weights") if Path(start, "weights").is_dir() else Path(start)
    earlier = FlowRenderer.from_pretrained(folder)
    if earlier.config != renderer.config:
        wanted, got = (f"{c.name} ({c.recipe})" for c in (renderer.config, earlier.config))
        raise ValueError(f"start: expected weights of {wanted}, got {got}")
    renderer.load_state_dict(earlier.state_dict())
