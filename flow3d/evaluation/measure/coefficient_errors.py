"""The errors of a regressor, coefficient by coefficient, on clips of persons that no training uses.

``python -m flow3d regress --evaluate regressor`` prints the table of the weights' card.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ...checks import Whole, check_integer
from ...datasets.clips import make_clip
from ...datasets.pairs import identity_of
from ...morphable.coefficients import NAMES
from ...morphable.head.expressions import EXPRESSIONS
from ...perception.regressor import SIZE, CoefficientRegressor
from ...sizes import ANSWER_COUNT, COEFFICIENT_COUNT, EXPRESSION_COUNT, RADIUS, WINDOW

FIRST_SEED = 1_100_000  # person and motion number k have the seed FIRST_SEED + k
SINGLE = (*range(len(EXPRESSIONS)), *range(EXPRESSION_COUNT, COEFFICIENT_COUNT))  # columns with a row of their own
GROUPS = {"expression_24 to 63": range(len(EXPRESSIONS), EXPRESSION_COUNT),
          "identity (80)": range(COEFFICIENT_COUNT, ANSWER_COUNT)}  # fmt: skip
COLUMNS = ("std", "always the mean", "RMSE", "RMSE/std", "R²", "correlation", "shuffled", "on black", "one frame",
           "mean of 27")  # fmt: skip
LEGEND = """Raw units of each coefficient. *std*: its spread on these frames. *always the mean*: RMSE of the training
mean (the baseline). *shuffled*: RMSE when each frame gets another frame's answer (the control: it must not beat the
mean). *on black*: RMSE on the persons cut out. *one frame*, *mean of 27*: RMSE on frames in the middle of their clip,
of the frame alone and of the plain mean over the 27 frames around it. Groups: root mean squares over their
coefficients, each in units of its std; RMSE/std, R² and correlation are means."""


@dataclass(frozen=True)
class Errors:
    """One row of the table: a coefficient, or a group in units of standard deviations; ``values`` as ``COLUMNS``."""

    name: str
    values: tuple[float, ...]

    def __getitem__(self, column: str) -> float:
        return self.values[COLUMNS.index(column)]


@dataclass(frozen=True, eq=False)
class Answers:
    """A regressor's estimates on I clips of N frames, and the truth; 73 coefficients, then 80 of identity."""

    estimates: Float[Tensor, "I N 153"]
    on_black: Float[Tensor, "I N 153"]
    truth: Float[Tensor, "I N 153"]


def answer_clips(
    regressor: CoefficientRegressor, identities: Whole = 60, frames: Whole = 53, first: int = FIRST_SEED
) -> Answers:
    """Let a regressor estimate the coefficients of fresh clips of held-out persons.

    Raises:
        ValueError: ``identities`` below 1, or fewer frames than the 27 of a window.
    """
    check_integer(identities, "identities", 1)
    check_integer(frames, "frames", WINDOW)
    rows: list[list[Tensor]] = [[], [], []]
    for seed in range(first, first + int(identities)):
        clip = make_clip(seed, frames, SIZE)
        cut_out = clip.frames - (1 - clip.alphas) * (clip.background + 1)
        person = identity_of(seed).expand(int(frames), -1)
        rows[0].append(regressor.answer(clip.frames))
        rows[1].append(regressor.answer(cut_out.clamp(-1, 1)))
        rows[2].append(torch.cat([clip.coefficients.values, person], 1))
    return Answers(*(torch.stack(row) for row in rows))


def error_table(answers: Answers, mean: Float[Tensor, " 153"]) -> list[Errors]:
    """The table: 33 coefficients with a name, then the two groups.

    Args:
        answers: of :func:`answer_clips`.
        mean: of the training frames; the baseline's constant answer.
    """
    estimate, black, truth = (t.double().flatten(0, 1) for t in (answers.estimates, answers.on_black, answers.truth))
    order = torch.randperm(len(estimate), generator=torch.Generator().manual_seed(0))
    middle = slice(RADIUS, answers.estimates.shape[1] - RADIUS)
    smooth = answers.estimates.double().unfold(1, WINDOW, 1).mean(-1).flatten(0, 1)
    single, exact = (t[:, middle].double().flatten(0, 1) for t in (answers.estimates, answers.truth))

    def rmse(a: Tensor, b: Tensor) -> Tensor:
        return (a - b).square().mean(0).sqrt()

    std = truth.std(0, correction=0).clamp_min(1e-9)
    error = rmse(estimate, truth)
    centred = estimate - estimate.mean(0), truth - truth.mean(0)
    correlation = (centred[0] * centred[1]).mean(0) / (estimate.std(0, correction=0) * std).clamp_min(1e-12)
    columns = [
        std, rmse(mean.double(), truth), error, error / std, 1 - (error / std) ** 2, correlation,
        rmse(estimate[order], truth), rmse(black, truth), rmse(single, exact), rmse(smooth, exact),
    ]  # fmt: skip
    table = torch.stack(columns, -1)  # (153, 10)
    rows = [Errors(NAMES[k], tuple(table[k].tolist())) for k in SINGLE]
    for name, group in GROUPS.items():
        part = table[list(group)]
        relative = (part / part[:, :1]).square().mean(0).sqrt()
        for column in ("RMSE/std", "R²", "correlation"):
            place = COLUMNS.index(column)
            relative[place] = part[:, place].mean()
        rows.append(Errors(name, tuple(relative.tolist())))
    return rows


def markdown(rows: Sequence[Errors]) -> str:
    """The table as markdown, with its legend."""
    lines = ["| coefficient | " + " | ".join(COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    lines += [f"| {row.name} | " + " | ".join(f"{value:.3g}" for value in row.values) + " |" for row in rows]
    return "\n".join([*lines, "", LEGEND])
