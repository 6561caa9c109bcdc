"""Figures of a training: shares of the terms, losses over the steps, curves of whole trainings."""

import csv
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont

from flow3d.teach.figures.picture import Picture, to_rgb8
from flow3d.teach.figures.style import COLORS, INK, STYLE, new_figure, show_picture
from flow3d.training.config import EXTENSIONS
from flow3d.training.log import COLUMNS

Curve = Mapping[str, np.ndarray]  # column of metrics.csv -> numbers, NaN where a row has none
ZERO = "zero_flow_error"  # the additional column of a thinned curve
HUES = dict(zip(("3dw", "3df", "pr", "sr", "pw", "cw", "inp"), COLORS.values(), strict=True))
DOTS = 80  # curves of fewer values get a mark at each
GAP = 10  # steps: a term's curve breaks where the term is absent for longer; terms that take turns return earlier
DARK = ("3dw", "pr", "sr", "inp")  # terms with a hue that needs white text


def read_curve(path: str | os.PathLike[str]) -> Curve:
    """A ``metrics.csv`` or its thinned copy: column -> numbers, NaN where a row has none.

    A file that is older than a term of ours has no column of it, which then is all NaN.

    Raises:
        ValueError: no rows, or no such columns.
    """
    with Path(path).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not rows or not {name for name in COLUMNS if name.rpartition("/")[2] not in EXTENSIONS} <= set(rows[0]):
        raise ValueError(f"path: expected the rows of a training's metrics.csv, got {os.fspath(path)!r}")
    names = dict.fromkeys((*rows[0], *COLUMNS))
    return {name: np.array([float(row.get(name) or "nan") for row in rows]) for name in names}


def share_bars(rows: Mapping[str, Mapping[str, float]], width: int = 640) -> UInt8[np.ndarray, "H W 3"]:
    """A bar for each row, split into its terms' shares; quick enough for a slider. A row of zeros stays empty."""
    font = ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf", 13)
    left, tall = 150, 34
    picture = Image.new("RGB", (width, tall * (len(rows) + 1)), "white")
    pen = ImageDraw.Draw(picture)
    for k, (term, hue) in enumerate(HUES.items()):
        x = left + k * (width - left) // len(HUES)
        pen.rectangle((x, 11, x + 11, 22), hue)
        pen.text((x + 16, 17), term, INK, font, anchor="lm")
    for y, (name, values) in enumerate(rows.items(), 1):
        pen.text((left - 10, (y + 0.5) * tall), name, INK, font, anchor="rm")
        total, x = sum(values.values()), float(left)
        for term in HUES:
            share = values.get(term, 0.0) / total if total else 0.0
            end = x + share * (width - left)
            pen.rectangle((x, y * tall + 4, max(x, end - 1), (y + 1) * tall - 4), HUES[term] if share else "white")
            if share > 0.12:
                dark = term in DARK
                place = ((x + end) / 2, (y + 0.5) * tall)
                pen.text(place, f"{term} {share:.0%}", "white" if dark else "black", font, anchor="mm")
            x = end
    return np.array(picture)


def training_curves(curves: Mapping[str, Sequence[Curve]], ends: Mapping[str, Curve] | None = None) -> Figure:
    """The curves of whole trainings, recipe -> its phases, over minutes: flow, picture and autoencoder.

    ``ends``: trainings on another machine; only their last value is drawn, as a horizontal line.
    """
    panels: dict[str, Callable[[Curve], np.ndarray]] = {
        "flow error, % of zero flow's": lambda curve: 100 * curve["flow_error"] / curve[ZERO],
        "output over copy (dB)": lambda curve: curve["psnr"] - curve["copy_psnr"],
        "raw $L_{3df}$": lambda curve: curve["raw/3df"],
    }
    with new_figure(1, 3, 9.0, 2.7) as (figure, axes):
        for cell, (title, value) in zip(axes[0], panels.items(), strict=True):
            draw_curves(cell, curves, value)
            for name, curve in (ends or {}).items():
                last = value(curve)[np.isfinite(value(curve))][-1]
                cell.axhline(last, color=COLORS["green"], linewidth=1.2, linestyle="-.", label=name)
            cell.set(xlabel="minutes of one core", title=title)
        axes[0][0].axhline(100, color=INK, linewidth=0.8)
        axes[0][1].axhline(0, color=INK, linewidth=0.8)
        axes[0][0].set_ylim(0)
        axes[0][0].legend()
        axes[0][2].set_yscale("log")
    return figure


