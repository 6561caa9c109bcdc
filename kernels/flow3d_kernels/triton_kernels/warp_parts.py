"""The pieces that the warp kernels share, inlined into each: where a program works, and where a voxel reads.

Triton sees tiles: ``p`` names BLOCK_P voxels of one sample (p = (z * H + y) * W + x), ``c`` names BLOCK_C channels.
"""

from typing import no_type_check

import triton
import triton.language as tl


@triton.jit
@no_type_check
def my_voxels(voxels, INDEX: tl.constexpr, BLOCK_P: tl.constexpr):
    """This program's sample, its voxels p, and which of them exist; samples follow one another, for the L2 cache."""
    blocks = tl.cdiv(voxels, BLOCK_P)
    sample = tl.program_id(0) // blocks
    p = (tl.program_id(0) % blocks).to(INDEX) * BLOCK_P + tl.arange(0, BLOCK_P)
    return sample.to(tl.int64), p, p < voxels


@triton.jit
@no_type_check
def element(p, c, C, voxels, CHANNELS_LAST: tl.constexpr):
    """Where the values (p, c) of one sample lie: a tile (BLOCK_P, BLOCK_C) of offsets."""
    # Channels-last, neighbours in c are neighbours in memory: vector loads.
    return p[:, None] * C + c[None, :] if CHANNELS_LAST else c[None, :] * voxels + p[:, None]


@triton.jit
@no_type_check
def read_positions(flow, p, exists, H, W, stride_axis, stride_voxel, FLOAT: tl.constexpr):
    """Where each voxel p reads: x, y, z in voxels; and whether it reads at all, which NaN forbids."""
    flow += p * stride_voxel
    dx = tl.load(flow, mask=exists, other=0).to(FLOAT)
    dy = tl.load(flow + stride_axis, mask=exists, other=0).to(FLOAT)
    dz = tl.load(flow + 2 * stride_axis, mask=exists, other=0).to(FLOAT)
    reads = exists & (dx == dx) & (dy == dy) & (dz == dz)
    x = tl.where(reads, p % W + dx, 0)
    y = tl.where(reads, p // W % H + dy, 0)
    z = tl.where(reads, p // W // H + dz, 0)
    return x, y, z, reads


@triton.jit
@no_type_check
def on_axis(position, size, BORDER: tl.constexpr, INDEX: tl.constexpr):
    """Find on one axis the neighbour below, the share of the one above, and whether the position has a gradient.

    Clamping happens in floating point: an infinite position has no whole number.
    """
    slides = position == position
    if BORDER:
        slides = (position > 0) & (position < size - 1)
        position = tl.minimum(tl.maximum(position, 0), size - 1)
    else:
        position = tl.minimum(tl.maximum(position, -2), size + 1)  # one voxel beyond the last that could be seen
    below = tl.floor(position)
    return below.to(INDEX), position - below, slides


@triton.jit
@no_type_check
def share_of(above, UPPER: tl.constexpr):
    """The weight of one of two neighbours, of which the upper has the share ``above``."""
    return above if UPPER else 1 - above


@triton.jit
@no_type_check
def product(a, b):
    """``a * b``, rounded before a sum over lanes, whose first step would fuse it: in each lane another one of the two
    that are added, so that the lanes' sums would differ in a last bit."""
    return tl.fma(a, b, tl.zeros_like(b))


@triton.jit
@no_type_check
def within(index, size):
    """Whether a neighbour lies inside the volume; in border mode only a neighbour of weight 0 does not."""
    return (index >= 0) & (index < size)
