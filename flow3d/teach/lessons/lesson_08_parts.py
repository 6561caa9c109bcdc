"""Notebook 08's inlined pieces: small functions that its kernels call, run by Triton or by the stand-in.

The package's kernels have their own in ``flow3d_kernels.triton_kernels.warp_parts``; these do no more than the lesson
needs, and the stand-in can run them.
"""

from typing import no_type_check

try:
    import triton
    import triton.language as tl
except ImportError:  # macOS, Windows
    from flow3d.teach.lessons.lesson_08_stand_in import tl, triton


@triton.jit
@no_type_check
def held_positions(flow, p, exists, D, H, W):
    """x, y, z where voxel p reads: its own place plus the flow, held inside the volume."""
    voxels = D * H * W
    x = p % W + tl.load(flow, mask=exists, other=0)
    y = p // W % H + tl.load(flow + voxels, mask=exists, other=0)
    z = p // W // H + tl.load(flow + 2 * voxels, mask=exists, other=0)
    x = tl.minimum(tl.maximum(x, 0), W - 1)
    y = tl.minimum(tl.maximum(y, 0), H - 1)
    z = tl.minimum(tl.maximum(z, 0), D - 1)
    return x, y, z


@triton.jit
@no_type_check
def my_brick(D: tl.constexpr, H: tl.constexpr, W: tl.constexpr, TZ: tl.constexpr, TY: tl.constexpr, TX: tl.constexpr):
    """This program's sample, x, y, z of each of its TZ x TY x TX voxels, and which of them exist."""
    BX: tl.constexpr = (W + TX - 1) // TX
    BY: tl.constexpr = (H + TY - 1) // TY
    BZ: tl.constexpr = (D + TZ - 1) // TZ
    sample = (tl.program_id(0) // (BX * BY * BZ)).to(tl.int64)
    brick = tl.program_id(0) % (BX * BY * BZ)
    lane = tl.arange(0, TZ * TY * TX)
    x = brick % BX * TX + lane % TX
    y = brick // BX % BY * TY + lane // TX % TY
    z = brick // (BX * BY) * TZ + lane // (TX * TY)
    return sample, x, y, z, (x < W) & (y < H) & (z < D)


@triton.jit
@no_type_check
def lower_neighbour(position, SIZE: tl.constexpr):
    """The lower of two neighbours that both lie inside an axis, and the upper one's share."""
    position = tl.minimum(tl.maximum(position, 0), SIZE - 1)
    below = tl.minimum(position.to(tl.int32), SIZE - 2)
    return below, position - below
