"""Exercises of notebook 08 about its kernels: which lanes stray, a warp along one axis, its channels in steps."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt64
from numpy.typing import ArrayLike
from torch import Tensor

from flow3d.teach.exercises.exercise import Exercise
from flow3d_kernels.reference import neighbours, warp3d
from flow3d_kernels.triton_kernels.address_check import Memory, stray_lanes

Volume = Float[Tensor, "1 C 1 1 W"]
Flow = Float[Tensor, "1 3 1 1 W"]
Places = UInt64[np.ndarray, "*lanes"]
Lanes = Bool[np.ndarray, "*lanes"]

ROW: Memory = (4096, 4096 + 37 * 4, "row")
OUT: Memory = (8192, 8192 + 37 * 4, "out")


def _lanes(places: ArrayLike, works: ArrayLike | None = None) -> tuple:
    """A store's lanes of four bytes each, in a kernel that was given two tensors."""
    addresses = np.array(places, np.uint64)
    mask = np.ones(addresses.shape, bool) if works is None else np.array(works, bool)
    return addresses, mask, 4, [ROW, OUT]


def _within(places: Places, size: int, tensors: Sequence[Memory]) -> list[Lanes]:
    """For each tensor the lanes that lie in it."""
    return [(places >= first) & (places + np.uint64(size) <= end) for first, end, _ in tensors]


def _beyond_no_end(places: Places, works: Lanes, size: int, tensors: Sequence[Memory]) -> Lanes:
    return works & ~np.any([places + np.uint64(size) <= end for _, end, _ in tensors], axis=0)


def _one_stretch(places: Places, works: Lanes, size: int, tensors: Sequence[Memory]) -> Lanes:
    whole = (min(first for first, _, _ in tensors), max(end for _, end, _ in tensors), "")
    return stray_lanes(places, works, size, [whole])


def _row(width: int, channels: int = 1) -> Volume:
    return torch.rand(1, channels, 1, 1, width, generator=torch.Generator().manual_seed(width + channels))


def _along_x(width: int, constant: float = 0.0, wild: float = 0.0) -> Flow:
    """A flow whose dx alone is not zero."""
    flow = torch.zeros(1, 3, 1, 1, width)
    flow[:, 0] = constant + wild * torch.randn(1, 1, 1, width, generator=torch.Generator().manual_seed(7))
    return flow


def _weights_swapped(volume: Volume, flow: Flow) -> Volume:
    width = volume.shape[-1]
    (i, weight_i), (j, weight_j) = neighbours(torch.arange(width) + flow[:, 0], width, "border")
    row = volume.flatten()
    return (weight_j * row[i] + weight_i * row[j]).view_as(volume)


def _ends_wrapped(volume: Volume, flow: Flow) -> Volume:
    width = volume.shape[-1]
    position = (torch.arange(width) + flow[:, 0]).flatten()
    below = position.floor()
    row, i = volume.flatten(), below.long()
    part = position - below
    return ((1 - part) * row[i % width] + part * row[(i + 1) % width]).view_as(volume)


def _in_steps(join: Callable[[list[Tensor]], list[Tensor]]) -> Callable[[Volume, Flow], Volume]:
    """A warp of 16 channels a step, whose steps go wrong in the way of ``join``."""

    def warp(volume: Volume, flow: Flow) -> Volume:
        return torch.cat(join(list(warp3d(volume, flow).split(16, dim=1))), dim=1)

    return warp


def _carried_over(steps: list[Tensor]) -> list[Tensor]:
    return [step + sum(before[:, : step.shape[1]] for before in steps[:k]) for k, step in enumerate(steps)]


EXERCISES = [
    Exercise(
        name="stray_lanes",
        reference=stray_lanes,
        cases={
            "a block of 16 inside": lambda: _lanes(4096 + 4 * np.arange(16)),
            "a block of 16 whose last 11 lanes are idle": lambda: _lanes(4224 + 4 * np.arange(16), np.arange(16) < 5),
            "the same, with a mask that lets all through": lambda: _lanes(4224 + 4 * np.arange(16)),
            "lanes in either tensor, between them, before and behind both": lambda: _lanes([4100, 8200, 6000, 0, 9000]),
            "a lane whose last two bytes are outside": lambda: _lanes([4242, 8190]),
            "a tile of 2 by 3 lanes": lambda: _lanes([[4096, 4240, 4244], [8192, 8336, 8340]], [[1, 1, 1], [1, 1, 0]]),
        },
        mistakes={
            "idle lanes are named too": lambda p, works, s, t: stray_lanes(p, np.ones_like(works), s, t),
            "only the first byte of a lane is looked at": lambda p, works, s, t: stray_lanes(p, works, 1, t),
            "the byte behind the end is taken for a tensor's own": lambda p, works, s, t: stray_lanes(p, works, 0, t),
            "a lane must lie in every tensor, not in any": lambda p, works, s, t: works & ~np.all(_within(p, s, t), 0),
            "nobody looks before a tensor's first byte": _beyond_no_end,
            "one stretch from the first tensor to the last, the gap between them too": _one_stretch,
            "the lanes that stay inside": lambda p, works, s, t: works & np.any(_within(p, s, t), axis=0),
        },
        hint="Inside one: places >= first and places + size <= end. Inside any: |= over the tensors. Last, the mask.",
    ),
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
        name="warp_in_steps",
        reference=warp3d,
        cases={
            "32 channels, two steps": lambda: (_row(13, 32), _along_x(13, 0.0, 2.0)),
            "24 channels, the second step half empty": lambda: (_row(13, 24), _along_x(13, 0.5)),
            "5 channels, one step": lambda: (_row(20, 5), _along_x(20, -1.25)),
        },
        mistakes={
            "only the first step is stored": _in_steps(lambda steps: [steps[0], *(0 * step for step in steps[1:])]),
            "every step reads the first channels": _in_steps(lambda s: [s[0][:, : step.shape[1]] for step in s]),
            "the sum is not zeroed between the steps": _in_steps(_carried_over),
            "the steps are stored in reverse": lambda volume, flow: warp3d(volume.flip(1), flow),
            "the flow read forwards": lambda volume, flow: warp3d(volume, -flow),
            "the nearest voxel instead of a blend": lambda volume, flow: warp3d(volume, (flow + 0.5).floor()),
        },
        hint="Rows and weights come before the loop, tl.static_range(0, C, STEP); channels, sum and store in it.",
    ),
]
