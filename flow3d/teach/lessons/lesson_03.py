"""Notebook 03's helpers: the warping stage on one pair, how far its flow is from the exact one, and the pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn import functional

from flow3d.datasets import Pair
from flow3d.evaluation.scores.metrics import end_point_error
from flow3d.morphable import Frame, exact_flow
from flow3d.renderer import FlowRenderer
from flow3d.synthesis import cut_out
from flow3d.teach.figures import flow_to_rgb, flow_wheel, row, to_rgb8
from flow3d.teach.figures.style import INK, MAGNITUDE, SIGNED, new_figure, show_picture
from flow3d.warping import Warped

WORST = 4.0  # pixels: the end-point error with the brightest colour
HIDDEN = "#D9D9D9"  # where no error is measured: background, and what the source does not show


def foreground(image: Float[Tensor, "3 S S"], alpha: Float[Tensor, "1 S S"]) -> Float[Tensor, "1 3 S S"]:
    """The person cut out on black, as a batch of one."""
    return cut_out(image[None], alpha[None])


@torch.no_grad()
def warp_pair(
    renderer: FlowRenderer,
    pair: Pair,
    driving_window: Float[Tensor, "73 27"] | None = None,
    source_window: Float[Tensor, "73 27"] | None = None,
) -> Warped:
    """Send a pair through mapping network and warping stage, a batch of one.

    Args:
        renderer: of the pair's size.
        pair: its source's foreground is warped.
        driving_window, source_window: used in place of the pair's own.
    """
    target, start = (
        renderer.mapping((own if given is None else given)[None])
        for given, own in ((driving_window, pair.driving_window), (source_window, pair.source_window))
    )
    source = renderer.warping.encode(foreground(pair.source, pair.source_alpha))
    return renderer.warping(source, target, start)


def error_map(flow: Float[Tensor, "C S S"], pair: Pair) -> Float[Tensor, "S S"]:
    """Distance of (dx, dy) to the exact flow, in pixels; NaN where it is not measured (see :attr:`Pair.seen`)."""
    distance = (flow[:2] - pair.flow[:2]).norm(dim=0)
    return distance.masked_fill(~pair.seen, float("nan"))


def share_left(flows: Sequence[Float[Tensor, "C S S"]], pairs: Sequence[Pair]) -> float:
    """The end-point error of ``flows`` divided by the zero flow's, pooled over all seen pixels of all pairs.

    Raises:
        ValueError: no pairs, or not one flow for each.
    """
    if not pairs or len(flows) != len(pairs):
        raise ValueError(f"flows: expected one for each of one or more pairs, got {len(flows)} for {len(pairs)}")
    errors = [end_point_error(flow, pair.flow, pair.seen) for flow, pair in zip(flows, pairs, strict=True)]
    return sum(error for error, _ in errors) / sum(zero for _, zero in errors)


def on_volume(flow: Float[Tensor, "3 S S"], depth: int, side: int) -> Float[Tensor, "1 3 D H W"]:
    """A flow of pixels as a volume's flow of voxels: averaged onto ``side`` x ``side``, every slice alike, dz zero.

    Raises:
        ValueError: ``side`` does not divide the flow's.
    """
    if flow.shape[-1] % side:
        raise ValueError(f"side: expected a divisor of the flow's {flow.shape[-1]} px, got {side}")
    stride = flow.shape[-1] // side
    coarse = functional.avg_pool2d(flow, stride) / stride
    plane = torch.cat([coarse[:2], torch.zeros_like(coarse[:1])])
    return plane[None, :, None].expand(-1, -1, depth, -1, -1).contiguous()


def slices(volumes: Mapping[str, Float[Tensor, "D H W"]], size: float = 1.35) -> Figure:
    """Return volumes of one number per voxel, one below the other, their slices side by side, all on one scale.

    Args:
        volumes: title -> volume; all of one depth.
        size: of a slice, in inches.

    Raises:
        ValueError: there are none, or their depths differ.
    """
    if len({len(v) for v in volumes.values()}) != 1:
        raise ValueError(
            f"volumes: expected one or more of one depth, got {[tuple(v.shape) for v in volumes.values()]}"
        )
    fields = {name: v.detach().float().cpu().numpy() for name, v in volumes.items()}
    limit = max(float(np.abs(v).max()) for v in fields.values()) or 1.0
    signed = any(float(v.min()) < 0 for v in fields.values())
    columns = len(next(iter(fields.values())))
    scale: dict[str, Any] = {"cmap": SIGNED if signed else MAGNITUDE, "vmin": -limit if signed else 0, "vmax": limit}
    with new_figure(len(fields), columns, size * columns + 2.2, size * len(fields) + 0.3) as (figure, axes):
        for line, (name, field) in zip(axes, fields.items(), strict=True):
            for depth, cell in enumerate(line):
                title = f"slice {depth}" + {0: " (near)", columns - 1: " (far)"}.get(depth, "")
                image = show_picture(cell, field[depth], title if line is axes[0] else "", **scale)
            _beside(line[0], name)
        figure.colorbar(image, ax=[cell for line in axes for cell in line], shrink=0.8, pad=0.02)
    return figure


def _beside(cell: Axes, text: str) -> None:
    """Write a row's name to the left of its first picture."""
    cell.text(-0.06, 0.5, text, transform=cell.transAxes, ha="right", va="center", color=INK)


