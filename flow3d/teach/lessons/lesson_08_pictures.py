"""Notebook 08's pictures: who wrote what, bytes moved, instructions as squares, rows shared, readers, three roofs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path

import matplotlib
import numpy as np
from jaxtyping import Float, Int, UInt8
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, LogNorm
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from flow3d.teach.figures import COLORS, row
from flow3d.teach.figures.style import INK, new_figure
from flow3d.teach.lessons.lesson_08_ladder import Ladder, corners_of, readers_of
from flow3d.teach.lessons.lesson_08_machine import KINDS, REST

PALETTE = dict(zip([*KINDS, REST], ("green", "blue", "sky", "purple", "orange", "red"), strict=True))
BLOCK = ("blue", "orange", "green")
PALE = ("sky", "orange", "purple", "grey")  # colours on which white is hard to read
RAMP = ((238, 238, 238), (168, 208, 240), (90, 165, 222), (0, 114, 178), (0, 74, 128), (0, 32, 64))  # by readers
SQUARE, MARGIN = 9, 44  # pixels: of a row in the map, and beside it
COLUMNS = 36  # of squares that stand for instructions
LETTER = 0.0115  # of a picture's width: a letter on a bar

Flow = Float[np.ndarray, "3 D H W"]
Rgb = UInt8[np.ndarray, "_ _ 3"]


def on(hue: str) -> str:
    """The colour of letters on a colour."""
    return INK if hue in PALE else "white"


def who_wrote(strips: Mapping[str, Int[Tensor, "N"]], ours: int, block: int) -> Figure:
    """Which program wrote each place of a memory, -1 for none; the first ``ours`` places are the kernel's own."""
    with new_figure(len(strips), 1, 8.0, 0.95 * len(strips)) as (figure, axes):
        for (cell, *_), (name, strip) in zip(axes, strips.items(), strict=True):
            cell.bar(range(len(strip)), 1, 0.9, color=[COLORS[("grey", *BLOCK)[1 + int(k)]] for k in strip])
            for k in range(-(-ours // block)):
                cell.text(block * k - 0.4, 1.12, f"program {k}", fontsize=8, color=COLORS[BLOCK[k]])
            cell.axvline(ours - 0.5, color="black")
            cell.text(ours, 1.12, "not ours", fontsize=8)
            cell.set(yticks=[], xlim=(-0.6, len(strip) - 0.4), ylim=(0, 1.45), xticks=range(0, len(strip), block))
            cell.set_ylabel(name, rotation=0, ha="right", va="center")
            bare(cell)
    return figure


def bare(cell: Axes) -> None:
    """Take grid and frame away."""
    cell.grid(visible=False)
    for side in ("left", "bottom"):
        cell.spines[side].set_visible(False)


def moved(ways: Mapping[str, Mapping[str, float]], hues: Mapping[str, str], unit: str, title: str) -> Figure:
    """A bar for each way, cut into its steps, with what all of them move; a step too short for its name has a key."""
    longest = max(sum(parts.values()) for parts in ways.values())
    keys: dict[str, str] = {}
    with new_figure(1, 1, 8.0, 0.7 + 0.42 * len(ways)) as (figure, axes):
        cell = axes[0][0]
        for at, parts in enumerate(ways.values()):
            left = 0.0
            for step, size in parts.items():
                hue = hues.get(step, "green")
                cell.barh(at, size, left=left, color=COLORS[hue], edgecolor="white")
                if size > LETTER * longest * len(step):
                    cell.text(left + size / 2, at, step, color=on(hue), ha="center", va="center", fontsize=9)
                else:
                    keys[step] = hue
                left += size
            cell.text(left + 0.01 * longest, at, f"{left:.3g}", va="center")
        for step, hue in keys.items():
            cell.barh(0, 0, color=COLORS[hue], label=step)
        if keys:
            cell.legend(loc="lower right")
        cell.set(xlabel=unit, title=title, xlim=(0, 1.12 * longest))
        cell.set_yticks(range(len(ways)), list(ways))
        cell.invert_yaxis()
        cell.grid(visible=False, axis="y")
    return figure


def instructions_told(kernels: Mapping[str, tuple[Counter[str], int]]) -> Figure:
    """What kernels tell the warps that bend 32 voxels: title -> instructions of one warp by kind, and so many warps.

    A square stands for four instructions: one of each of four warps.
    """
    totals = {title: {kind: n * warps for kind, n in kinds.items()} for title, (kinds, warps) in kernels.items()}
    with new_figure(1, len(totals), 4.6 * len(totals), 3.9) as (figure, axes):
        tallest = max(-(-sum(round(n / 4) for n in kinds.values()) // COLUMNS) for kinds in totals.values())
        for cell, (title, kinds) in zip(axes[0], totals.items(), strict=True):
            squares = [k for k, kind in enumerate(PALETTE) for _ in range(round(kinds.get(kind, 0) / 4))]
            squares += [len(PALETTE)] * (COLUMNS * tallest - len(squares))
            colors = ListedColormap([*(COLORS[hue] for hue in PALETTE.values()), "white"])
            cell.imshow(np.reshape(squares, (tallest, COLUMNS)), cmap=colors, vmin=0, vmax=len(PALETTE))
            cell.set_xticks(np.arange(COLUMNS - 1) + 0.5, minor=True)
            cell.set_yticks(np.arange(tallest - 1) + 0.5, minor=True)
            bare(cell)
            cell.grid(which="minor", color="white", linewidth=1.5)
            cell.tick_params(which="minor", length=0)
            total = f"{sum(kinds.values()):,} for 32 voxels, four in a square"
            cell.set(xticks=[], yticks=[], title=f"{title}\n{total}")
            told = [(kind, kinds[kind]) for kind in PALETTE if kinds.get(kind)]
            for k, (kind, n) in enumerate(told):
                place = (0.02 + 0.5 * (k % 2), -0.09 - 0.09 * (k // 2))
                words = f"■ {n:,} {kind}"
                cell.text(*place, words, color=COLORS[PALETTE[kind]], transform=cell.transAxes, fontsize=9)
    return figure


def rows_read(flow: Flow, bricks: Mapping[str, tuple[Sequence[int], Sequence[int]]]) -> Rgb:
    """Slices of a volume, near ones above: each row's square as dark as voxels of a brick read it, five at most.

    Args:
        flow: in voxels, of the volume that is drawn.
        bricks: name -> its sides (z, y, x) and where it begins.
    """
    shown = {}
    for name, (sides, begin) in bricks.items():
        inside = (slice(None), *(slice(a, a + side) for a, side in zip(begin, sides, strict=True)))
        readers = np.bincount(corners_of(flow)[inside].ravel(), minlength=flow[0].size).reshape(flow.shape[1:])
        sheet = np.array(RAMP, np.uint8)[np.minimum(readers, 5)].repeat(SQUARE, 1).repeat(SQUARE, 2)
        sheet[:, ::SQUARE], sheet[:, :, ::SQUARE], sheet[:, -4:] = 255, 255, 255
        each = (readers > 0).sum() / prod(sides)
        shown[f"{name}: {each:.2f} rows a voxel"] = sheet.reshape(-1, *sheet.shape[2:])
    map_ = row(shown, height=len(sheet) * sheet.shape[1])
    return labelled(map_, len(sheet), sheet.shape[1])


def labelled(map_: Rgb, slices: int, height: int) -> Rgb:
    """The map with its slices' numbers at the left, and below it what the colours mean."""
    font = ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf", 12)
    sheet = Image.new("RGB", (map_.shape[1] + MARGIN, len(map_) + 24), "white")
    sheet.paste(Image.fromarray(map_), (MARGIN, 0))
    pen = ImageDraw.Draw(sheet)
    top = len(map_) - slices * height
    for z in range(slices):
        pen.text((2, top + (z + 0.5) * height), f"z = {z}", INK, font, anchor="lm")
    for k, color in enumerate(RAMP):
        x, y = MARGIN + 62 * k, len(map_) + 8
        pen.rectangle((x, y, x + 11, y + 11), color)
        pen.text(
            (x + 17, y + 6),
            f"{k}" if k < len(RAMP) - 1 else f"{k} or more of the 32 voxels read it",
            INK,
            font,
            anchor="lm",
        )
    return np.array(sheet)


def readers(flows: Mapping[str, Flow]) -> Figure:
    """How many voxels read each row, in the slice with the busiest one; below, how many rows have so many readers."""
    with new_figure(2, len(flows), 9.0, 4.4) as (figure, axes):
        for (above, below), (name, flow) in zip(zip(*axes, strict=True), flows.items(), strict=True):
            count = readers_of(flow)
            slice_ = int(count.max(axis=(1, 2)).argmax())
            picture = above.imshow(count[slice_], norm=LogNorm(1, 512), cmap="viridis")
            above.set_title(f"{name}\nbusiest row: {count.max()}")
            above.set_axis_off()
            by_readers(below, count)
            below.tick_params(labelleft=below is axes[1][0])
        axes[1][0].set_ylabel("% of rows")
        label = "readers of a row\n(white: none)"
        bar = figure.colorbar(picture, ax=axes[0], label=label, ticks=[1, 8, 64, 512], format="%d")
        bar.ax.minorticks_off()
    return figure


def by_readers(cell: Axes, count: Int[np.ndarray, "D H W"]) -> None:
    """Draw how many rows have no reader, 1, 2 to 3, 4 to 7 and so on; twice as many in each class."""
    classes = np.where(count > 0, np.floor(np.log2(np.maximum(count, 1))) + 1, 0).astype(int)
    share = 100 * np.bincount(classes.ravel(), minlength=10)[:10] / count.size
    cell.bar(range(10), share, 0.85, color=COLORS["blue"])
    cell.set(xticks=[0, 1, 4, 7], xticklabels=["0", "1", "8", "64"], ylim=(0, 100), xlabel="readers")
    cell.grid(visible=False, axis="x")


def three_roofs(ladder: Ladder) -> Figure:
    """The ladder's rungs under three roofs, with a card's times where there are any; beside them, what they issue."""
    rungs = list(ladder.counted)
    with new_figure(1, 2, 12.0, 3.9) as (figure, axes):
        roofs, work = axes[0]
        draw_roofs(roofs, ladder, rungs)
        left = np.zeros(len(rungs))
        for kind, hue in PALETTE.items() if ladder.machine else ():
            share = [ladder.machine[name].kinds()[kind] * ladder.warps(name) / 1e6 for name in rungs]
            work.barh(rungs, share, left=left, color=COLORS[hue], label=kind)
            left += share
        work.set(title="what all warps issue, millions" if ladder.machine else "nothing was compiled here")
        work.invert_yaxis()
        work.grid(visible=False, axis="y")
        if ladder.machine:
            work.legend(loc="lower right")
    return figure


def draw_roofs(cell: Axes, ladder: Ladder, rungs: Sequence[str]) -> None:
    """Two bars a rung and one line for all: the least time by issue slots, by L2, by DRAM."""
    x = np.arange(len(rungs))
    for k, (roof, name, hue) in enumerate((("slots", "issue slots", "orange"), ("l2", "L2", "blue"))):
        counted = [getattr(ladder.counted[rung], roof) for rung in rungs]
        guessed = [getattr(ladder.predicted[rung], roof) for rung in rungs]
        place = x + 0.34 * k - 0.26
        cell.bar(place, counted, 0.32, color=COLORS[hue], label=f"{name}, counted")
        cell.bar(place, guessed, 0.32, fill=False, edgecolor=INK, ls="--", label="" if k else "predicted")
        for at, value in zip(place, counted, strict=True):
            if np.isfinite(value):
                cell.text(at, 3, f"{value:.0f}", ha="center", fontsize=8, color=on(hue))
    cell.axhline(ladder.dram, color="black", label="DRAM, all rungs")
    for k, rung in enumerate(rungs):
        known = rung in ladder.measured
        time = ladder.measured[rung] if known else ladder.least(rung)
        cell.plot(k + 0.38, time, "D", color="black", mfc="black" if known else "white", ms=7)
    for known, label in ((True, f"measured, {ladder.measured_on}"), (False, "not measured: at least this")):
        if any((rung in ladder.measured) == known for rung in rungs):
            cell.plot([], [], "D", color="black", mfc="black" if known else "white", ms=7, label=label)
    cell.set(ylabel="µs", title="three roofs: the highest is the least time")
    cell.set_xticks(x, [in_two_lines(name) for name in rungs])
    cell.set_ylim(0, 1.12 * cell.get_ylim()[1])
    cell.legend(ncols=2, fontsize=8, loc="upper right")
    cell.grid(visible=False, axis="x")


def in_two_lines(name: str) -> str:
    """A rung's name, broken where it can be."""
    for words in (" of ", " a ", " "):
        if words in name:
            return name.replace(words, f"\n{words.lstrip()}")
    return name
