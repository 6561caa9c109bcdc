"""Notebook 05's helpers: sheets of many small pictures, close-ups, and scores of a refined person."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from matplotlib.figure import Figure
from torch import Tensor

from flow3d.evaluation.measure.pair_rows import Region
from flow3d.evaluation.scores.metrics import gradient, psnr
from flow3d.morphable import PARTS
from flow3d.teach.figures.picture import Picture, to_rgb8
from flow3d.teach.figures.style import INK, new_figure, show_picture
from flow3d.training import Perceptual, loss_sr


def sheet(rows: Sequence[tuple[str, Sequence[tuple[str, Picture]]]], size: float = 1.12) -> Figure:
    """Return pictures in rows, each row's name at its left; a row does not repeat the titles of an earlier row.

    Args:
        rows: (name, pictures), the pictures as (title, image, mask or uint8 RGB); every row has as many.
        size: of a picture, in inches.

    Raises:
        ValueError: no rows, or rows of different lengths.
    """
    lengths = [len(row) for _, row in rows]
    if not lengths or len(set(lengths)) > 1 or not lengths[0]:
        raise ValueError(f"rows: expected rows of one length, at least one picture each, got lengths {lengths}")
    titles = [[title for title, _ in row] for _, row in rows]
    fresh = [line not in titles[:number] for number, line in enumerate(titles)]
    height = size * len(rows) + 0.2 * sum(fresh)
    with new_figure(len(rows), lengths[0], size * lengths[0] + 0.2, height) as (figure, axes):
        for line, new, (name, row) in zip(axes, fresh, rows, strict=True):
            for cell, (title, picture) in zip(line, row, strict=True):
                show_picture(cell, to_rgb8(picture), title if new else "")
                cell.title.set_fontsize(8.5)
            place: dict[str, Any] = {"transform": line[0].transAxes, "rotation": 90, "ha": "right", "va": "center"}
            line[0].text(-0.06, 0.5, name, fontsize=8.5, color=INK, **place)
        figure.set_layout_engine("constrained", w_pad=0.01, h_pad=0.01, wspace=0.01, hspace=0.01)
    return figure


def close_up(
    picture: Float[Tensor, "C H W"], labels: Int[Tensor, "1 H W"], part: str = "mouth", side: int = 24
) -> Float[Tensor, "C side side"]:
    """Cut the square of ``side`` pixels around the middle of a part of the face; it stays inside the frame.

    Raises:
        ValueError: no such part, no pixel of it, or a ``side`` larger than the frame.
    """
    if part not in PARTS:
        raise ValueError(f"part: expected one of {', '.join(PARTS)}, got {part!r}")
    height, width = labels.shape[-2:]
    if not 0 < side <= min(height, width):
        raise ValueError(f"side: expected 1 to {min(height, width)} pixels, got {side}")
    y, x = (labels[0] == PARTS[part]).nonzero(as_tuple=True)
    if not len(y):
        raise ValueError(f"labels: expected pixels of the {part}, got none")
    top, left = (
        max(0, min(round(float(at.float().mean()) - side / 2), limit - side)) for at, limit in ((y, height), (x, width))
    )
    return picture[:, top : top + side, left : left + side]


def scores(
    picture: Float[Tensor, "3 H W"],
    truth: Float[Tensor, "3 H W"],
    areas: Mapping[str, Region],
    judge: Perceptual,
) -> tuple[float, float, float, float]:
    """Four scores of a person on black: PSNR (dB) on the union of the silhouettes and on eyes and mouth, sharpness of
    the face as a share of the truth's, and 1000 L_sr (Eq. 8). PSNR of eyes and mouth is NaN where the truth has none.
    """
    features = psnr(picture, truth, areas["features"]) if bool(areas["features"].any()) else float("nan")
    sharp = gradient(picture, areas["face"]) / max(gradient(truth, areas["face"]), 1e-6)
    style = 1000 * float(loss_sr(picture[None], truth[None], judge))
    return psnr(picture, truth, areas["union"]), features, sharp, style


def table(rows: Mapping[str, Sequence[Sequence[float]]], heads: Sequence[str]) -> str:
    """The means over pairs of each row's numbers as lines of text under ``heads``; NaN is left out of a mean."""
    lines = [" " * 26 + "".join(f"{head:>14s}" for head in heads)]
    for name, numbers in rows.items():
        means = torch.tensor(numbers, dtype=torch.float64).nanmean(0)
        lines.append(f"{name:26s}" + "".join(f"{value:14.2f}" for value in means.tolist()))
    return "\n".join(lines)
