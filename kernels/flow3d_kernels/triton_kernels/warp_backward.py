"""The gradients of the warp: a brick of voxels hands its gradient back to the eight corners that it read."""

from typing import no_type_check

import triton
import triton.language as tl

from .warp_parts import element, held_on_axis, my_brick, read_positions, rounded, share_of, voxel_number


@triton.jit
@no_type_check
def slope_on_axis(position, size: tl.constexpr, BORDER: tl.constexpr):
    """Where the position slides between two voxels; how fast it fades outside; and where it is seen at all.

    At whole positions the cell of higher index counts.
    """
    LAST: tl.constexpr = size - 1
    if BORDER:
        slides = (position > 0) & (position < LAST)
        return slides, tl.zeros_like(position), position == position
    slides = (position >= 0) & (position < LAST)
    fading = tl.where(position < 0, 1.0, tl.where(position < LAST, 0.0, -1.0)).to(position.dtype)
    return slides, fading, (position >= -1) & (position < size)


@triton.jit
@no_type_check
def cell_sums(g, corner, step_x, step_y, step_z, above_x, above_y, above_z, exists, sums, FLOAT: tl.constexpr):
    """Add, channel by channel, g times the cell's slopes along x, y, z and its value: nested straight lines.

    The eight voxels become four, two and one; what is lost on the way are the slopes.
    """
    along_x, along_y, along_z, bright = sums
    x, y, z = above_x[:, None], above_y[:, None], above_z[:, None]
    dx, dy, dz = step_x[:, None], step_y[:, None], step_z[:, None]
    near = tl.load(corner, mask=exists, other=0).to(FLOAT)
    slope_0 = tl.load(corner + dx, mask=exists, other=0).to(FLOAT) - near
    near = tl.fma(x, slope_0, near)
    far = tl.load(corner + dy, mask=exists, other=0).to(FLOAT)
    slope_1 = tl.load(corner + (dy + dx), mask=exists, other=0).to(FLOAT) - far
    down_0 = tl.fma(x, slope_1, far) - near
    front = tl.fma(y, down_0, near)
    slope_0 = tl.fma(y, slope_1 - slope_0, slope_0)  # along x, in the plane of lower z
    corner += dz
    near = tl.load(corner, mask=exists, other=0).to(FLOAT)
    slope_2 = tl.load(corner + dx, mask=exists, other=0).to(FLOAT) - near
    near = tl.fma(x, slope_2, near)
    far = tl.load(corner + dy, mask=exists, other=0).to(FLOAT)
    slope_3 = tl.load(corner + (dy + dx), mask=exists, other=0).to(FLOAT) - far
    down_1 = tl.fma(x, slope_3, far) - near
    depth = tl.fma(y, down_1, near) - front
    slope_2 = tl.fma(y, slope_3 - slope_2, slope_2)
    along_x = tl.fma(g, tl.fma(z, slope_2 - slope_0, slope_0), along_x)
    along_y = tl.fma(g, tl.fma(z, down_1 - down_0, down_0), along_y)
    along_z = tl.fma(g, depth, along_z)
    return along_x, along_y, along_z, tl.fma(g, tl.fma(z, depth, front), bright)


