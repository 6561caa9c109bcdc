"""Figures made of pictures: side by side, slices, errors."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import matplotlib
import numpy as np
import torch
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont
from torch import Tensor

from flow3d.teach.figures.picture import Image, Picture, difference, flow_to_rgb, flow_wheel, to_rgb8
from flow3d.teach.figures.style import INK, MAGNITUDE, SIGNED, new_figure, show_picture

WIDTH = 9.0  # inches: the text width of a notebook


def side_by_side(pictures: Mapping[str, Picture], columns: int | None = None, size: float = 2.2) -> Figure:
    """Return a figure of pictures under their titles, in rows of ``columns`` (all in one row by default, at most six).

    Args:
        pictures: title -> image, mask or uint8 RGB.
        columns: pictures per row.
        size: the widest a picture may be, in inches.

    Raises:
        ValueError: there are no pictures, or one has an unknown shape.
    """
    if not pictures:
        raise ValueError("pictures: expected at least one, got none")
    columns = min(columns or 6, len(pictures))
    rows = -(-len(pictures) // columns)
    images = {title: to_rgb8(picture) for title, picture in pictures.items()}
    side = min(size, WIDTH / columns)
    tallest = max(picture.shape[0] / picture.shape[1] for picture in images.values())
    with new_figure(rows, columns, side * columns, (side * tallest + 0.25) * rows) as (figure, axes):
        cells = [cell for line in axes for cell in line]
        for cell in cells[len(images) :]:
            cell.set_axis_off()
        for cell, (title, picture) in zip(cells, images.items(), strict=False):
            show_picture(cell, picture, title)
    return figure


def row(pictures: Mapping[str, Picture], height: int = 192) -> UInt8[np.ndarray, "H W 3"]:
    """Return pictures in one row under their titles as uint8 RGB: quick enough for a slider.

    Args:
        pictures: title -> image, mask or uint8 RGB; each is scaled to ``height``.
        height: of each picture, in pixels.
    """
    columns = []
    for title, picture in pictures.items():
        rgb = to_rgb8(picture)
        width = max(1, round(rgb.shape[1] * height / rgb.shape[0]))
        smooth = cv2.INTER_AREA if rgb.shape[0] > height else cv2.INTER_CUBIC
        scaled = cv2.resize(rgb, (width, height), interpolation=smooth)
        gap = np.full((height, 6, 3), 255, np.uint8)
        columns.append(np.vstack([_caption(title, width + 6), np.hstack([scaled, gap])]))
    return np.hstack(columns)[:, :-6]


@lru_cache(maxsize=64)
def _caption(text: str, width: int) -> UInt8[np.ndarray, "H W 3"]:
    """Return a white strip with the text centred; cached, because a slider draws the same titles repeatedly."""
    font = ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf", 13)
    strip = PillowImage.new("RGB", (width, 22), "white")
    ImageDraw.Draw(strip).text(((width - 6) / 2, 11), text, INK, font, anchor="mm")
    return np.array(strip)


def flow_slices(flow: Float[Tensor, "3 D H W"], depths: Sequence[int] | None = None) -> Figure:
    """Return slices of a 3D flow, nearest first: (dx,dy) in ``flow_to_rgb``'s colours above, dz below.

    Args:
        flow: (dx,dy,dz) in voxels, +y down, +z away from the camera.
        depths: which depth indices; up to six evenly spread ones by default.

    Raises:
        ValueError: ``flow`` is not (3,D,H,W) or a depth lies outside it.
    """
    if flow.ndim != 4 or flow.shape[0] != 3:
        raise ValueError(f"flow: expected (3, D, H, W), got {tuple(flow.shape)}")
    values, chosen = flow.detach().float().cpu(), _depths(flow.shape[1], depths)
    limit = max(float(values[:2].norm(dim=0).max()), 1e-6)
    deepest = max(float(values[2].abs().max()), 1e-6)
    side = WIDTH / (len(chosen) + 1)
    with new_figure(2, len(chosen) + 1, WIDTH, 2 * side + 0.3) as (figure, axes):
        for column, depth in enumerate(chosen):
            rgb = to_rgb8(flow_to_rgb(values[:, depth], limit))
            show_picture(axes[0][column], rgb, _slice_title(depth, flow.shape[1]))
            scale: dict[str, Any] = {"cmap": SIGNED, "vmin": -deepest, "vmax": deepest}
            drawn = show_picture(axes[1][column], values[2, depth].numpy(), **scale)
        show_picture(axes[0][-1], to_rgb8(flow_wheel(96)), f"rim: {limit:.2g} voxels")
        _scale_bar(figure, axes[1][-1], drawn, "dz (+ away)")
    return figure


def volume_slices(
    volume: Float[Tensor, "C D H W"], depths: Sequence[int] | None = None, channel: int | None = None
) -> Figure:
    """Return slices of a feature volume, nearest first, on one scale.

    Args:
        volume: any number of channels.
        depths: which depth indices; up to six evenly spread ones by default.
        channel: which channel; the root mean square over all channels by default.

    Raises:
        ValueError: ``volume`` is not (C,D,H,W), or a depth or the channel lies outside it.
    """
    if volume.ndim != 4:
        raise ValueError(f"volume: expected (C, D, H, W), got {tuple(volume.shape)}")
    if channel is not None and not 0 <= channel < volume.shape[0]:
        raise ValueError(f"channel: expected one of 0 to {volume.shape[0] - 1}, got {channel}")
    values, chosen = volume.detach().float().cpu(), _depths(volume.shape[1], depths)
    field = values.square().mean(dim=0).sqrt() if channel is None else values[channel]
    signed = bool((field < 0).any())
    high = max(float(field.abs().max()), 1e-6)
    scale = {"cmap": SIGNED if signed else MAGNITUDE, "vmin": -high if signed else 0.0, "vmax": high}
    side = WIDTH / (len(chosen) + 1)
    with new_figure(1, len(chosen) + 1, WIDTH, side + 0.15) as (figure, axes):
        for column, depth in enumerate(chosen):
            drawn = show_picture(axes[0][column], field[depth].numpy(), _slice_title(depth, volume.shape[1]), **scale)
        _scale_bar(figure, axes[0][-1], drawn, "rms" if channel is None else f"channel {channel}")
    return figure


def error_map(expected: Image, got: Image, limit: float = 0.5, titles: tuple[str, str] = ("expected", "got")) -> Figure:
    """Return both images and the mean absolute difference over their channels, in image units (the range is 2 wide).

    Raises:
        ValueError: the shapes differ.
    """
    gap = difference(expected, got)
    with new_figure(1, 3, 7.4, 2.5 * expected.shape[1] / expected.shape[2]) as (figure, axes):
        for cell, image, title in zip(axes[0], (expected, got), titles, strict=False):
            show_picture(cell, to_rgb8(image), title)
        drawn = show_picture(
            axes[0][2], gap.numpy(), f"|difference|, mean {float(gap.mean()):.3f}", cmap=MAGNITUDE, vmin=0, vmax=limit
        )
        figure.colorbar(drawn, ax=axes[0][2], shrink=0.9, extend="max")
    return figure


def _scale_bar(figure: Figure, cell: Axes, drawn: Any, label: str) -> None:
    """Draw the colour scale into a cell of its own, so that the pictures beside it keep one size."""
    cell.set_axis_off()
    figure.colorbar(drawn, cax=cell.inset_axes((0.02, 0.08, 0.08, 0.84)), label=label)


def _depths(count: int, depths: Sequence[int] | None) -> list[int]:
    """Return the depth indices to draw, checked."""
    if depths is None:
        return torch.linspace(0, count - 1, min(6, count)).round().int().tolist()
    outside = [depth for depth in depths if not 0 <= depth < count]
    if outside or not depths:
        raise ValueError(f"depths: expected one or more of 0 to {count - 1}, got {list(depths)}")
    return list(depths)


def _slice_title(depth: int, count: int) -> str:
    """Return the title of a slice; the first and last say which end is near."""
    return f"z = {depth}" + {0: " (near)", count - 1: " (far)"}.get(depth, "")