def draw_curves(cell: Axes, curves: Mapping[str, Sequence[Curve]], value: Callable[[Curve], np.ndarray]) -> None:
    """One quantity over the minutes of all phases; a dotted line where a phase begins."""
    for (recipe, phases), hue, dash in zip(curves.items(), (COLORS["blue"], COLORS["red"]), ("-", "--"), strict=False):
        ends = np.cumsum([0, *(curve["seconds"][-1] / 60 for curve in phases)])
        minutes = np.concatenate([end + curve["seconds"] / 60 for end, curve in zip(ends, phases, strict=False)])
        values = np.concatenate([value(curve) for curve in phases])
        minutes, values = minutes[np.isfinite(values)], values[np.isfinite(values)]
        few = len(values) < DOTS
        if not few:  # a term that was left out for long leaves a gap
            holes = np.flatnonzero(np.diff(minutes) > 0.1 * ends[-1]) + 1
            minutes, values = np.insert(minutes, holes, np.nan), np.insert(values, holes, np.nan)
        cell.plot(minutes, values, dash, marker="o" if few else "", markersize=3, color=hue, label=recipe)
        for end in ends[1:-1]:
            cell.axvline(end, color=hue, linewidth=0.9, linestyle=":")


def loss_curves(runs: Mapping[str, Sequence[Mapping[str, float]]]) -> Figure:
    """Every term over the steps of each run, raw at the left, weighted at the right; our own terms are dashed.

    Args:
        runs: name -> one mapping per step, as :meth:`flow3d.training.Trainer.advance` returns it.
    """
    hues = (COLORS[name] for name in ("blue", "purple", "orange", "sky", "green", "red"))
    ours = dict(zip(EXTENSIONS, (INK, *hues), strict=True))
    used: dict[str, Any] = {}
    with new_figure(len(runs), 2, 9.0, 2.4 * len(runs)) as (figure, axes):
        for line, (name, numbers) in zip(axes, runs.items(), strict=True):
            for cell, kind in zip(line, ("raw", "weighted"), strict=True):
                for term, hue in (HUES | ours).items():
                    at = np.array([k for k, row in enumerate(numbers) if f"{kind}/{term}" in row], int)
                    style = ":" if term in ours else "-"
                    for part in np.split(at, np.flatnonzero(np.diff(at) > GAP) + 1) if len(at) else ():
                        values = [numbers[k][f"{kind}/{term}"] for k in part]
                        used[term] = cell.plot(part, values, style, color=hue, linewidth=1.3)[0]
                cell.set(yscale="log", title=f"{name}: {kind}", xlabel="step")
        figure.legend(list(used.values()), list(used), loc="outside right center")
    return figure


def signature(
    rows: Sequence[Mapping[str, Picture]],
    live: Mapping[str, Mapping[int, float]],
    zero: float,
    curves: Mapping[str, Sequence[Curve]],
) -> Figure:
    """A live run's pictures, in rows under their titles, above its flow error and that of whole trainings.

    Args:
        rows: the pictures. ``zero``: the zero flow's error.
        live: up to four of name -> step -> flow error in pixels; the first two differ in their dashes only.
        curves: as for :func:`training_curves`.
    """
    columns = len(rows[0])
    side = 9.0 / columns
    with plt.rc_context(STYLE):
        figure = plt.figure(figsize=(9.0, side * len(rows) + 3.0), layout="constrained")
        heights = [side * len(rows) + 0.3, 2.7]
        above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=heights)[:, 0]
        cells = above.subplots(len(rows), columns, squeeze=False)
        for number, (line, row) in enumerate(zip(cells, rows, strict=True)):
            for cell, (title, picture) in zip(line, row.items(), strict=True):
                show_picture(cell, to_rgb8(picture), "" if number else title)
        left, right = below.subplots(1, 2)
        # few colours, as in the right panel: the notebook's picture is saved with a small palette
        styles = (("-", COLORS["blue"]), (":", COLORS["blue"]), ("--", COLORS["red"]), ("-.", INK))
        for (name, errors), (dash, hue) in zip(live.items(), styles, strict=False):
            left.plot(list(errors), [100 * error / zero for error in errors.values()], dash, color=hue, label=name)
        left.set(title="live, micro: flow error, % of zero flow's", xlabel="step of phase 1")
        draw_curves(right, curves, lambda curve: 100 * curve["flow_error"] / curve[ZERO])
        right.set(title="recorded, tiny: flow error, % of zero flow's", xlabel="minutes of one core")
        for cell in (left, right):
            cell.axhline(100, color=INK, linewidth=0.8)
            cell.set_ylim(0)
            cell.legend(fontsize=8)
        plt.close(figure)
    return figure
