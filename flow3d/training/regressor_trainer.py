"""Training a coefficient regressor on cached frames."""

from __future__ import annotations

import dataclasses
import math
import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from ..datasets.cache import FrameCache
from ..fields import Batch, Configuration, Count, Positive, Seed, Share, Weight, Whole
from ..morphable.coefficients import CROP, ROTATION, TRANSLATION, index
from ..morphable.head.expressions import EXPRESSIONS
from ..perception.regressor import CoefficientRegressor, Purpose, RegressorConfig
from ..sizes import ANSWER_COUNT, COEFFICIENT_COUNT, IDENTITY_COUNT
from .folder import FILE, TrainingFolder, check_types, read_content, reading, restore
from .frames import check_frames
from .loop import AveragedWeights, CsvLog, Loop, Outcome, Timer, half_cosine, or_warn, warmed_up
from .processes import accelerator
from .regressor_data import Pictures

LOG_EVERY, LOOK_FRAMES = 50, 512
SEEN = ("jaw_open", "smile", "pucker", "blink_right", "blink_left", "gaze_x", "gaze_y", "brow_up")  # visible at 64 px
GROUPS: dict[str, Any] = {  # of coefficients, each a column of metrics.csv
    "held_out/seen": [index(name) for name in SEEN],
    "held_out/rotation": ROTATION,
    "held_out/identity": slice(COEFFICIENT_COUNT, None),
}
COLUMNS = ("step", "seconds", "learning_rate", "loss", *GROUPS)


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
    ema: Share = 0.998  # decay of the averaged weights, which are the ones to use
    identity_weight: Weight = 0.15  # of the 80 identity coefficients, against the 73 of motion
    bf16: bool = False  # multiply in bfloat16: a quarter of the time on a processor or card made for it, else longer

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        return warmed_up(step, self.warmup) * self.learning_rate * half_cosine(step / self.steps)


def target_weights(identity_weight: float) -> Float[Tensor, " 153"]:
    """The weight of each coefficient; their sum is one. Coefficients that hardly show at 64 px weigh little."""
    weight = torch.full((ANSWER_COUNT,), 0.02)
    weight[: len(EXPRESSIONS)] = 0.5
    weight[[index(name) for name in SEEN]] = 2.0
    weight[ROTATION], weight[TRANSLATION], weight[CROP] = 3.0, 0.5, 0.5
    weight[COEFFICIENT_COUNT:] = identity_weight * weight[:COEFFICIENT_COUNT].sum() / IDENTITY_COUNT
    return weight / weight.sum()


