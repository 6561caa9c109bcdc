"""The volume's gradient without atomics, for those who need it to repeat to the bit.

Voxels are sorted by the cell that they read in (warp3d_cells, then a stable sort). A voxel of the volume is a corner of
eight cells, so a program can fetch what the readers of those cells owe it, always in the same order (warp3d_gather).
"""

from typing import no_type_check

import triton
import triton.language as tl

from .warp_parts import element, read_positions, rounded, share_of


@triton.jit
@no_type_check
def my_voxels(voxels, INDEX: tl.constexpr, BLOCK_P: tl.constexpr):
    """This program's sample, its voxels p, and which of them exist."""
    blocks = (voxels - 1) // BLOCK_P + 1
    p = (tl.program_id(0) % blocks).to(INDEX) * BLOCK_P + tl.arange(0, BLOCK_P)
    return (tl.program_id(0) // blocks).to(tl.int64), p, p < voxels


@triton.jit
@no_type_check
def on_axis(position, size, BORDER: tl.constexpr, INDEX: tl.constexpr):
    """Find on one axis the neighbour below and the share of the one above; either may lie outside.

    Clamping happens in floating point: an infinite position has no whole number.
    """
    if BORDER:
        position = tl.minimum(tl.maximum(position, 0), size - 1)
    else:
        position = tl.minimum(tl.maximum(position, -2), size + 1)  # one voxel beyond the last that could be seen
    below = tl.floor(position)
    return below.to(INDEX), position - below


@triton.jit
@no_type_check
def cells_read(
    flow, p, exists, D, H, W, flow_axis, flow_voxel, BORDER: tl.constexpr, FLOAT: tl.constexpr, INDEX: tl.constexpr
):
    """The cell that each voxel p reads in, its shares of the upper neighbours, and whether p reads at all."""
    x, y, z, reads = read_positions(
        flow, p, p % W, p // W % H, p // W // H, exists, flow_axis, flow_voxel, FLOAT, INDEX
    )  # fmt: skip
    x, above_x = on_axis(tl.where(reads, x, 0), W, BORDER, INDEX)
    y, above_y = on_axis(tl.where(reads, y, 0), H, BORDER, INDEX)
    z, above_z = on_axis(tl.where(reads, z, 0), D, BORDER, INDEX)
    return x, y, z, above_x, above_y, above_z, reads


@triton.jit
@no_type_check
def cell_number(x, y, z, H, W):
    """Cells from -1 to size - 1 on each axis, numbered from 0."""
    return ((z + 1) * (H + 1) + (y + 1)) * (W + 1) + (x + 1)


@triton.jit
@no_type_check
def warp3d_cells(
    flow,  # (B, 3, D, H, W)
    cells,  # (B, voxels): the cell that each voxel reads in; ``cell_count`` where it reads nothing
    D: tl.constexpr,
    H: tl.constexpr,
    W: tl.constexpr,
    voxels,
    cell_count,  # (D + 1) * (H + 1) * (W + 1)
    flow_axis: tl.constexpr,
    flow_voxel: tl.constexpr,
    BORDER: tl.constexpr,
    FLOAT: tl.constexpr,
    INDEX: tl.constexpr,
    BLOCK_P: tl.constexpr,
):
    """Number the cell of every voxel."""
    sample, p, exists = my_voxels(voxels, INDEX, BLOCK_P)
    flow += sample * 3 * voxels
    x, y, z, _, _, _, reads = cells_read(flow, p, exists, D, H, W, flow_axis, flow_voxel, BORDER, FLOAT, INDEX)
    reads = reads & (x >= -1) & (x < W) & (y >= -1) & (y < H) & (z >= -1) & (z < D)
    cell = tl.where(reads, cell_number(x, y, z, H, W), cell_count)
    tl.store(cells + sample * voxels + p, cell, mask=exists)


@triton.jit
@no_type_check
def warp3d_gather(
    flow,  # (B, 3, D, H, W)
    mask,  # (B, 1, D, H, W), read where HAS_MASK
    grad,  # of the result: (B, C, D, H, W), contiguous or channels-last
    readers,  # (B, voxels): voxels sorted by cell
    starts,  # (B, cell_count + 1): where each cell's readers begin
    grad_volume,  # laid out as grad
    C: tl.constexpr,  # so that the compiler knows how many channels one vector holds
    D: tl.constexpr,
    H: tl.constexpr,
    W: tl.constexpr,
    voxels,
    cell_count,
    flow_axis: tl.constexpr,
    flow_voxel: tl.constexpr,
    BORDER: tl.constexpr,
    HAS_MASK: tl.constexpr,
    CHANNELS_LAST: tl.constexpr,
    FLOAT: tl.constexpr,
    INDEX: tl.constexpr,
    BLOCK_P: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    """One program owns a block of the volume's voxels q: whoever reads them is fetched, nobody is raced."""
    sample, q, exists = my_voxels(voxels, INDEX, BLOCK_P)
    grad += sample * C * voxels
    grad_volume += sample * C * voxels
    flow += sample * 3 * voxels
    readers += sample * voxels
    starts += sample * (cell_count + 1)

    for first in range(0, C, BLOCK_C):
        c = (first + tl.arange(0, BLOCK_C)).to(INDEX)
        total = tl.zeros([BLOCK_P, BLOCK_C], FLOAT)
        for k in tl.static_range(2):
            for j in tl.static_range(2):
                for i in tl.static_range(2):
                    # q is corner (k, j, i) of the cell that begins at q - (k, j, i)
                    cell = cell_number(q % W - i, q // W % H - j, q // W // H - k, H, W)
                    start = tl.load(starts + cell, mask=exists, other=0)
                    count = tl.load(starts + cell + 1, mask=exists, other=0) - start  # (BLOCK_P,)
                    for n in range(0, tl.max(count, axis=0)):
                        p = tl.load(readers + start + n, mask=n < count, other=0).to(INDEX)
                        _, _, _, above_x, above_y, above_z, reads = cells_read(
                            flow, p, n < count, D, H, W, flow_axis, flow_voxel, BORDER, FLOAT, INDEX
                        )
                        weight = share_of(above_z, k) * share_of(above_y, j) * share_of(above_x, i)
                        if HAS_MASK:
                            weight *= tl.load(mask + sample * voxels + p, mask=reads, other=0).to(FLOAT)
                        place = element(p, c, C, voxels, CHANNELS_LAST)
                        g = tl.load(grad + place, mask=reads[:, None] & (c < C)[None, :], other=0)
                        total += weight[:, None] * g.to(FLOAT)
        place = element(q, c, C, voxels, CHANNELS_LAST)
        owned = exists[:, None] & (c < C)[None, :]
        tl.store(grad_volume + place, rounded(total, grad_volume), mask=owned)
