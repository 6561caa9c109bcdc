"""The table of all variants: mean and deviation over seeds, and the difference from the baseline with its interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...evaluation.scores.catalogue import SCORES
from ...evaluation.scores.statistics import OverSeeds, over_seeds
from .variants import VARIANTS

COLUMNS = (
    "self_psnr", "cross_psnr", "cross_features", "self_flow_error", "cross_flow_error", "cross_sharpness",
    "wide_flow_error", "cross_leak", "jaw_gain", "blink_gain", "smile_gain",
)  # fmt: skip
READING = (
    "Value: mean over seeds, ± standard deviation over seeds. In brackets: mean difference from the leg it is held "
    "against, with the same seed, ± its 95 % interval by Student's t over the seeds. Only what is **bold** shows "
    "anything: its interval leaves out 0; one such interval in twenty does so by chance. A gain is <d, t> / <t, t> of "
    "an edit's change d against the true change t: 1 is right, 0 is no answer."
)


def values_of(results: Sequence[Mapping[str, Any]], variant: str, score: str) -> dict[int, float]:
    """A variant's number by seed, of the score with this key; seeds without it are absent."""
    return {r["seed"]: r["numbers"][score] for r in results if r["leg"] == variant and score in r["numbers"]}


def compared(results: Sequence[Mapping[str, Any]], variant: str, score: str) -> OverSeeds | None:
    """The difference from the baseline, over the seeds that both have; None if they share no seed."""
    here, there = (values_of(results, name, score) for name in (variant, VARIANTS[variant].baseline))
    both = sorted(here.keys() & there.keys())
    return over_seeds([here[seed] - there[seed] for seed in both]) if both else None


def _cell(results: Sequence[Mapping[str, Any]], variant: str, score: str) -> str:
    values = list(values_of(results, variant, score).values())
    if not values:
        return "none"
    text = f"{np.mean(values):.2f}" + (f" ± {np.std(values, ddof=1):.2f}" if len(values) > 1 else "")
    difference = compared(results, variant, score)
    if difference is None:
        return text
    return f"{text} (**{difference.text()}**)" if difference.shown else f"{text} ({difference.text()})"


def ablation_report(results: Sequence[Mapping[str, Any]], command: str) -> str:
    """The results as markdown.

    Raises:
        ValueError: no results.
    """
    if not results:
        raise ValueError("results: expected at least one variant, got none")
    names = [name for name in VARIANTS if any(r["leg"] == name for r in results)]
    seeds = sorted({r["seed"] for r in results})
    settings = ", ".join(f"{k} {v}" for k, v in results[0]["settings"].items())
    lines = ["# Ablations, measured", "", f"`{command}`, seeds {', '.join(map(str, seeds))}; {settings}.", "", READING]
    labels = " | ".join(SCORES[score].label for score in COLUMNS)
    lines += ["", f"| leg | claim | held against | seconds | {labels} |", "|---" * (len(COLUMNS) + 4) + "|"]
    for name in names:
        variant = VARIANTS[name]
        seconds = np.mean([r["seconds"] for r in results if r["leg"] == name])
        cells = [name, variant.claim, variant.baseline, f"{seconds:.0f}"]
        cells += [_cell(results, name, score) for score in COLUMNS]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])