class RegressorTrainer:
    """The training of one regressor; every step's pictures follow from seed, step and process alone.

    Args:
        config: settings of the training.
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
        check_frames(data, held_out)
        self.config, self.out = config, Path(out)
        self.folder = TrainingFolder(out, resume)
        earlier = read_regression(out) if resume else None
        self.data = Pictures(data)
        described = RegressorConfig(config.name, config.purpose, seeds=(data.seed, data.seed + data.identities - 1))
        if earlier is not None:
            _check_fits(earlier, config, described)
        self.step, self.seconds = (earlier["step"], earlier["seconds"]) if earlier else (0, 0.0)
        torch.manual_seed(config.seed)
        self.regressor = CoefficientRegressor(described, norm=True)
        self.accelerator = accelerator()
        optimiser = torch.optim.AdamW(
            self.regressor.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        if earlier is None:
            self.regressor.standardise(self.data.targets.flatten(0, 1))
        else:
            with reading(out):
                restore(self.regressor, optimiser, earlier)
        self.model, self.optimiser = self.accelerator.prepare(self.regressor, optimiser)
        device = self.accelerator.device
        averaged = earlier["averaged"] if earlier else self.regressor.state_dict()
        self.averaged = AveragedWeights(averaged, config.ema, device)
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
        self.averaged.update(self.regressor.state_dict(), self.step)
        return total

    def run(self, until: int | None = None, minutes: float | None = None, save_minutes: float = 2.0) -> Outcome:
        """Train until all steps are done, ``until`` are done, ``minutes`` have passed, or Ctrl-C comes; then save.

        Returns:
            "finished" when all steps are done, else "paused", or "interrupted" by Ctrl-C.

        Raises:
            FloatingPointError: see :meth:`advance`; the last checkpoint stays.
            ValueError: another training writes the folder, or has done so since this one was made.
            OSError: the last checkpoint could not be written; an earlier one stays.
        """
        first = self.accelerator.is_main_process
        with self.folder.claimed(first):
            log = CsvLog(self.out / "metrics.csv", COLUMNS, self.step) if first else None
            outcome = self._train(log, until, minutes, Timer(save_minutes))
            if log is not None:
                self._save_and_note(log)
        self.accelerator.wait_for_everyone()
        return outcome

    def _train(self, log: CsvLog | None, until: int | None, minutes: float | None, saving: Timer) -> Outcome:
        loop = Loop(
            self.config.steps, done=self.step, spent=self.seconds, until=until, minutes=minutes,
            accelerator=self.accelerator,
        )  # fmt: skip
        with loop:
            for _ in loop:
                loss = self.advance()
                self.seconds = loop.seconds
                if log is None:
                    continue
                log.add({"loss": loss})
                if self.step % LOG_EVERY == 0:
                    loop.bar.set_postfix_str(f"loss {log.means()['loss']:.3g}")
                if saving.due():
                    failure = f"step {self.step}: not saved, the last checkpoint is kept"
                    or_warn(partial(self._save_and_note, log), failure)
        return loop.outcome

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
        normed.load_state_dict(self.averaged.state)
        regressor = normed.folded()
        maps = regressor.maps(self.looked_at[0])
        regressor.scale.copy_(torch.stack([1 / m.mean().clamp_min(1e-6) for m in maps]))
        return regressor

    def save(self) -> CoefficientRegressor:
        """Write the checkpoint, and the averaged weights as a regressor, which is returned.

        Raises:
            OSError: no room, or no permission; what was there before is still there.
        """
        self.folder.save({
            "step": self.step, "seconds": self.seconds, "config": dataclasses.asdict(self.config),
            "regressor": self.regressor.config.to_json(), "weights": self.regressor.state_dict(),
            "averaged": self.averaged.state, "optimiser": self.optimiser.state_dict(),
        })  # fmt: skip
        regressor = self.shadow()
        regressor.save_pretrained(self.out / "weights")
        return regressor

    @torch.no_grad()
    def _save_and_note(self, log: CsvLog) -> None:
        """Save, and write a row with R² on held-out pictures, if a step was done since the last one."""
        regressor = self.save()
        if not log.means():
            return
        images, targets = self.looked_at
        error = (regressor(images) - targets).square().mean(0) / targets.var(0, correction=0).clamp_min(1e-9)
        scores = (float(1 - error.cpu()[group].mean()) for group in GROUPS.values())
        log.add({"learning_rate": self.config.rate(self.step)} | dict(zip(GROUPS, scores, strict=True)))
        log.write(self.step, self.seconds)


def _check_fits(earlier: dict[str, Any], config: RegressionConfig, described: RegressorConfig) -> None:
    for name, now in (("config", dataclasses.asdict(config)), ("regressor", described.to_json())):
        if earlier[name] != now:
            raise ValueError(f"resume: expected a checkpoint of {name} {now}, got one of {earlier[name]}")


def read_regression(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the checkpoint of a regressor's training.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is damaged, or of another training.
    """
    content = read_content(folder)
    wrong = {"step", "seconds", "config", "regressor", "weights", "averaged", "optimiser"} - set(content)
    if wrong:
        raise ValueError(f"resume: expected the checkpoint of a regressor, found no {sorted(wrong)[0]!r} in {FILE}")
    with reading(folder):
        config = RegressionConfig().replace(**content["config"])
        check_types(content, config.steps)
        return content | {"config": dataclasses.asdict(config)}