def comparison(renderer: FlowRenderer, pairs: Mapping[str, Pair], size: float = 1.35) -> Figure:
    """Return for each pair a row: source, driving frame, exact flow, estimated flow, their distance, warped picture.

    Args:
        renderer: its warping stage is shown; its recipe is named.
        pairs: a row's name -> pair.
        size: of a picture, in inches.
    """
    recipe, smooth = renderer.config.recipe, {"interpolation": "bicubic"}
    heads = ("source", "driving", "exact flow", f"trained, {recipe}", "end-point error", "w, generated")
    with new_figure(len(pairs), len(heads), size * len(heads) + 2.0, size * len(pairs) + 0.3) as (figure, axes):
        for line, (name, pair) in zip(axes, pairs.items(), strict=True):
            warped = warp_pair(renderer, pair)
            flow = warped.pixel_flow[0]
            error, limit = error_map(flow, pair), float(pair.flow[:2].norm(dim=0)[pair.seen].quantile(0.99))
            colours = [flow_to_rgb(f * (pair.target_alpha > 0.5), limit) for f in (pair.flow, flow)]
            cut = foreground(pair.source, pair.source_alpha)[0]
            pictures = [cut, pair.driving, *colours, error, warped.image[0]]
            for cell, head, picture in zip(line, heads, pictures, strict=True):
                title = head if line is axes[0] else ""
                if picture is error:
                    cell.set_facecolor(HIDDEN)
                    image = cell.imshow(error.numpy(), cmap=MAGNITUDE, vmin=0, vmax=WORST)
                    cell.set(title=title, xticks=[], yticks=[])
                    cell.grid(visible=False)
                    for spine in cell.spines.values():
                        spine.set_visible(False)
                else:
                    show_picture(cell, to_rgb8(picture), title, **smooth)
            note = f"{name}\n{pair.yaw_difference:.0f}° of yaw\n{float(error.nanmean()):.1f} px off,\n"
            note += f"{share_left([flow], [pair]):.0%} of zero's"
            _beside(line[0], note)
        rows = [cell for line in axes for cell in line]
        figure.colorbar(image, ax=rows, shrink=0.6, pad=0.02, extend="max", label="end-point error (px)")
    return figure


@torch.no_grad()
def board(
    renderer: FlowRenderer,
    source: Frame,
    target: Frame,
    source_window: Float[Tensor, "73 27"],
    driving_window: Float[Tensor, "73 27"],
    height: int = 150,
) -> UInt8[np.ndarray, "H W 3"]:
    """Return two rows for a slider: pictures and flows in pixels above, the slices of the volume's flow below.

    All flows are in pixels and share one scale, that of the exact flow; the wheel's title gives the length at its rim.
    """
    mapping, stage = renderer.mapping, renderer.warping
    code = stage.encode(foreground(source.image, source.alpha))
    warped = stage(code, mapping(driving_window[None]), mapping(source_window[None]))
    truth, person = exact_flow(target, source)[0], target.alpha > 0.5
    limit = max(float(truth[:2].norm(dim=0).quantile(0.99)), 1.0)
    stride = target.size // warped.flow.shape[-1]
    above = {
        "source": source.foreground,
        "true answer": target.foreground,
        "w, generated": warped.image[0],
        "exact flow": flow_to_rgb(truth * person, limit),
        f"trained, {renderer.config.recipe}": flow_to_rgb(warped.pixel_flow[0] * person, limit),
    }
    below = {f"slice {d}": flow_to_rgb(warped.flow[0, :, d] * stride, limit) for d in range(warped.flow.shape[2])}
    below[f"rim: {limit:.1f} px"] = flow_wheel(64)
    return np.vstack([row(above, height), row(below, height)])
