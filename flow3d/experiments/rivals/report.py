"""Our Table 1: every method's mean and deviation over seeds, and in words how far ours is ahead or behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...evaluation.measure.method import Method
from ...evaluation.measure.pair_rows import Pairs, baselines, reenact_pair
from ...evaluation.report.sheets import write_sheet
from ...evaluation.scores.catalogue import SCORES
from ...evaluation.scores.statistics import over_seeds
from ..ablations.variants import RECIPES_OF
from .registry import ABSENT, RIVALS
from .run import AFFINE, OURS, UNTOLD

Known = Mapping[str, Mapping[str, float]]  # the numbers of baselines, which have no seed

COLUMNS = {  # key of a score: what its column is called
    **{key: SCORES[key].heading for key in (
        "self_psnr", "cross_psnr", "self_features", "cross_features", "self_flow_error", "cross_flow_error",
        "wide_psnr", "wide_features", "wide_flow_error",
    )},
    "cross_sharpness": "sharpness", "cross_leak": "leak, /255",
    "jaw_gain": "jaw", "blink_gain": "blink", "smile_gain": "smile", "brow_up_gain": "brow up", "gaze_x_gain": "gaze",
}  # fmt: skip
READING = (
    "Mean over seeds, ± standard deviation over seeds. PSNR is on the union of the silhouettes, eyes + mouth on the "
    "target's, both less the copied source's; flow error is a share of the zero flow's; wide pairs turn by more than "
    "35 degrees; sharpness is the truth's share inside the face, 1 is right; leak is the mean difference on true "
    "background; the last five are gains of edits, where 1 is right and 0 no answer. Below the table stands how far "
    "ours is ahead, over runs with the same seed, ± the 95 % interval by Student's t; an interval that holds 0 shows "
    "nothing, and one in twenty leaves it out by chance."
)
FAIRNESS = (
    "Every method has the same pairs, steps, batch, optimiser, schedule and about the same number of parameters. Those "
    "with a flow are taught on the exact one first, as ours is; those that read coefficients know the source's too.",
    "X2Face, FOMM and DaGAN are driven by a picture. In self-ID and in edits that picture is the answer itself, an "
    "advantage that the others do not have; in cross-ID it shows another person, whose proportions they take over, "
    "since a pair has no first frame to be relative to.",
    "The others read exact coefficients, which nobody has of a photograph. face-vid2vid is also told what they mean: "
    "it turns its keypoints with the true rotation about the true neck, which the others must learn. Ours is told the "
    "same by `pose_flow`, and has a row without it.",
    "Bi-Layer has no flow from frame to source, so it trains on pictures from the first step; X2Face paints nothing.",
    "None of the rivals separates person and background. Ours does, is given the source's matte, and pastes known "
    f"background back; since {RECIPES_OF} it also meets other light and observed inputs in training. Affine map and "
    "exact flow are given the true matte, background and flow.",
    "These are small re-implementations from the papers' descriptions, trained for minutes on drawn heads. They say "
    "which idea fares how under this budget, and nothing of the published models.",
)
# Above a sheet's columns, and of a section. The last two were measured before our recipes changed.
EARLIER = "3DFlowRenderer, extended (ours)", "3DFlowRenderer, told the pose, warped matte (ours)"
SHORT = {
    OURS: "ours", UNTOLD: "ours, not told the pose", EARLIER[0]: "ours, extended", EARLIER[1]: "ours + pose, matte",
}  # fmt: skip
RESIDUAL = {
    True: "A rival with a flow paints on top of the source's warped pixels, a help that our own refiner has and no "
    "rival's paper describes.",
    False: "The rivals paint without our own refiner's help of starting from the source's warped pixels.",
}


def by_seed(results: Sequence[Mapping[str, Any]], method: str, score: str) -> dict[int, float]:
    """A method's number by seed, of the score with this key; seeds without it are absent."""
    return {r["seed"]: r["numbers"][score] for r in results if r["method"] == method and score in r["numbers"]}


def cell(values: Sequence[float]) -> str:
    """Mean and deviation as text."""
    if not values:
        return "none"
    return f"{np.mean(values):.2f}" + (f" ± {np.std(values, ddof=1):.2f}" if len(values) > 1 else "")


