"""Our Table 1: every method's mean and deviation over seeds, and in words where ours leads and where not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...evaluation.measure.method import Method
from ...evaluation.measure.pair_rows import Pairs, baselines, reenact_pair
from ...evaluation.report.sheets import write_sheet
from ...evaluation.scores.catalogue import SCORES
from .registry import ABSENT, RIVALS
from .run import OURS, OURS_WITH_POSE, OWN

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
    "background; the last five are gains of edits, where 1 is right and 0 no answer."
)
FAIRNESS = (
    "Every method has the same pairs, steps, batch, optimiser, schedule and about the same number of parameters. Those "
    "with a flow are taught on the exact one first, as ours is; those that read coefficients know the source's too.",
    "X2Face, FOMM and DaGAN are driven by a picture. In self-ID and in edits that picture is the answer itself, an "
    "advantage that the others do not have; in cross-ID it shows another person, whose proportions they take over, "
    "since a pair has no first frame to be relative to.",
    "The others read exact coefficients, which nobody has of a photograph. face-vid2vid is also told what they mean: "
    "it turns its keypoints with the true rotation about the true neck, which the others, our first too, must learn. "
    "Our second is told the same (`pose_flow`), and its matte starts from the source's, warped (`matte_residual`).",
    "Bi-Layer has no flow from frame to source, so it trains on pictures from the first step; X2Face paints nothing.",
    "None of the rivals separates person and background. Ours does, is given the source's matte, and pastes known "
    "background back. Affine map and exact flow are given the true matte, background and flow.",
    "These are small re-implementations from the papers' descriptions, trained for minutes on drawn heads. They say "
    "which idea fares how under this budget, and nothing of the published models.",
)
SHORT = {OURS: "ours, extended", OURS_WITH_POSE: "ours + pose, matte"}  # above a sheet's columns
RESIDUAL = {
    True: "A rival with a flow paints on top of the source's warped pixels, a help that our own refiner has and no "
    "rival's paper describes.",
    False: "The rivals paint without our own refiner's help of starting from the source's warped pixels.",
}


def values_of(results: Sequence[Mapping[str, Any]], method: str, score: str) -> list[float]:
    """A method's number, of the score with this key, for every seed that has it."""
    return [r["numbers"][score] for r in results if r["method"] == method and score in r["numbers"]]


def cell(values: Sequence[float]) -> str:
    """Mean and deviation as text."""
    if not values:
        return "none"
    return f"{np.mean(values):.2f}" + (f" ± {np.std(values, ddof=1):.2f}" if len(values) > 1 else "")


def verdicts(results: Sequence[Mapping[str, Any]], own: str = OURS) -> list[str]:
    """A line for every score that has a better end: whether ``own`` leads all rivals, or which rival leads.

    A lead is called clear if it is larger than the sum of both methods' standard deviations.
    """
    rivals = [name for name in RIVALS if any(r["method"] == name for r in results)]
    lines = []
    for key, column in COLUMNS.items():
        sign, ours = SCORES[key].sign, values_of(results, own, key)
        theirs = {name: values for name in rivals if (values := values_of(results, name, key))}
        if not sign or not ours or not theirs:
            continue
        best = max(theirs, key=lambda name: sign * float(np.mean(theirs[name])))
        lead = sign * float(np.mean(ours) - np.mean(theirs[best]))
        deviations = sum(float(np.std(v, ddof=1)) if len(v) > 1 else 0.0 for v in (ours, theirs[best]))
        sure = "clear" if abs(lead) > deviations else "within spread"
        if min(len(ours), len(theirs[best])) < 2:
            sure = "one seed"
        who = f"ours leads {best}" if lead > 0 else f"ours does not lead: {best} does"
        if RIVALS[best].driven_by == "picture" and SCORES[key].measured_on != "cross":
            who += ", which is shown the answer"
        lines.append(f"- {column}: {who}, {np.mean(ours):.2f} against {np.mean(theirs[best]):.2f} ({sure}).")
    return lines


def rivals_report(results: Sequence[Mapping[str, Any]], known: Mapping[str, Mapping[str, float]], command: str) -> str:
    """The results, and the baselines' numbers ``known``, as markdown.

    Raises:
        ValueError: no results.
    """
    if not results:
        raise ValueError("results: expected at least one method, got none")
    names = [name for name in (*RIVALS, *OWN) if any(r["method"] == name for r in results)]
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
        cells += [cell(values_of(results, name, key)) for key in COLUMNS]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "## Where ours leads, and where not", "", *(verdicts(results) or ["Ours is not among the results."])]
    if with_pose := verdicts(results, OURS_WITH_POSE):
        lines += ["", "## Where ours, told the pose and with a warped matte, leads, and where not", "", *with_pose]
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
