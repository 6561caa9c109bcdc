"""Notebook 08's exercises can be solved where they stand, and the brick is the best of all.

Tests: notebook_08_ladder.
"""

from itertools import product
from math import prod

import pytest
import torch

from flow3d.teach.exercises import checks
from flow3d.teach.exercises.notebook_08_ladder import hold_inside
from flow3d.teach.lessons.lesson_08_stand_in import tl, triton
from flow3d_kernels.triton_kernels.tiles import brick_of


@triton.jit
def linear(row, dx, out, width, BLOCK: tl.constexpr):
    x = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    exists = x < width
    at = tl.minimum(tl.maximum(x + tl.load(dx + x, mask=exists, other=0), 0), width - 1)
    i = at.to(tl.int32)
    below = tl.load(row + i, mask=exists, other=0)
    above = tl.load(row + i + 1, mask=exists & (i + 1 < width), other=0)
    tl.store(out + x, below + (at - i) * (above - below), mask=exists)


@triton.jit
def in_steps(rows, dx, out, width, C: tl.constexpr, STEP: tl.constexpr, BLOCK: tl.constexpr):
    x = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    exists = x < width
    at = tl.minimum(tl.maximum(x + tl.load(dx + x, mask=exists, other=0), 0), width - 1)
    i = tl.minimum(at.to(tl.int32), width - 2)
    for first in tl.static_range(0, C, STEP):
        c = first + tl.arange(0, STEP)
        known = exists[:, None] & (c < C)[None, :]
        below = tl.load(rows + i[:, None] * C + c[None, :], mask=known, other=0)
        above = tl.load(rows + (i + 1)[:, None] * C + c[None, :], mask=known, other=0)
        tl.store(out + x[:, None] * C + c[None, :], below + (at - i)[:, None] * (above - below), mask=known)


def test_a_kernel_of_one_axis_is_right():
    def answer(volume, flow):
        out = torch.full_like(volume, torch.nan)
        programs = -(-volume.shape[-1] // 16)
        linear[(programs,)](volume.flatten(), flow[0, 0].flatten(), out, volume.shape[-1], BLOCK=16)
        return out

    assert checks.check("warp_one_axis", answer)


def test_a_kernel_in_steps_is_right():
    def answer(volume, flow):
        rows = volume[0, :, 0, 0].T.contiguous()
        out = torch.full_like(rows, torch.nan)
        programs = -(-len(rows) // 16)
        in_steps[(programs,)](rows, flow[0, 0].flatten(), out, *rows.shape, STEP=16, BLOCK=16)
        return out.T.reshape(volume.shape)

    assert checks.check("warp_in_steps", answer)


def test_a_clamp_and_a_fading_are_right():
    def answer(position, size, padding):
        held = position.clamp(0, size - 1)
        first = held.floor().clamp(max=size - 2)
        fade = None if padding == "border" else (1 - (position - held).abs()).clamp(min=0)
        return first, held - first, fade

    assert checks.check("hold_inside", answer)
    first, share, fade = hold_inside(torch.tensor([-0.5, 5.0]), 6, "zeros")
    assert fade is not None
    assert (first.tolist(), share.tolist(), fade.tolist()) == ([0, 4], [0, 1], [0.5, 1])


@pytest.mark.parametrize("sizes", [(16, 64, 64), (1, 64, 64), (4, 5, 100), (16, 64, 2), (2, 64, 64), (64, 1, 64)])
def test_no_other_brick_reads_fewer_rows(sizes):
    """Of equals the package takes the one that is longest in x, then in y: its voxels follow one another."""
    fit = [[2**k for k in range((size - 1).bit_length() + 1)] for size in sizes]
    for voxels in (2, 8, 32, 64, 256):
        bricks = [brick for brick in product(*fit) if prod(brick) == voxels]
        best = min(bricks, key=lambda brick: (prod(side + 1 for side in brick), -brick[2], -brick[1]))
        assert brick_of(voxels, sizes) == best
