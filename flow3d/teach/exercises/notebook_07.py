"""Exercises of notebook 07: the total loss, the learning rate's schedule, and the averaged weights."""

from collections.abc import Mapping
from functools import wraps

import torch
from torch import Tensor

from flow3d.teach.exercises.exercise import Exercise
from flow3d.training import Lambdas, TrainingConfig, loss_total, training
from flow3d.training.loop import AveragedWeights

Terms = Mapping[str, Tensor]


@wraps(loss_total)
def _total(raw: Terms, lambdas: Mapping[str, float]) -> Tensor:
    """The package's total loss, with the lambdas by name."""
    named = Lambdas(**{f"lambda_{name}": value for name, value in lambdas.items()})
    return loss_total(raw, named, judge="none").total


def _terms(names: tuple[str, ...]) -> tuple[Terms, Mapping[str, float]]:
    generator = torch.Generator().manual_seed(len(names))
    values = torch.rand(len(names), generator=generator) + 0.1
    return dict(zip(names, values, strict=True)), Lambdas().by_term()


def _in_order(raw: Terms, lambdas: Mapping[str, float]) -> Tensor:
    """Weights taken by position: wrong wherever a phase leaves a term out, or they come in another order."""
    return torch.stack([w * v for w, v in zip(lambdas.values(), raw.values(), strict=False)]).sum()


@wraps(AveragedWeights.update)
def _averaged(averaged: Tensor, weights: Tensor, ema: float, step: int) -> Tensor:
    """One averaged tensor after the package's update in step number ``step``."""
    kept = AveragedWeights({"w": averaged}, ema)
    kept.update({"w": weights}, step)
    return kept.state["w"]


def _weights(step: int) -> tuple[Tensor, Tensor, float, int]:
    generator = torch.Generator().manual_seed(step)
    return torch.randn(5, generator=generator), torch.randn(5, generator=generator), 0.998, step


def _plain_rate(config: TrainingConfig, step: int) -> float:
    return config.replace(rate_warmup=0).rate(step)


def _rate_to_nothing(config: TrainingConfig, step: int) -> float:
    return config.replace(decay=1e9).rate(step)


def _rate_at_once(config: TrainingConfig, step: int) -> float:
    return config.replace(rate_linear=False).rate(step)


EXERCISES = [
    Exercise(
        name="total_loss",
        reference=_total,
        cases={
            "all seven terms": lambda: _terms(("pw", "cw", "3dw", "3df", "inp", "pr", "sr")),
            "phase 1, which refines nothing": lambda: _terms(("pw", "cw", "3dw", "3df", "inp")),
            "another order": lambda: _terms(("sr", "pw", "3df")),
        },
        mistakes={
            "weights taken by position, not by name": _in_order,
            "no weights": lambda raw, lambdas: torch.stack(list(raw.values())).sum(),
            "the mean instead of the sum": lambda raw, lambdas: _total(raw, lambdas) / len(raw),
            "divided by the sum of the weights": lambda raw, lambdas: (
                _total(raw, lambdas) / sum(lambdas[name] for name in raw)
            ),
        },
        hint="a phase has only some of the terms: go through raw, and look each name up in lambdas",
    ),
    Exercise(
        name="learning_rate",
        reference=TrainingConfig.rate,
        cases={
            "strict, before the fall": lambda: (training("micro").replace(steps=200), 99),
            "strict, at the fall": lambda: (training("micro").replace(steps=200), 100),
            "extended, first step": lambda: (training("micro", "extended").replace(steps=1000), 0),
            "extended, in the line": lambda: (training("micro", "extended").replace(steps=1000), 750),
            "extended, after the last": lambda: (training("micro", "extended").replace(steps=1000), 1000),
        },
        mistakes={
            "no warm-up": _plain_rate,
            "a line that ends at zero": _rate_to_nothing,
            "the fall at once instead of a line": _rate_at_once,
            "the fall one step late": lambda config, step: config.rate(step - 1) if step else config.rate(0),
        },
        hint="passed = (step - decay_at steps) / ((1 - decay_at) steps); the line goes from 1 to 1 / decay",
        rtol=1e-6,
        atol=1e-9,
    ),
    Exercise(
        name="averaged_weights",
        reference=_averaged,
        cases={
            "first step": lambda: _weights(1),
            "twentieth step": lambda: _weights(20),
            "after 100,000 steps": lambda: _weights(100_000),
        },
        mistakes={
            "no correction at the start": lambda averaged, weights, ema, step: averaged.lerp(weights, 1 - ema),
            "old and new swapped": lambda averaged, weights, ema, step: weights.lerp(
                averaged, 1 - min(ema, step / (step + 10))
            ),
            "the larger of the two decays": lambda averaged, weights, ema, step: averaged.lerp(
                weights, 1 - max(ema, step / (step + 10))
            ),
        },
        hint="decay = min(ema, step / (step + 10)) of the old, the rest of the new",
    ),
]
