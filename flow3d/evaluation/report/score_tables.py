"""Tables of the paper's scores; every label names the network that judged."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ..measure.pair_rows import Row
from ..scores.motion_scores import LANDMARKS, READ
from ..scores.statistics import Estimate, mean, ratio
from .table import Line, Table, column

NOTES = (
    "AKD and AED are of the faces that the detector of `flow3d.perception.face` finds: AKD is the mean |difference| of "
    "478 landmarks from the true answer's, in pixels of a 256 px frame, AED that of 52 expression scores from the "
    "driving frame's. *Moved by a pixel*: the same of the truth and of itself, moved by one pixel and measured back, "
    "which is the floor. Where no face is found there is no such score and no CSIM (ArcFace), and such frames are "
    "often the worst: their share is a line of its own, and *of* says how many a mean is over.",
    "AED (scorer) compares the expression coefficients that the shipped *scorer* reads on unseen heads, R² above .5: "
    f"{', '.join(f'{name} ({value:g})' for name, value in READ.items())}; APD its angles, and its shifts, which it "
    "hardly reads, in radians and head half-heights; each with what it says of the driving frame. The pose distance is "
    f"of {len(LANDMARKS)} vertices of the procedural head, placed by its coefficients, in pixels of a 256 px frame: it "
    "knows the pose, and nearly nothing else. *True answer* is the same score of the truth, and *another driver* that "
    "of the output beside a frame that did not drive it. In self-ID the true answer is the driving frame and scores 0, "
    "so the scorer's own error against the exact coefficients stands below.",
    "SSIM is computed on [0, 1]. CSIM (heads) is the cosine of an embedding trained on procedural heads: against the "
    "target in self-ID, against the source in cross-ID. The Fréchet distance is between all outputs and all true "
    "answers and has no interval; where halves of the truth are further apart than that, it says next to nothing.",
)
DETECTED = {"akd": ("AKD (478 detected landmarks)", "px"), "aed": ("AED (52 detected scores)", "")}
KINDS = {
    "aed_read": (f"AED (scorer, {len(READ)} coefficients)", ""),
    "apd_rot": ("APD rot (scorer)", ""),
    "apd_rt": ("APD rot + trans (scorer)", ""),
    "pose_distance": ("pose distance (scorer)", "px"),
}
CSIMS = {"csim": "CSIM (heads)", "arcface": "CSIM (ArcFace)"}
FACES = (*DETECTED, "arcface")  # scores that a frame without a face does not have


def absent_note(absent: Mapping[str, str]) -> str:
    """What is not measured, and why."""
    return "Not measured: " + "; ".join(f"{what} ({why})" for what, why in absent.items()) + "."


def score_table(rows: Sequence[Row], frechet: Mapping[str, Mapping[str, float]]) -> Table:
    """A line for each score that the rows have; of the output, or of what stands beside it alone."""
    table = []
    for name, label, unit in (("frame", "PSNR, whole frame", "dB"), ("ssim", "SSIM, whole frame", "")):
        names = {"copy": "copy", "exact-flow warp": "exact-flow warp"}
        table.append(_line(rows, name, label, unit, names))
    for name, (label, unit) in DETECTED.items():
        names = {"copy": "copy", "truth": "true answer", "shuffled": "another driver", "floor": "moved by a pixel"}
        table.append(_line(rows, name, label, unit, names))
    table.append(_line(rows, "faceless", "frames without a face", "%", {"copy": "copy", "truth": "true answer"}))
    for name, (label, unit) in KINDS.items():
        names = {"copy": "copy", "truth": "true answer", "shuffled": "another driver"}
        table.append(_line(rows, name, label, unit, names))
        own = _line(rows, name, f"{label}: the scorer's own error", unit, {}, "scorer")
        table += [own] if own.estimate.count else []
    for name, label in CSIMS.items():
        table.append(
            _line(rows, name, label, "", {"copy": "copy", "truth": "true answer", "stranger": "another person"})
        )
    for label, distances in frechet.items():
        beside = f"copy {distances['copy']:.3f}; half of the true answers from the other half {distances['half']:.3f}"
        beside += ", so it says next to nothing" if distances["half"] > distances["output"] else ""
        table.append(Line(label, Estimate(distances["output"], math.nan, math.nan, math.nan, len(rows)), "", beside))
    return [line for line in table if line.estimate.count or line.beside]


def truth_table(rows: Sequence[Row]) -> Table:
    """A line for each score that needs the truth: shown and hidden parts, the hole, and jitter."""
    warp = {"copy": "copy", "exact-flow warp": "exact-flow warp"}
    table = [
        _line(rows, "shown", "person, where the source shows it", "dB", warp),
        _line(rows, "hidden", "person, where the source does not", "dB", warp),
        _line(rows, "hole", "background that the source's person covered", "dB", {"copy": "copy", "OpenCV": "OpenCV"}),
        _line(rows, "jitter", "jitter beside the true clip", "/255", {"still": "a still picture"}),
        Line("second differences, output / truth", ratio(column(rows, "bend output"), column(rows, "jitter still"))),
    ]
    return [line for line in table if line.estimate.count]


def _line(rows: Sequence[Row], name: str, label: str, unit: str, beside: Mapping[str, str], of: str = "output") -> Line:
    line = Line(label, mean(column(rows, f"{name} {of}")), unit)
    others = {words: mean(column(rows, f"{name} {other}")) for other, words in beside.items()}
    text = [f"{words} {line.text(value.value)}" for words, value in others.items() if value.count]
    measured = line.estimate.count
    text += [f"of {measured} of {len(rows)}"] if text and measured < len(rows) and name in FACES else []
    return Line(label, line.estimate, unit, "; ".join(text))