def verdicts(results: Sequence[Mapping[str, Any]], known: Known, own: str = OURS) -> list[str]:
    """A line for every score that has a better end: how far ``own`` is ahead of the best rival, and of the affine map.

    A difference is that of runs with the same seed, with its 95 % interval; one that holds 0 is called no difference.
    """
    rivals = [name for name in RIVALS if any(r["method"] == name for r in results)]
    lines = []
    for key, column in COLUMNS.items():
        ours = by_seed(results, own, key)
        theirs = {name: values for name in rivals if (values := by_seed(results, name, key))}
        if not SCORES[key].sign or not ours or not theirs:
            continue
        best = max(theirs, key=lambda name: SCORES[key].sign * float(np.mean([*theirs[name].values()])))
        shown = RIVALS[best].driven_by == "picture" and SCORES[key].measured_on != "cross"
        against = {best + (", which is shown the answer" if shown else ""): theirs[best]}
        if AFFINE in known and key in known[AFFINE]:
            against[f"{AFFINE}, which has no network"] = dict.fromkeys(ours, known[AFFINE][key])
        words = [_lead(ours, other, SCORES[key].sign, name) for name, other in against.items()]
        lines.append(f"- {column}: {'; '.join(words)}.")
    return lines


def _lead(ours: Mapping[int, float], other: Mapping[int, float], sign: int, name: str) -> str:
    """In words, how far ours is ahead of another method, seed by seed."""
    both = sorted(ours.keys() & other.keys())
    if len(both) < 2:
        return f"too few seeds in common with {name}"
    lead = over_seeds([sign * (ours[seed] - other[seed]) for seed in both])
    where = ("ahead of" if lead.mean > 0 else "behind") if lead.shown else "not told apart from"
    return f"{where} {name} ({lead.text()})"


def rivals_report(results: Sequence[Mapping[str, Any]], known: Known, command: str) -> str:
    """The results, and the baselines' numbers ``known``, as markdown.

    Raises:
        ValueError: no results.
    """
    if not results:
        raise ValueError("results: expected at least one method, got none")
    names = [name for name in (*RIVALS, *SHORT) if any(r["method"] == name for r in results)]
    seeds = sorted({r["seed"] for r in results})
    settings = {k: v for r in results for k, v in r["settings"].items()}
    described = ", ".join(f"{k} {v}" for k, v in settings.items() if k != "residual")
    lines = ["# Rivals, measured", "", f"`{command}`, seeds {', '.join(map(str, seeds))}; {described}.", "", READING]
    lines += ["", f"| method | paper | driven by | parameters | seconds | {' | '.join(COLUMNS.values())} |"]
    lines.append("|---" * (len(COLUMNS) + 5) + "|")
    for name, numbers in known.items():
        cells = [name, "", "", "0", "", *(cell([numbers[key]] if key in numbers else []) for key in COLUMNS)]
        lines.append(f"| {' | '.join(cells)} |")
    for name in names:
        own = [r for r in results if r["method"] == name]
        paper, driver = (RIVALS[name].paper, RIVALS[name].driven_by) if name in RIVALS else ("", "coefficients")
        cells = [name, paper, driver, f"{own[0]['parameters']:,}", f"{np.mean([r['seconds'] for r in own]):.0f}"]
        cells += [cell([*by_seed(results, name, key).values()]) for key in COLUMNS]
        lines.append(f"| {' | '.join(cells)} |")
    for name, short in SHORT.items():
        if words := verdicts(results, known, name):
            lines += ["", f"## {short.capitalize()}, beside the best rival and the best affine map", "", *words]
    if not set(names) & set(SHORT):
        lines += ["", "Ours is not among the results."]
    if set(names) & set(EARLIER):
        lines += ["", f"Rows of ours are of the recipes before {RECIPES_OF}; they keep their names."]
    lines += ["", "## How to read it", "", *(f"- {line}" for line in FAIRNESS)]
    if "residual" in settings:
        lines.append(f"- {RESIDUAL[settings['residual']]}")
    lines += [f"- {name} is absent: {why}." for name, why in ABSENT.items()]
    return "\n".join([*lines, ""])


def rivals_sheet(path: Path, methods: Mapping[str, Method], lists: Mapping[str, Pairs], rows: int = 2) -> None:
    """A row for each of the first pairs of every list; columns: source, driver, exact flow, every method, truth."""
    names = ["source", "driving", "exact-flow warp", *(SHORT.get(name, name) for name in methods), "truth"]
    pictures, titles = [], []
    for kind, pairs in lists.items():
        for seed, pair in list(pairs.items())[:rows]:
            outputs = [reenact_pair(method, pair).output[0] for method in methods.values()]
            pictures.append([pair.source, pair.driving, baselines(pair)["exact-flow warp"], *outputs, pair.target])
            titles.append(f"{kind}, seed {seed}: {pair.yaw_difference:.0f} degrees of yaw")
    write_sheet(path, names, pictures, titles)
