"""Turns rows of numbers into the tables of a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..measure.edits import EDITS, EXACT, Sums, summarise
from ..measure.observed import NAMES
from ..measure.pair_rows import SIGMAS, Row
from ..pairs.protocols import WIDE, bin_of
from ..scores.statistics import largest, mean, median, ratio
from .table import Line, Table, column, gain

EARS = (25.0, 40.0)  # degrees of yaw difference at which an ear comes into view
SPOT = 64 / 255  # of the whole range


def best_blur(rows: Sequence[Row], region: str = "psnr") -> str:
    """The name of the blurred copy with the highest mean PSNR: the strongest baseline of its kind."""
    names = [f"blur {sigma:g}" for sigma in SIGMAS]
    return max(names, key=lambda name: float(np.nanmean(column(rows, f"{region} {name}"))))


def picture_table(rows: Sequence[Row], cross: bool = False) -> Table:
    """PSNR on the union of the silhouettes and the gains that the project asks for; eyes and mouth; bins of yaw."""
    blurred = best_blur(rows)
    label = f"blurred copy, sigma {blurred.split()[1]} px (the best)"
    copy, soft = mean(column(rows, "psnr copy")), mean(column(rows, f"psnr {blurred}"))
    beside = f"copy {copy.value:.2f} dB"
    table = []
    for name in [n.removeprefix("psnr ") for n in rows[0] if n.startswith("psnr ")]:
        if not name.startswith("blur ") or name == blurred:
            what = label if name == blurred else name
            table.append(Line(what, mean(column(rows, f"psnr {name}")), "dB", "" if name == "copy" else beside))
    over_copy, over_blur = (6.5, None) if cross else (7.5, 6.5)
    table.append(Line("output - copy", gain(rows, "psnr output", "psnr copy"), "dB", beside, over_copy))
    beside = f"blurred copy {soft.value:.2f} dB"
    table.append(
        Line("output - best blurred copy", gain(rows, "psnr output", f"psnr {blurred}"), "dB", beside, over_blur)
    )
    for name in ("output", "copy", "exact-flow warp"):
        table.append(Line(f"eyes and mouth: {name}", mean(column(rows, f"features {name}")), "dB"))
    beside = f"copy {mean(column(rows, 'features copy')).value:.2f} dB"
    table.append(
        Line("eyes and mouth: output - copy", gain(rows, "features output", "features copy"), "dB", beside, 5.5)
    )
    for name in ("0-10", "10-20", "20-35", "35+"):
        chosen = [row for row in rows if bin_of(row["yaw"]) == name]
        if chosen:
            beside = f"copy {mean(column(chosen, 'psnr copy')).value:.2f} dB"
            table.append(Line(f"output, yaw difference {name}°", mean(column(chosen, "psnr output")), "dB", beside))
    return table


def flow_table(rows: Sequence[Row], cross: bool = False) -> Table:
    """End-point errors over the zero flow's; empty for a method without a flow."""
    if not any(np.isfinite(column(rows, "flow error"))):
        return []
    table = []
    names = {"flow": "visible person", "local": "eyes and mouth", "bent": "eyes and mouth, best affine map removed"}
    limits = {"flow": 0.15 if cross else 0.12, "local": None, "bent": 0.60}
    for name, what in names.items():
        error, zero = column(rows, f"{name} error"), column(rows, f"{name} zero")
        per_pixel = ratio(zero, column(rows, "flow pixels" if name == "flow" else "bent pixels")).value
        beside = f"what is left: {per_pixel:.2f} px" if name == "bent" else f"zero flow {per_pixel:.2f} px"
        if name != "bent":
            beside += f"; best affine map {100 * ratio(column(rows, f'{name} affine'), zero).value:.1f} %"
        table.append(Line(f"{what}, pooled", ratio(error, zero), "%", beside, most=limits[name]))
        if name == "flow":
            share = [a / b for a, b in zip(error, zero, strict=True)]
            table.append(Line(f"{what}, median of pairs", median(share), "%"))
    return table


