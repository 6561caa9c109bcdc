"""Training a coefficient regressor on cached frames."""

from __future__ import annotations

import csv
import dataclasses
import io
import math
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from ..datasets.cache import FrameCache
from ..datasets.pairs import BLOCK
from ..fields import Batch, Configuration, Count, Positive, Seed, Share, Weight, Whole
from ..files import write_whole
from ..morphable.coefficients import CROP, ROTATION, TRANSLATION, index
from ..morphable.head.expressions import EXPRESSIONS
from ..perception.regressor import CoefficientRegressor, Purpose, RegressorConfig
from ..sizes import ANSWER_COUNT, COEFFICIENT_COUNT, IDENTITY_COUNT
from .checkpoint import FILE, read_whole
from .interrupts import interrupts
from .regressor_data import Pictures

LOG_EVERY, LOOK_FRAMES = 50, 512
COLUMNS = ("step", "seconds", "learning_rate", "loss", "held_out/seen", "held_out/rotation", "held_out/identity")
SEEN = ("jaw_open", "smile", "pucker", "blink_right", "blink_left", "gaze_x", "gaze_y", "brow_up")  # at 64 px


@dataclass(frozen=True)
class RegressionConfig(Configuration):
    """How a regressor is trained."""

    name: str = "regressor"  # of the weights
    purpose: Purpose = "training"  # of the weights, see :class:`flow3d.perception.RegressorConfig`
    seed: Seed = 0  # of the first weights and of the order of the pictures
    steps: Count = 3_500
    batch: Batch = 128  # pictures per step and process
    learning_rate: Positive = 4e-3  # AdamW's largest
    warmup: Whole = 200  # steps over which the rate grows from zero; then it falls as half a cosine to nothing
    weight_decay: Weight = 0.1  # AdamW's
    clip: Positive = 1.0  # largest norm of the gradient
    ema: Share = 0.998  # decay of the averaged weights, which are those that are kept
    identity_weight: Weight = 0.15  # of the 80 identity coefficients, against the 73 of motion
    bf16: bool = False  # multiply in bfloat16: a quarter of the time on a processor or card made for it, else longer

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        warm = min(1.0, (step + 1) / self.warmup) if self.warmup else 1.0
        return warm * self.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, step / self.steps)))


def target_weights(identity_weight: float) -> Float[Tensor, " 153"]:
    """How much each coefficient counts; together they make one. What hardly shows at 64 px counts little."""
    weight = torch.full((ANSWER_COUNT,), 0.02)
    weight[: len(EXPRESSIONS)] = 0.5
    weight[[index(name) for name in SEEN]] = 2.0
    weight[ROTATION], weight[TRANSLATION], weight[CROP] = 3.0, 0.5, 0.5
    weight[COEFFICIENT_COUNT:] = identity_weight * weight[:COEFFICIENT_COUNT].sum() / IDENTITY_COUNT
    return weight / weight.sum()


