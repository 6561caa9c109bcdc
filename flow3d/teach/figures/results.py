"""Figures of recorded tables, a dot for each seed, and what the intervals over seeds say of the paper's claims."""

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from flow3d import assets
from flow3d.evaluation.scores.catalogue import SCORES
from flow3d.evaluation.scores.statistics import OverSeeds, over_seeds
from flow3d.experiments.ablations.report import values_of
from flow3d.experiments.ablations.results import restored
from flow3d.experiments.ablations.variants import Row, is_of_today, rows_of
from flow3d.experiments.rivals.report import SHORT as OWN
from flow3d.teach.figures.style import COLORS, INK, new_figure

Results = Sequence[Mapping[str, Any]]
# A variant that lacks one part: the paper's table that says that the part helps.
PAPER = {
    "2D flow": "Tab. 2a",
    "no refiner": "Tab. 2b",
    "no cyclic loss": "Tab. 2c",
    "no separation": "Tab. 3a",
    "observed windows, k = 0": "Tab. 3b",
}
ABLATED = ("self_psnr", "cross_features", "wide_flow_error", "jaw_gain")  # keys of scores
RIVALLED = ("cross_flow_error", "wide_flow_error", "cross_features", "wide_features")
BETTER, WORSE = COLORS["blue"], COLORS["red"]


def read_runs(name: str, key: str) -> list[dict[str, Any]]:
    """The runs in ``data/results/NAME.json``, numbers by key of a score; empty where nothing is recorded yet.

    Raises:
        ValueError: the file is no list of runs, each with ``key``, "seed" and "numbers"; or a number has no score.
    """
    try:
        path = assets.path(f"results/{name}.json")
    except FileNotFoundError:
        return []
    content = json.loads(path.read_text(encoding="utf-8"))
    runs = content.get("legs") if isinstance(content, dict) else content  # the rivals' file holds baselines too
    if not isinstance(runs, list) or not all(isinstance(r, dict) and {key, "seed", "numbers"} <= set(r) for r in runs):
        raise ValueError(f"name: expected a list of runs with {key!r}, 'seed' and 'numbers' in {path.name!r}")
    return [restored(run) for run in runs]


def latest(results: Results) -> Results:
    """The results of today's recipes; where there are none, all, which are of earlier ones."""
    return [result for result in results if is_of_today(result)] or results


def differences(results: Results, variant: str, score: str) -> dict[int, float]:
    """By seed: a variant's number less its baseline's; seeds that lack one are left out."""
    if (row := rows_of(results).get(variant)) is None:
        return {}
    here, there = (values_of(results, name, score) for name in (variant, row.baseline))
    return {seed: here[seed] - there[seed] for seed in sorted(here.keys() & there.keys())}


def ablation_dots(results: Results, scores: Sequence[str] = ABLATED) -> Figure:
    """For every variant, how far each seed is from the baseline's: blue is better, red is worse."""
    results = latest(results)
    rows = [row for row in rows_of(results).values() if any(differences(results, row.name, score) for score in scores)]
    if not rows:
        return _nothing("ablate")
    with new_figure(1, len(scores), 9.5, 1.0 + 0.34 * len(rows)) as (figure, axes):
        for column, (cell, score) in enumerate(zip(axes[0], scores, strict=True)):
            sign = _sign(score)
            for line, row in enumerate(rows):
                gaps = np.array(list(differences(results, row.name, score).values()))
                _dots(cell, gaps, line, [BETTER if sign * value > 0 else WORSE for value in gaps])
            cell.axvline(0, color=INK, linewidth=0.9)
            _rows(cell, [_label(row) for row in rows] if not column else None, len(rows))
            cell.set_title(SCORES[score].heading, fontsize=9)
            cell.set_xlabel("better →" if sign > 0 else "← better", fontsize=9)
    return figure


def claims(results: Results, scores: Sequence[str] = ABLATED) -> list[str]:
    """One line for each claim of the paper and each score: the change without the part, and what it shows."""
    results, lines = latest(results), []
    for variant, table in PAPER.items():
        for score in scores:
            gaps = differences(results, variant, score)
            if gaps:
                change = over_seeds([*gaps.values()])
                words = verdict(change, _sign(score))
                lines.append(f"{table} {variant:24s}{SCORES[score].heading:30s}{change.text():>16s}  {words}")
    return lines


