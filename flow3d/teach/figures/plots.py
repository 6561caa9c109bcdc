"""Figures of numbers: curves over frames, maps of coefficients."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from flow3d.teach.figures.style import INK, SIGNED, new_figure

DASHES = ("-", "--", "-.", ":")


def lines(
    series: Mapping[str, Float[Tensor, "N"] | Sequence[float]],
    x: Float[Tensor, "N"] | Sequence[float] | None = None,
    *,
    xlabel: str = "frame",
    ylabel: str = "",
    title: str = "",
    mark: float | None = None,
) -> Figure:
    """Return curves over frames (or over ``x``), each with its own colour and dashes.

    Args:
        series: name -> values, all of one length.
        x: the values' places on the axis; 0, 1, 2, … by default.
        xlabel, ylabel, title: ``ylabel`` should name the unit.
        mark: draw a thin vertical line here, for example at the present frame.

    Raises:
        ValueError: ``series`` is empty, or the lengths differ.
    """
    if not series:
        raise ValueError("series: expected at least one curve, got none")
    curves = {name: _values(values) for name, values in series.items()}
    lengths = {name: len(values) for name, values in curves.items()}
    places = np.arange(next(iter(lengths.values()))) if x is None else _values(x)
    if set(lengths.values()) != {len(places)}:
        raise ValueError(f"series: expected the length of x, {len(places)}, for each, got {lengths}")
    with new_figure(1, 1, 7.0, 2.6) as (figure, axes):
        cell = axes[0][0]
        for index, (name, values) in enumerate(curves.items()):
            cell.plot(places, values, DASHES[index % len(DASHES)], label=name)
        if x is None:
            cell.xaxis.set_major_locator(MaxNLocator(integer=True))
        if mark is not None:
            cell.axvline(mark, color=INK, linewidth=0.8)
        cell.set(xlabel=xlabel, ylabel=ylabel, title=title)
        cell.margins(x=0.01)
        if len(curves) > 1:
            cell.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def coefficient_map(
    window: Float[Tensor, "K N"], groups: Mapping[str, int], *, center: int | None = None, title: str = ""
) -> Figure:
    """Return coefficients over frames as a map, each group scaled by its own largest value, since units differ.

    Args:
        window: one row per coefficient, one column per frame.
        groups: name -> number of rows, in order, such as {"expression": 64, "rotation": 3, …}.
        center: mark this frame, for example the present one of a window.
        title: above the map.

    Raises:
        ValueError: the groups do not add up to the rows of ``window``.
    """
    values = window.detach().float().cpu()
    if sum(groups.values()) != len(values):
        raise ValueError(f"groups: expected the {len(values)} rows of the window in all, got {sum(groups.values())}")
    parts = values.split(list(groups.values()))
    scaled = torch.cat([part / part.abs().max().clamp(min=1e-6) for part in parts])
    # A group of three rows would vanish beside one of 64: small groups get taller rows.
    heights = [max(3, count / 3) / count for count in groups.values()]
    edges = np.concatenate([[0.0], np.cumsum(np.repeat(heights, list(groups.values())))])
    frames = np.arange(values.shape[1] + 1) - 0.5
    with new_figure(1, 1, 7.0, 3.4) as (figure, axes):
        cell = axes[0][0]
        mesh = cell.pcolormesh(frames, edges, scaled.numpy(), cmap=SIGNED, vmin=-1, vmax=1)
        bounds = edges[np.concatenate([[0], np.cumsum(list(groups.values()))])]
        for bound in bounds[1:-1]:
            cell.axhline(bound, color=INK, linewidth=0.8)
        labels = [f"{name} ({count})" for name, count in groups.items()]
        cell.set_yticks((bounds[1:] + bounds[:-1]) / 2, labels)
        cell.invert_yaxis()
        cell.grid(visible=False)
        if center is not None:
            for side in (-0.5, 0.5):
                cell.axvline(center + side, color=INK, linewidth=0.8, linestyle="--")
        cell.set(xlabel="frame", title=title)
        figure.colorbar(mesh, ax=cell, label="share of the group's largest value")
    return figure


def _values(values: Float[Tensor, "N"] | Sequence[float]) -> np.ndarray:
    """Return plain numbers for matplotlib."""
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values, dtype=np.float64)
