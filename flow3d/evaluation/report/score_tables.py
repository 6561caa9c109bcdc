"""Tables of the paper's scores; every label names the network that judged."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ..measure.pair_rows import Row
from ..scores.motion_scores import LANDMARKS
from ..scores.statistics import Estimate, mean, ratio
from .table import Line, Table, column

NOTES = (
    "AED, APD and AKD compare what the shipped *scorer* says of a frame with what it says of the driving frame; *true "
    "answer* is the same score of the truth, and *another driver* that of the output beside a frame that did not drive "
    "it. In self-ID the true answer is the driving frame and scores 0, so the scorer's own error against the exact "
    f"coefficients stands below. AKD is over {len(LANDMARKS)} vertices of the procedural head, in pixels of a 256 px "
    "frame; APD in radians and head half-heights.",
    "CSIM (heads) is the cosine of an embedding trained on procedural heads: against the target in self-ID, against "
    "the source in cross-ID. The Fréchet distance is between all outputs and all true answers; it grows as pairs get "
    "fewer, and has no interval.",
)
KINDS = {
    "aed": "AED (scorer)",
    "apd_rot": "APD rot (scorer)",
    "apd_rt": "APD rot + trans (scorer)",
    "akd": "AKD (scorer)",
}
CSIMS = {"csim": "CSIM (heads)", "arcface": "CSIM (ArcFace)"}


def absent_note(absent: Mapping[str, str]) -> str:
    """What is not measured, and why."""
    return "Not measured: " + "; ".join(f"{what} ({why})" for what, why in absent.items()) + "."


def score_table(rows: Sequence[Row], frechet: Mapping[str, Mapping[str, float]]) -> Table:
    """A line for each score that the rows have."""
    table = []
    for name, label, unit in (("frame", "PSNR, whole frame", "dB"), ("ssim", "SSIM, whole frame", "")):
        names = {"copy": "copy", "exact-flow warp": "exact-flow warp"}
        table.append(_line(rows, name, label, unit, names))
    for name, label in KINDS.items():
        unit = "px" if name == "akd" else ""
        names = {"copy": "copy", "truth": "true answer", "shuffled": "another driver"}
        table.append(_line(rows, name, label, unit, names))
        own = _line(rows, name, f"{label}: the scorer's own error", unit, {}, "scorer")
        if own.estimate.count:
            table.append(own)
    for name, label in CSIMS.items():
        line = _line(rows, name, label, "", {"copy": "copy", "truth": "true answer", "stranger": "another person"})
        if line.estimate.count:
            table.append(line)
    for label, distances in frechet.items():
        beside = f"copy {distances['copy']:.3f}; half of the true answers from the other half {distances['half']:.3f}"
        table.append(Line(label, Estimate(distances["output"], math.nan, math.nan, math.nan, len(rows)), "", beside))
    return table


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
    text = "; ".join(f"{words} {line.text(value.value)}" for words, value in others.items() if value.count)
    return Line(label, line.estimate, unit, text)