def verdict(change: OverSeeds, sign: int) -> str:
    """In words, what the change without a part says of the claim that it helps; ``sign`` is 1 where more is better."""
    if change.count < 2:
        return "one seed shows nothing"
    if not change.shown:
        return "shows nothing"
    return "agrees" if sign * change.mean < 0 else "speaks against the paper"


def by_method(results: Results, score: str) -> dict[str, dict[int, float]]:
    """One score by method and seed, the best mean first; numbers that are not finite are left out."""
    values: dict[str, dict[int, float]] = {}
    for run in results:
        value = run["numbers"].get(score)
        if value is not None and np.isfinite(value):
            values.setdefault(run["method"], {})[run["seed"]] = float(value)
    return dict(sorted(values.items(), key=lambda item: np.mean([*item[1].values()]), reverse=_sign(score) > 0))


def rival_dots(results: Results, scores: Sequence[str] = RIVALLED) -> Figure:
    """Every method's numbers, a dot for each seed and a bar at the mean; the best in the first score is on top."""
    tables = {score: by_method(results, score) for score in scores}
    names = list(dict.fromkeys(name for table in tables.values() for name in table))
    if not names:
        return _nothing("rivals")
    with new_figure(1, len(scores), 9.5, 1.0 + 0.34 * len(names)) as (figure, axes):
        for column, (cell, (score, table)) in enumerate(zip(axes[0], tables.items(), strict=True)):
            for line, name in enumerate(names):
                _dots(cell, np.array([*table.get(name, {}).values()]), line, COLORS["blue"])
            # The line stands where a copy of the source would.
            cell.axvline(100 if SCORES[score].unit == "%" else 0, color=INK, linewidth=0.9)
            _rows(cell, [OWN.get(name, name) for name in names] if not column else None, len(names))
            cell.set_title(SCORES[score].heading, fontsize=9)
            cell.set_xlabel("better →" if _sign(score) > 0 else "← better", fontsize=9)
    return figure


def ranking(results: Results, score: str) -> list[str]:
    """Line by line from the best: is a method ahead of the next, over the seeds that both have, or not told apart?"""
    sign, lines = _sign(score), []
    for (name, own), (after, other) in pairwise(by_method(results, score).items()):
        both = sorted(own.keys() & other.keys())
        apart = "but too few seeds to tell them apart"
        if len(both) > 1:
            lead = over_seeds([sign * (own[seed] - other[seed]) for seed in both])
            apart = f"ahead by {lead.text()}" if lead.shown else f"not told apart ({lead.text()})"
        means = [np.mean([*values.values()]) for values in (own, other)]
        lines.append(f"{SCORES[score].heading}: {name} {means[0]:.1f} before {after} {means[1]:.1f}, {apart}")
    return lines


def _dots(cell: Axes, values: np.ndarray, line: int, color: Any) -> None:
    if len(values):
        heights = np.linspace(-0.14, 0.14, len(values)) if len(values) > 1 else np.zeros(1)
        cell.scatter(values, line + heights, 20, c=color, alpha=0.8, linewidths=0, zorder=3)
        cell.plot([values.mean()] * 2, [line - 0.32, line + 0.32], color=INK, linewidth=2, zorder=2)


def _rows(cell: Axes, names: Sequence[str] | None, count: int) -> None:
    cell.set_yticks(range(count), names or [""] * count, fontsize=8.5)
    cell.set_ylim(count - 0.5, -0.5)
    cell.tick_params(axis="x", labelsize=8)


def _sign(score: str) -> int:
    """1 where more is better, -1 where less is; a score without a better end cannot be drawn or ranked."""
    if not SCORES[score].sign:
        raise ValueError(f"scores: expected scores with a better end, got {score!r}")
    return SCORES[score].sign


def _label(row: Row) -> str:
    """A row and the table it tests; an extension of "strict, quick" is shown without that name."""
    short = row.name.replace("strict, quick + ", "+ ")
    if row.recipe == "strict" and "+" not in row.name:
        return short
    return f"{short} · {PAPER[row.name]}" if row.name in PAPER else f"{short} · ours"


def _nothing(command: str) -> Figure:
    with new_figure(1, 1, 6.0, 0.8) as (figure, axes):
        axes[0][0].set_axis_off()
        text = f"Nothing is recorded yet; python -m flow3d {command} measures it."
        axes[0][0].text(0.5, 0.5, text, ha="center", va="center", color=INK, transform=axes[0][0].transAxes)
    return figure
