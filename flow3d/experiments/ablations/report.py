"""The table of all variants: mean and deviation over seeds, and the difference from the baseline, seed by seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...evaluation.scores.catalogue import SCORES
from .variants import VARIANTS

COLUMNS = (
    "self_psnr", "cross_psnr", "cross_features", "self_flow_error", "cross_flow_error", "cross_sharpness",
    "wide_flow_error", "cross_leak", "jaw_gain", "blink_gain", "smile_gain",
)  # fmt: skip
READING = (
    "Value: mean over seeds, ± standard deviation over seeds. In brackets: mean difference from the leg it is held "
    "against, with the same seed, and in how many seeds this leg is the better one. Where the seeds do not agree, the "
    "table shows nothing. A gain is <d, t> / <t, t> of an edit's change d against the true change t: 1 is right, 0 is "
    "no answer."
)


def values_of(results: Sequence[Mapping[str, Any]], variant: str, score: str) -> dict[int, float]:
    """A variant's number by seed, of the score with this key; seeds without it are absent."""
    return {r["seed"]: r["numbers"][score] for r in results if r["leg"] == variant and score in r["numbers"]}


def compared(results: Sequence[Mapping[str, Any]], variant: str, score: str) -> tuple[float, int, int] | None:
    """Mean difference from the baseline, number of better seeds, and of all seeds; None if they share no seed."""
    here, there = (values_of(results, name, score) for name in (variant, VARIANTS[variant].baseline))
    both = sorted(here.keys() & there.keys())
    if not both:
        return None
    differences = np.array([here[seed] - there[seed] for seed in both])
    sign = SCORES[score].sign or 1  # a score without a better end: count the seeds with a larger value
    return float(differences.mean()), int((sign * differences > 0).sum()), len(both)


def _cell(results: Sequence[Mapping[str, Any]], variant: str, score: str) -> str:
    values = list(values_of(results, variant, score).values())
    if not values:
        return "none"
    text = f"{np.mean(values):.2f}" + (f" ± {np.std(values, ddof=1):.2f}" if len(values) > 1 else "")
    difference = compared(results, variant, score)
    return text if difference is None else f"{text} ({difference[0]:+.2f}; {difference[1]}/{difference[2]})"


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