def edit_table(sums: Sums, baseline: Sums, asked: bool = True) -> Table:
    """Response, correlation and gain of every edit beside those of ``baseline``, with the targets if ``asked``.

    For gaze, brows and pose the project sets one target, which holds for response and for correlation.
    """
    table = []
    for name, edit in EDITS.items() if sums else ():
        estimates, exact = summarise(sums[name]), summarise(baseline[name])
        least = {"response": edit.response, "correlation": edit.correlation}
        where = " and ".join(edit.parts) or "whole person"
        for kind, value in estimates.items():
            beside = f"{where}: copy 0, {EXACT} {exact[kind].value:.2f}"
            table.append(Line(f"{name}: {kind}", value, "", beside, least.get(kind) if asked else None))
    return table


def sharpness_table(rows: Sequence[Row], wide: Sequence[Row]) -> Table:
    """Mean gradient inside the face over the truth's, of all pairs and of those beyond ``WIDE`` degrees of yaw."""
    table = []
    for what, chosen, least in (("", rows, 0.8), (f", yaw difference > {WIDE:.0f}°", wide, None)):
        if chosen:
            truth = column(chosen, "gradient truth")
            others = {name: ratio(column(chosen, f"gradient {name}"), truth) for name in ("copy", "blurred truth")}
            beside = ", ".join(f"{name} {share.value:.2f}" for name, share in others.items()) + "; noise is above 1"
            sharpness = ratio(column(chosen, "gradient output"), truth)
            table.append(Line(f"gradient, output / truth{what}", sharpness, "", beside, least))
    return table


def part_table(rows: Sequence[Row]) -> Table:
    """What goes wrong in few pixels: ears that a turn uncovers, and spots brighter than the truth in all colours."""
    turned = [row for row in rows if EARS[0] <= row["yaw"] <= EARS[1] and np.isfinite(row["ears copy"])]
    table = []
    if turned:
        beside = f"copy {mean(column(turned, 'ears copy')).value:.2f} dB"
        what = f"ears, yaw difference {EARS[0]:.0f}-{EARS[1]:.0f}°: output - copy"
        table.append(Line(what, gain(turned, "ears output", "ears copy"), "dB", beside, 3.0))
    spots = mean([float(row["brightest"] > SPOT) for row in rows])
    beside = f"a pixel of the person brighter than the truth by {255 * SPOT:.0f}/255 in all colours"
    return [*table, Line("pictures with a spot", spots, "%", beside, most=0.05)]


def observed_table(rows: Sequence[Row]) -> Table:
    """PSNR from observed and from exact inputs; the observed row comes first, since it is what a user gets."""
    copy = f"copy {mean(column(rows, 'copy')).value:.2f} dB"
    table = [Line(name, mean(column(rows, name)), "dB", copy) for name in reversed(NAMES)]
    return [*table, Line("exact - observed", gain(rows, "exact", "observed"), "dB", "", most=2.0)]


def wide_table(rows: Sequence[Row]) -> Table:
    """PSNR and flow of the pairs beyond ``WIDE`` degrees."""
    beside = f"copy {mean(column(rows, 'psnr copy')).value:.2f} dB"
    table = [Line("output", mean(column(rows, "psnr output")), "dB", beside)]
    table.append(Line("exact-flow warp", mean(column(rows, "psnr exact-flow warp")), "dB", beside))
    return table + [replace(line, most=None) for line in flow_table(rows)[:1]]


def background_table(rows: Sequence[Row]) -> Table:
    """How well the source's background is kept; empty for a method without a matte."""
    kept, worst = mean(column(rows, "kept")), largest(column(rows, "worst"))
    if not kept.count:
        return []
    beside = f"measured on {100 * kept.value:.1f} % of the true background"
    table = [Line("largest difference outside both silhouettes", worst, "/255", beside, most=1 / 255)]
    unpasted = mean(column(rows, "leak unpasted"))
    beside = f"without pasting {255 * unpasted.value:.2f} /255" if unpasted.count else "a model that pastes nothing"
    return [*table, Line("mean difference on the true background", mean(column(rows, "leak")), "/255", beside)]


def yaw_table(rows: Sequence[Row], what: str) -> Table:
    """How far the heads turn: median, and share beyond ``WIDE`` degrees."""
    yaw = column(rows, "yaw")
    return [
        Line(f"{what}: median yaw difference", median(yaw), "°"),
        Line(f"{what}: share above {WIDE:.0f}°", mean([float(degrees > WIDE) for degrees in yaw]), "%"),
    ]
