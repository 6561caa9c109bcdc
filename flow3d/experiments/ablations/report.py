"""The table of all legs: mean and spread over seeds, and each against the leg it is held against, seed by seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .variants import LEGS

SHOWN = {  # number: whether more is better
    "self: PSNR over copy, dB": True, "cross: PSNR over copy, dB": True, "cross: eyes and mouth over copy, dB": True,
    "self: flow error, % of zero flow": False, "cross: flow error, % of zero flow": False, "cross: sharpness": True,
    "wide: flow error, % of zero flow": False,
    "cross: background leak, /255": False, "jaw: gain": True, "blink: gain": True, "smile: gain": True,
}  # fmt: skip
READING = (
    "Value: mean over seeds, ± standard deviation over seeds. In brackets: mean difference from the leg it is held "
    "against, with the same seed, and in how many seeds this leg is the better one. Where the seeds do not agree, the "
    "table shows nothing. A gain is <d, t> / <t, t> of an edit's change d against the true change t: 1 is right, 0 is "
    "no answer."
)


def values_of(results: Sequence[Mapping[str, Any]], leg: str, number: str) -> dict[int, float]:
    """A leg's number by seed; seeds without it are absent."""
    return {r["seed"]: r["numbers"][number] for r in results if r["leg"] == leg and number in r["numbers"]}


def compared(results: Sequence[Mapping[str, Any]], leg: str, number: str) -> tuple[float, int, int] | None:
    """Mean difference from the leg it is held against, in how many seeds it is better, and of how many; or None."""
    here, there = (values_of(results, name, number) for name in (leg, LEGS[leg].against))
    both = sorted(here.keys() & there.keys())
    if not both:
        return None
    away = np.array([here[seed] - there[seed] for seed in both])
    better = int((away > 0).sum() if SHOWN[number] else (away < 0).sum())
    return float(away.mean()), better, len(both)


def _cell(results: Sequence[Mapping[str, Any]], leg: str, number: str) -> str:
    found = list(values_of(results, leg, number).values())
    if not found:
        return "none"
    text = f"{np.mean(found):.2f}" + (f" ± {np.std(found, ddof=1):.2f}" if len(found) > 1 else "")
    difference = compared(results, leg, number)
    return text if difference is None else f"{text} ({difference[0]:+.2f}; {difference[1]}/{difference[2]})"


def ablation_report(results: Sequence[Mapping[str, Any]], command: str) -> str:
    """The results as markdown.

    Raises:
        ValueError: no results.
    """
    if not results:
        raise ValueError("results: expected at least one leg, got none")
    names = [name for name in LEGS if any(r["leg"] == name for r in results)]
    seeds = sorted({r["seed"] for r in results})
    settings = ", ".join(f"{k} {v}" for k, v in results[0]["settings"].items())
    lines = ["# Ablations, measured", "", f"`{command}`, seeds {', '.join(map(str, seeds))}; {settings}.", "", READING]
    lines += ["", "| leg | claim | held against | seconds | " + " | ".join(SHOWN) + " |"]
    lines.append("|---" * (len(SHOWN) + 4) + "|")
    for name in names:
        leg = LEGS[name]
        seconds = np.mean([r["seconds"] for r in results if r["leg"] == name])
        cells = [name, leg.claim, leg.against, f"{seconds:.0f}", *(_cell(results, name, n) for n in SHOWN)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])