class RegressorTrainer:
    """The training of one regressor; every step's pictures follow from seed, step and process alone.

    Args:
        config: how.
        data: rendered frames of training seeds, 64 px.
        out: folder for the checkpoint, the averaged weights and metrics.csv.
        held_out: frames of validation seeds; they scale the five maps and fill the last columns of metrics.csv.
        resume: go on from the checkpoint in ``out``.

    Raises:
        FileNotFoundError: nothing to resume.
        ValueError: frames of another size or of the wrong seeds, another config than the checkpoint's, or a folder
            that holds a training already.
    """

    def __init__(
        self, config: RegressionConfig, data: FrameCache, out: str | os.PathLike[str], held_out: FrameCache, *,
        resume: bool = False,
    ) -> None:  # fmt: skip
        from accelerate import Accelerator

        if data.seed >= BLOCK:
            raise ValueError(f"data: expected seeds below {BLOCK:,}, which train, got {data.seed:,} and on")
        if held_out.seed < BLOCK:
            raise ValueError(f"held_out: expected seeds from {BLOCK:,}, which no training sees, got {held_out.seed:,}")
        self.config, self.out = config, Path(out)
        found = read_regression(out) if resume else None
        if found is None and (self.out / FILE).exists():
            raise ValueError(f"out: {os.fspath(out)!r} holds a training already; resume it, or choose another folder")
        self.data = Pictures(data)
        described = RegressorConfig(config.name, config.purpose, seeds=(data.seed, data.seed + data.identities - 1))
        if found is not None:
            for name, now in (("config", dataclasses.asdict(config)), ("regressor", described.to_json())):
                if found[name] != now:
                    raise ValueError(f"resume: expected a checkpoint of {name} {now}, got one of {found[name]}")
        self.step, self.seconds = (found["step"], found["seconds"]) if found else (0, 0.0)
        torch.manual_seed(config.seed)
        self.regressor = CoefficientRegressor(described, norm=True)
        if found is None:
            self.regressor.standardise(self.data.targets.flatten(0, 1))
        else:
            self.regressor.load_state_dict(found["weights"])
        self.accelerator = Accelerator(mixed_precision="no")
        optimiser = torch.optim.AdamW(
            self.regressor.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        if found is not None:
            optimiser.load_state_dict(found["optimiser"])
        self.model, self.optimiser = self.accelerator.prepare(self.regressor, optimiser)
        device = self.accelerator.device
        averaged = found["averaged"] if found else self.regressor.state_dict()
        self.averaged = {name: value.detach().to(device, copy=True) for name, value in averaged.items()}
        self.weights = target_weights(config.identity_weight).to(device)
        count = min(LOOK_FRAMES, held_out.identities * held_out.frames)
        self.looked_at = Pictures(held_out).draw(np.random.default_rng(0), count, vary=False)

    def advance(self) -> float:
        """Train on one batch; return the loss.

        Raises:
            FloatingPointError: loss or gradient is not finite; the weights are what they were.
        """
        rng = np.random.default_rng([self.config.seed, self.step, self.accelerator.process_index])
        device = self.accelerator.device
        images, targets = (t.to(device) for t in self.data.draw(rng, self.config.batch))
        images = images.contiguous(memory_format=torch.channels_last)
        for group in self.optimiser.param_groups:
            group["lr"] = self.config.rate(self.step)
        with torch.autocast(device.type, torch.bfloat16, enabled=self.config.bf16):
            raw = self.model(images)
        error = functional.smooth_l1_loss((raw - targets) / self.regressor.std, torch.zeros_like(raw), reduction="none")
        loss = (error.mean(0) * self.weights).sum()
        self.optimiser.zero_grad(set_to_none=True)
        self.accelerator.backward(loss)
        norm = self.accelerator.clip_grad_norm_(self.regressor.parameters(), self.config.clip)
        total, gradient = float(loss.detach()), float(norm) if norm is not None else 0.0
        if not (math.isfinite(total) and math.isfinite(gradient)):
            raise FloatingPointError(f"expected finite numbers, got a loss of {total} and a gradient of {gradient}")
        self.optimiser.step()
        self.step += 1
        decay = min(self.config.ema, self.step / (self.step + 10))
        with torch.no_grad():
            for name, value in self.regressor.state_dict().items():
                if value.is_floating_point():
                    self.averaged[name].lerp_(value, 1 - decay)
        return total

    def run(
        self, until: int | None = None, minutes: float | None = None, save_minutes: float = 2.0
    ) -> Literal["finished", "paused", "interrupted"]:
        """Train until all steps are done, step ``until``, so many ``minutes``, or Ctrl-C; then save and return which.

        Raises:
            FloatingPointError: see :meth:`advance`; the last checkpoint stays.
            OSError: a checkpoint could not be written; an earlier one stays.
        """
        last = min(self.config.steps, self.config.steps if until is None else until)
        first, before, losses = self.accelerator.is_main_process, self.seconds, []
        begun = saved = time.monotonic()
        stopped = False
        bar = tqdm(total=self.config.steps, initial=self.step, disable=not first, unit="step", leave=False)
        with interrupts() as stop, bar:
            while self.step < last and not stopped:
                losses.append(self.advance())
                now = time.monotonic()
                self.seconds = before + now - begun
                bar.update()
                if first and self.step % LOG_EVERY == 0:
                    bar.set_postfix_str(f"loss {np.mean(losses[-LOG_EVERY:]):.3g}")
                if first and now - saved > 60 * save_minutes:
                    self.save(losses)
                    saved = now
                stopped = self._agree(stop.is_set() or (minutes is not None and now - begun > 60 * minutes))
        if first:
            self.save(losses)
        self.accelerator.wait_for_everyone()
        if stop.is_set():
            return "interrupted"
        return "finished" if self.step == self.config.steps else "paused"

    def _agree(self, stop: bool) -> bool:
        if self.accelerator.num_processes == 1:
            return stop
        return bool(self.accelerator.gather(torch.tensor([float(stop)], device=self.accelerator.device)).max() > 0)

    def about(self) -> str:
        """How far the training has come, and with what settings."""
        config, (first, last) = self.config, self.regressor.config.seeds or (0, 0)
        settings = ", ".join(f"{name} {value}" for name, value in dataclasses.asdict(config).items())
        return (
            f"Step {self.step:,} of {config.steps:,}, {self.seconds / 60:.0f} minutes, persons {first:,} to {last:,}, "
            f"{self.data.frames} frames of each; averaged weights, norms folded. Settings: {settings}."
        )

    @torch.no_grad()
    def shadow(self) -> CoefficientRegressor:
        """A regressor of the averaged weights, without norms, its maps scaled to a mean of one on held-out pictures."""
        normed = CoefficientRegressor(dataclasses.replace(self.regressor.config, about=self.about()), norm=True)
        normed.load_state_dict(self.averaged)
        regressor = normed.folded()
        maps = regressor.maps(self.looked_at[0])
        regressor.scale.copy_(torch.stack([1 / m.mean().clamp_min(1e-6) for m in maps]))
        return regressor

    @torch.no_grad()
    def save(self, losses: list[float] | None = None) -> None:
        """Write checkpoint and weights, and with ``losses`` a row of metrics.csv, with R² on held-out pictures.

        Raises:
            OSError: no room, or no permission; what was there before is still there.
        """
        self.out.mkdir(parents=True, exist_ok=True)
        content = {
            "step": self.step, "seconds": self.seconds, "config": dataclasses.asdict(self.config),
            "regressor": self.regressor.config.to_json(), "weights": self.regressor.state_dict(),
            "averaged": self.averaged, "optimiser": self.optimiser.state_dict(),
        }  # fmt: skip
        buffer = io.BytesIO()
        torch.save(content, buffer)
        write_whole(self.out / FILE, buffer.getvalue())
        regressor = self.shadow()
        regressor.save_pretrained(self.out / "weights")
        if losses:
            images, targets = self.looked_at
            gone = ((regressor(images) - targets).square().mean(0) / targets.var(0, correction=0).clamp_min(1e-9)).cpu()
            groups = ([index(name) for name in SEEN], ROTATION, slice(COEFFICIENT_COUNT, None))
            scores = [float(1 - gone[group].mean()) for group in groups]
            row = [self.step, self.seconds, self.config.rate(self.step), float(np.mean(losses)), *scores]
            self._note([f"{value:.6g}" for value in row])
            losses.clear()

    def _note(self, row: list[str]) -> None:
        """Add a row to metrics.csv; rows behind this step, of a training that was cut short, are dropped."""
        path, text = self.out / "metrics.csv", io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        if path.is_file():
            with path.open(newline="", encoding="utf-8") as old:
                writer.writerows(r for r in list(csv.reader(old))[1:] if float(r[0]) < float(row[0]))
        writer.writerow(row)
        write_whole(path, text.getvalue().encode())


def read_regression(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the checkpoint of a regressor's training.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is damaged, or of another training.
    """
    content = read_whole(folder)
    wrong = {"step", "seconds", "config", "regressor", "weights", "averaged", "optimiser"} - set(content)
    if wrong:
        raise ValueError(f"resume: expected the checkpoint of a regressor, found no {sorted(wrong)[0]!r} in {FILE}")
    RegressionConfig().replace(**content["config"])
    return content
