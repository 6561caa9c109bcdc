"""Exercises of notebook 08: a warp along one axis, and a mask that is wrong."""

import torch
from jaxtyping import Float
from torch import Tensor

from flow3d.teach.exercises.exercise import Exercise
from flow3d_kernels.reference import neighbours, warp3d

Row = Float[Tensor, "1 1 1 1 W"]
Flow = Float[Tensor, "1 3 1 1 W"]
Pairs = list[tuple[Tensor, Tensor]]


def _row(width: int) -> Row:
    return torch.rand(1, 1, 1, 1, width, generator=torch.Generator().manual_seed(width))


def _along_x(width: int, constant: float = 0.0, wild: float = 0.0) -> Flow:
    """A flow whose dx alone is not zero."""
    flow = torch.zeros(1, 3, 1, 1, width)
    flow[:, 0] = constant + wild * torch.randn(1, 1, 1, width, generator=torch.Generator().manual_seed(7))
    return flow


def _weights_swapped(volume: Row, flow: Flow) -> Row:
    width = volume.shape[-1]
    (i, weight_i), (j, weight_j) = neighbours(torch.arange(width) + flow[:, 0], width, "border")
    row = volume.flatten()
    return (weight_j * row[i] + weight_i * row[j]).view_as(volume)


def _ends_wrapped(volume: Row, flow: Flow) -> Row:
    width = volume.shape[-1]
    position = (torch.arange(width) + flow[:, 0]).flatten()
    below = position.floor()
    row, i = volume.flatten(), below.long()
    part = position - below
    return ((1 - part) * row[i % width] + part * row[(i + 1) % width]).view_as(volume)


def _positions(*values: float) -> Float[Tensor, "1 1 1 P"]:
    return torch.tensor(values).view(1, 1, 1, -1)


def _with_mask(position: Tensor, size: int, padding: str, bounds: str) -> Pairs:
    """The two neighbours under a mask that is wrong in the way that ``bounds`` names."""
    low, high = (0, size - 1) if padding == "border" else (-2, size + 1)
    position = position.clamp(low, high)
    below = position.floor()
    above_weight = position - below
    pairs = []
    for index, weight in ((below, 1 - above_weight), (below + 1, above_weight)):
        inside = {
            "both": (below >= 0) & (below + 1 < size),
            "last": (index >= 0) & (index < size - 1),
            "first": (index > 0) & (index < size),
            "wide": (index >= 0) & (index <= size),
            "none": torch.ones_like(index),
        }[bounds]
        pairs.append((index.clamp(0, size - 1).long(), weight * inside))
    return pairs


EXERCISES = [
    Exercise(
        name="warp_one_axis",
        reference=warp3d,
        cases={
            "zero flow": lambda: (_row(37), _along_x(37)),
            "one voxel from the right": lambda: (_row(37), _along_x(37, 1.0)),
            "a quarter of a voxel from the left": lambda: (_row(37), _along_x(37, -0.25)),
            "a wild flow": lambda: (_row(37), _along_x(37, 0.0, 3.0)),
            "a row shorter than a block": lambda: (_row(5), _along_x(5, 0.5, 1.0)),
        },
        mistakes={
            "the nearest voxel instead of a blend": lambda volume, flow: warp3d(volume, (flow + 0.5).floor()),
            "the flow read forwards": lambda volume, flow: warp3d(volume, -flow),
            "the weights of the two neighbours swapped": _weights_swapped,
            "zeros beyond the edge": lambda volume, flow: warp3d(volume, flow, None, "zeros"),
            "the row's ends joined": _ends_wrapped,
        },
        hint="Clamp the position to 0 … W - 1, floor it, load the voxel there and the next one (mask: is it inside?).",
    ),
    Exercise(
        name="find_the_wrong_mask",
        reference=neighbours,
        cases={
            "well inside": lambda: (_positions(1.25, 3.5), 6, "zeros"),
            "on the first and the last voxel": lambda: (_positions(0.0, 5.0), 6, "zeros"),
            "half outside": lambda: (_positions(-0.25, 5.5), 6, "zeros"),
            "far outside": lambda: (_positions(-9.0, 40.0), 6, "zeros"),
            "held at the edge": lambda: (_positions(-9.0, 0.5, 5.0, 40.0), 6, "border"),
            "an axis of one voxel": lambda: (_positions(-0.5, 0.0, 0.5), 1, "zeros"),
        },
        mistakes={
            "one mask for both neighbours": lambda *arguments: _with_mask(*arguments, "both"),
            "the last voxel left out": lambda *arguments: _with_mask(*arguments, "last"),
            "the first voxel left out": lambda *arguments: _with_mask(*arguments, "first"),
            "one voxel too many": lambda *arguments: _with_mask(*arguments, "wide"),
            "no mask at all": lambda *arguments: _with_mask(*arguments, "none"),
        },
        hint="Follow the position size - 1: which neighbour has all the weight, and what does its mask say?",
    ),
]
