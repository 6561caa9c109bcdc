"""out[p] = mask[p] * volume[p + flow(p)]: one program bends a brick of voxels, all channels."""

from typing import no_type_check

import triton
import triton.language as tl

from .warp_parts import element, held_on_axis, my_brick, read_positions, rounded, share_of, voxel_number


@triton.jit
@no_type_check
def way_up(above, distance: tl.constexpr, FLOAT: tl.constexpr, INDEX: tl.constexpr):
    """The share of the neighbour above, and how far it is away.

    Without a share it is not read, whatever it holds: the one below stands in for it, with a share that is lost in
    rounding. A share of 0 would make an infinity that is read no number.
    """
    LOST: tl.constexpr = 2.0**-40 if tl.float32 == FLOAT else 2.0**-300
    step = (above > 0).to(INDEX) * distance
    return tl.where(above > 0, above, LOST), step


@triton.jit
@no_type_check
def warp3d_forward(
    volume,  # (B, C, D, H, W), contiguous or channels-last
    flow,  # (B, 3, D, H, W), likewise
    mask,  # (B, 1, D, H, W), read where HAS_MASK
    out,  # laid out as volume
    C: tl.constexpr,  # so that the compiler knows how many channels one vector holds
    D: tl.constexpr,  # so that it knows the distances between the eight rows of a cell
    H: tl.constexpr,
    W: tl.constexpr,
    flow_axis: tl.constexpr,  # elements from dx to dy
    flow_voxel: tl.constexpr,  # elements from one voxel's dx to the next one's
    BORDER: tl.constexpr,
    HAS_MASK: tl.constexpr,
    CHANNELS_LAST: tl.constexpr,
    FLOAT: tl.constexpr,  # of every sum and position
    INDEX: tl.constexpr,  # of offsets within one sample
    BRICK_Z: tl.constexpr,
    BRICK_Y: tl.constexpr,
    BRICK_X: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    """No grid of positions is ever in memory: the flow is added to the voxel's own place in registers."""
    VOXELS: tl.constexpr = D * H * W
    ROW: tl.constexpr = C if CHANNELS_LAST else 1  # elements from one voxel to the next
    sample, x, y, z, exists = my_brick(D, H, W, BRICK_Z, BRICK_Y, BRICK_X)
    p = voxel_number(x, y, z, H, W, INDEX)
    volume += sample * C * VOXELS
    out += sample * C * VOXELS
    flow += sample * 3 * VOXELS

    x, y, z, reads = read_positions(flow, p, x, y, z, exists, flow_axis, flow_voxel, FLOAT, INDEX)  # each (BLOCK_P,)
    x, above_x, fade_x = held_on_axis(x, W, BORDER, FLOAT)
    y, above_y, fade_y = held_on_axis(y, H, BORDER, FLOAT)
    z, above_z, fade_z = held_on_axis(z, D, BORDER, FLOAT)
    dim = fade_x * fade_y * fade_z
    reads = reads & (dim > 0)
    if HAS_MASK:
        dim *= tl.load(mask + sample * VOXELS + p, mask=exists, other=0).to(FLOAT)
    row = voxel_number(x, y, z, H, W, INDEX)
    above_x, step_x = way_up(above_x, ROW, FLOAT, INDEX)
    above_y, step_y = way_up(above_y, ROW * W, FLOAT, INDEX)
    above_z, step_z = way_up(above_z, ROW * W * H, FLOAT, INDEX)

    STEPS: tl.constexpr = min((C + BLOCK_C - 1) // BLOCK_C, 4)  # written out one after the other
    for first in range(0, C, STEPS * BLOCK_C):
        for step in tl.static_range(STEPS):
            c = (first + step * BLOCK_C + tl.arange(0, BLOCK_C)).to(INDEX)
            corner = volume + element(row, c, C, VOXELS, CHANNELS_LAST)
            total = tl.zeros([BRICK_Z * BRICK_Y * BRICK_X, BLOCK_C], FLOAT)
            for k in tl.static_range(2):
                weight_z = dim * share_of(above_z, k)
                for j in tl.static_range(2):
                    weight_zy = weight_z * share_of(above_y, j)
                    for i in tl.static_range(2):  # the eight corners of the cell
                        weight = weight_zy * share_of(above_x, i)
                        place = corner + (k * step_z + j * step_y + i * step_x)[:, None]
                        value = tl.load(place, mask=(c < C)[None, :], other=0).to(FLOAT)
                        total = tl.fma(weight[:, None], value, total)
            total = tl.where(reads[:, None], total, 0)  # beyond the fading, whatever the rows hold
            place = element(p, c, C, VOXELS, CHANNELS_LAST)
            tl.store(out + place, rounded(total, out), mask=exists[:, None] & (c < C)[None, :])
