"""The pieces that the warp kernels share, inlined into each: which voxels a program bends, and where they read.

Triton sees tiles: ``p`` names BLOCK_P voxels of one sample (p = (z * H + y) * W + x), ``c`` names BLOCK_C channels.
"""

from typing import no_type_check

import triton
import triton.language as tl


@triton.jit
@no_type_check
def my_brick(
    D: tl.constexpr,
    H: tl.constexpr,
    W: tl.constexpr,
    BRICK_Z: tl.constexpr,
    BRICK_Y: tl.constexpr,
    BRICK_X: tl.constexpr,
):
    """This program's sample, x, y, z of each voxel of its brick, and which of them exist.

    Neighbours in a brick read neighbouring cells, whose rows the cache then brings once. Samples follow one another.
    """
    ACROSS: tl.constexpr = (W + BRICK_X - 1) // BRICK_X
    DOWN: tl.constexpr = (H + BRICK_Y - 1) // BRICK_Y
    DEEP: tl.constexpr = (D + BRICK_Z - 1) // BRICK_Z
    program = tl.program_id(0)
    brick = program % (ACROSS * DOWN * DEEP)
    lane = tl.arange(0, BRICK_Z * BRICK_Y * BRICK_X)
    x = brick % ACROSS * BRICK_X + lane % BRICK_X
    y = brick // ACROSS % DOWN * BRICK_Y + lane // BRICK_X % BRICK_Y
    z = brick // (ACROSS * DOWN) * BRICK_Z + lane // (BRICK_X * BRICK_Y)
    exists = (x < W) & (y < H) & (z < D)
    return (program // (ACROSS * DOWN * DEEP)).to(tl.int64), x, y, z, exists


@triton.jit
@no_type_check
def voxel_number(x, y, z, H: tl.constexpr, W: tl.constexpr, INDEX: tl.constexpr):
    """The voxel's place in its sample: p = (z * H + y) * W + x."""
    return (z.to(INDEX) * H + y) * W + x


@triton.jit
@no_type_check
def element(p, c, C, voxels, CHANNELS_LAST: tl.constexpr):
    """Where the values (p, c) of one sample lie: a tile (BLOCK_P, BLOCK_C) of offsets."""
    # Channels-last, neighbours in c are neighbours in memory: vector loads.
    return (p * C)[:, None] + c[None, :] if CHANNELS_LAST else c[None, :] * voxels + p[:, None]


@triton.jit
@no_type_check
def read_positions(flow, p, x, y, z, exists, stride_axis, stride_voxel, FLOAT: tl.constexpr, INDEX: tl.constexpr):
    """Where each voxel p at (x, y, z) reads, in voxels; and whether it reads at all, which NaN forbids."""
    flow += p * stride_voxel
    axis = tl.cast(stride_axis, INDEX)  # twice as much may exceed 32 bits
    dx = tl.load(flow, mask=exists, other=0).to(FLOAT)
    dy = tl.load(flow + axis, mask=exists, other=0).to(FLOAT)
    dz = tl.load(flow + 2 * axis, mask=exists, other=0).to(FLOAT)
    reads = exists & (dx == dx) & (dy == dy) & (dz == dz)
    return x + dx, y + dy, z + dz, reads


@triton.jit
@no_type_check
def held_on_axis(position, size: tl.constexpr, BORDER: tl.constexpr, FLOAT: tl.constexpr):
    """Hold a position inside one axis: the neighbour below, the share of the one above, and how much is left outside.

    A held position has a whole neighbour below whatever it was before, NaN too: minimum and maximum return the number.
    The one above lies outside only where its share is 0.
    """
    LAST: tl.constexpr = size - 1
    held = tl.minimum(tl.maximum(position, 0.0), LAST)
    below = held.to(tl.int32)  # never negative, so cutting off is the floor
    fade = tl.full(position.shape, 1, FLOAT)
    if not BORDER:
        fade = tl.maximum(1 - tl.abs(position - held), 0)
    return below, held - below.to(FLOAT), fade


@triton.jit
@no_type_check
def share_of(above, UPPER: tl.constexpr):
    """The weight of one of two neighbours, of which the upper has the share ``above``."""
    return above if UPPER else 1 - above


@triton.jit
@no_type_check
def rounded(value, pointer):
    """A sum in the type of what is stored, by way of float32: the interpreter stores float64 as bfloat16 wrongly."""
    if pointer.dtype.element_ty == tl.float64:
        return value.to(tl.float64)
    return value.to(tl.float32).to(pointer.dtype.element_ty)


@triton.jit
@no_type_check
def product(a, b):
    """``a * b``, rounded before a sum over lanes, whose first step would fuse it: in each lane another one of the two
    that are added, so that the lanes' sums would differ in a last bit."""
    return tl.fma(a, b, tl.zeros_like(b))
