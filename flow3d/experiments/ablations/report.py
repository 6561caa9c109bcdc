"""The table of all variants: mean and deviation over seeds, and the difference from the baseline with its interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...evaluation.scores.catalogue import SCORES
from ...evaluation.scores.statistics import OverSeeds, over_seeds
from .variants import RECIPES_OF, Row, is_of_today, rows_of

COLUMNS = (
    "self_psnr", "cross_psnr", "cross_features", "self_flow_error", "cross_flow_error", "cross_sharpness",
    "wide_flow_error", "cross_leak", "jaw_gain", "blink_gain", "smile_gain", "self_slices", "self_slices_correlation",
    "self_dz_correlation", "self_voxel_error", "self_spots",
)  # fmt: skip
READING = (
    "Value: mean over seeds, ± standard deviation over seeds. In brackets: mean difference from the leg it is held "
    "against, with the same seed, ± its 95 % interval by Student's t over the seeds. Only what is **bold** shows "
    "anything: its interval leaves out 0; one such interval in twenty does so by chance. A gain is <d, t> / <t, t> of "
    "an edit's change d against the true change t: 1 is right, 0 is no answer."
)

EARLIER_READING = (
    f"Until {RECIPES_OF} `extended` had no `pose_flow`, `matte_residual`, `norm_safe`, `background_plate`, "
    "`hole_margin` and `residual_where_seen`, was not taught what is true at every voxel, and met neither other light "
    "nor observed inputs; `strict` clipped gradients, averaged weights, and stopped the gradient to the target's "
    "features. These rows keep their names, and say nothing of today's recipes."
)


def values_of(results: Sequence[Mapping[str, Any]], variant: str, score: str) -> dict[int, float]:
    """A variant's number by seed, of the score with this key; seeds without it are absent."""
    return {r["seed"]: r["numbers"][score] for r in results if r["leg"] == variant and score in r["numbers"]}


def compared(results: Sequence[Mapping[str, Any]], variant: str, baseline: str, score: str) -> OverSeeds | None:
    """The difference from the baseline, over the seeds that both have; None if they share no seed."""
    here, there = (values_of(results, name, score) for name in (variant, baseline))
    both = sorted(here.keys() & there.keys())
    return over_seeds([here[seed] - there[seed] for seed in both]) if both else None


def _cell(results: Sequence[Mapping[str, Any]], row: Row, score: str) -> str:
    values = list(values_of(results, row.name, score).values())
    if not values:
        return "none"
    text = f"{np.mean(values):.2f}" + (f" ± {np.std(values, ddof=1):.2f}" if len(values) > 1 else "")
    difference = compared(results, row.name, row.baseline, score)
    if difference is None:
        return text
    return f"{text} (**{difference.text()}**)" if difference.shown else f"{text} ({difference.text()})"


def ablation_report(results: Sequence[Mapping[str, Any]], command: str) -> str:
    """The results as markdown: those of today's recipes, then those of earlier ones, named as they were.

    Raises:
        ValueError: no results.
    """
    if not results:
        raise ValueError("results: expected at least one variant, got none")
    now, before = ([r for r in results if is_of_today(r) == wanted] for wanted in (True, False))
    lines = ["# Ablations, measured", "", f"`{command}`", "", READING]
    if now:
        lines += ["", *_table(now)]
    if before:
        lines += ["", f"## Measured before {RECIPES_OF}", "", EARLIER_READING, "", *_table(before)]
    return "\n".join([*lines, ""])


def _table(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """The rows of results of one time."""
    settings = ", ".join(f"{k} {v}" for k, v in results[0]["settings"].items())
    columns = [score for score in COLUMNS if any(score in r["numbers"] for r in results)]
    labels = " | ".join(SCORES[score].label for score in columns)
    lines = [f"Seeds {', '.join(map(str, sorted({r['seed'] for r in results})))}; {settings}.", ""]
    lines += [f"| leg | claim | held against | seconds | {labels} |", "|---" * (len(columns) + 4) + "|"]
    for row in rows_of(results).values():
        seconds = np.mean([r["seconds"] for r in results if r["leg"] == row.name])
        cells = [row.name, row.claim, row.baseline, f"{seconds:.0f}"]
        cells += [_cell(results, row, score) for score in columns]
        lines.append(f"| {' | '.join(cells)} |")
    return lines