@triton.jit
@no_type_check
def warp3d_backward(
    volume,  # (B, C, D, H, W), contiguous or channels-last
    flow,  # (B, 3, D, H, W), likewise
    mask,  # (B, 1, D, H, W), read where HAS_MASK
    grad,  # of the result; laid out as volume
    grad_volume,  # zeros, laid out as volume, in FLOAT; added to where SCATTER
    grad_flow,  # laid out as flow; written where GRAD_FLOW
    grad_mask,  # as mask; written where GRAD_MASK
    C: tl.constexpr,  # so that the compiler knows how many channels one vector holds
    D: tl.constexpr,  # so that it knows the distances between the eight rows of a cell
    H: tl.constexpr,
    W: tl.constexpr,
    flow_axis: tl.constexpr,  # elements from dx to dy
    flow_voxel: tl.constexpr,  # elements from one voxel's dx to the next one's
    BORDER: tl.constexpr,
    HAS_MASK: tl.constexpr,
    CHANNELS_LAST: tl.constexpr,
    SCATTER: tl.constexpr,
    GRAD_FLOW: tl.constexpr,
    GRAD_MASK: tl.constexpr,
    FLOAT: tl.constexpr,
    INDEX: tl.constexpr,
    BRICK_Z: tl.constexpr,
    BRICK_Y: tl.constexpr,
    BRICK_X: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    """Several voxels may read the same corner, so the volume's gradient is added to with atomics."""
    VOXELS: tl.constexpr = D * H * W
    ROW: tl.constexpr = C if CHANNELS_LAST else 1  # elements from one voxel to the next
    sample, x, y, z, exists = my_brick(D, H, W, BRICK_Z, BRICK_Y, BRICK_X)
    p = voxel_number(x, y, z, H, W, INDEX)
    volume += sample * C * VOXELS
    grad += sample * C * VOXELS
    grad_volume += sample * C * VOXELS
    flow += sample * 3 * VOXELS
    grad_flow += sample * 3 * VOXELS

    x, y, z, reads = read_positions(flow, p, x, y, z, exists, flow_axis, flow_voxel, FLOAT, INDEX)  # each (BLOCK_P,)
    slides_x, fading_x, seen_x = slope_on_axis(x, W, BORDER)
    slides_y, fading_y, seen_y = slope_on_axis(y, H, BORDER)
    slides_z, fading_z, seen_z = slope_on_axis(z, D, BORDER)
    reads = reads & seen_x & seen_y & seen_z
    x, above_x, fade_x = held_on_axis(x, W, BORDER, FLOAT)
    y, above_y, fade_y = held_on_axis(y, H, BORDER, FLOAT)
    z, above_z, fade_z = held_on_axis(z, D, BORDER, FLOAT)
    dim = tl.where(reads, tl.full([BRICK_Z * BRICK_Y * BRICK_X], 1, FLOAT), 0)
    if HAS_MASK:
        dim = tl.load(mask + sample * VOXELS + p, mask=reads, other=0).to(FLOAT)
    row = voxel_number(x, y, z, H, W, INDEX)
    # Where a position does not slide, the neighbour above has no share: the one below stands in for it.
    step_x = slides_x.to(INDEX) * ROW
    step_y = slides_y.to(INDEX) * (ROW * W)
    step_z = slides_z.to(INDEX) * (ROW * W * H)

    along_x = tl.zeros([BRICK_Z * BRICK_Y * BRICK_X, BLOCK_C], FLOAT)
    along_y = tl.zeros([BRICK_Z * BRICK_Y * BRICK_X, BLOCK_C], FLOAT)
    along_z = tl.zeros([BRICK_Z * BRICK_Y * BRICK_X, BLOCK_C], FLOAT)
    bright = tl.zeros([BRICK_Z * BRICK_Y * BRICK_X, BLOCK_C], FLOAT)
    STEPS: tl.constexpr = min((C + BLOCK_C - 1) // BLOCK_C, 4)  # written out one after the other
    for first in range(0, C, STEPS * BLOCK_C):
        for step in tl.static_range(STEPS):
            c = (first + step * BLOCK_C + tl.arange(0, BLOCK_C)).to(INDEX)
            place = element(p, c, C, VOXELS, CHANNELS_LAST)
            g = tl.load(grad + place, mask=reads[:, None] & (c < C)[None, :], other=0).to(FLOAT)
            corner = element(row, c, C, VOXELS, CHANNELS_LAST)
            if SCATTER:  # what reads nothing owes 0 to some row inside: asking would cost more than paying
                for k in tl.static_range(2):
                    weight_z = dim * fade_x * fade_y * fade_z * share_of(above_z, k)
                    for j in tl.static_range(2):
                        weight_zy = weight_z * share_of(above_y, j)
                        for i in tl.static_range(2):
                            share = (weight_zy * share_of(above_x, i))[:, None] * g
                            place = grad_volume + corner + (k * step_z + j * step_y + i * step_x)[:, None]
                            tl.atomic_add(place, share, mask=(c < C)[None, :], sem="relaxed")
            if GRAD_FLOW or GRAD_MASK:
                along_x, along_y, along_z, bright = cell_sums(
                    g, volume + corner, step_x, step_y, step_z, above_x, above_y, above_z, (c < C)[None, :],
                    (along_x, along_y, along_z, bright), FLOAT,
                )  # fmt: skip

    bright = tl.sum(bright, axis=1)  # (BLOCK_P,): over channels
    if GRAD_FLOW:
        grad_flow += p * flow_voxel
        axis = tl.cast(flow_axis, INDEX)
        along = tl.where(slides_x, fade_x * tl.sum(along_x, axis=1), fading_x * bright) * fade_y * fade_z
        tl.store(grad_flow, tl.where(reads, dim * along, 0), mask=exists)
        along = tl.where(slides_y, fade_y * tl.sum(along_y, axis=1), fading_y * bright) * fade_x * fade_z
        tl.store(grad_flow + axis, tl.where(reads, dim * along, 0), mask=exists)
        along = tl.where(slides_z, fade_z * tl.sum(along_z, axis=1), fading_z * bright) * fade_x * fade_y
        tl.store(grad_flow + 2 * axis, tl.where(reads, dim * along, 0), mask=exists)
    if GRAD_MASK:
        bright = tl.where(reads, fade_x * fade_y * fade_z * bright, 0)
        tl.store(grad_mask + sample * VOXELS + p, rounded(bright, grad_mask), mask=exists)
