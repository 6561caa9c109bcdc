"""The gradients of the warp: a block of voxels hands its gradient back to the eight corners that it read."""

from typing import no_type_check

import triton
import triton.language as tl

from flow3d_kernels.triton_kernels.warp_parts import (
    element,
    my_voxels,
    on_axis,
    product,
    read_positions,
    share_of,
    within,
)


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
    D,
    H,
    W,
    voxels,  # D * H * W
    flow_axis,  # elements from dx to dy
    flow_voxel,  # elements from one voxel's dx to the next one's
    BORDER: tl.constexpr,
    HAS_MASK: tl.constexpr,
    CHANNELS_LAST: tl.constexpr,
    SCATTER: tl.constexpr,
    GRAD_FLOW: tl.constexpr,
    GRAD_MASK: tl.constexpr,
    FLOAT: tl.constexpr,
    INDEX: tl.constexpr,
    BLOCK_P: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    """Several voxels may read the same corner, so the volume's gradient is added to with atomics."""
    sample, p, exists = my_voxels(voxels, INDEX, BLOCK_P)
    volume += sample * C * voxels
    grad += sample * C * voxels
    grad_volume += sample * C * voxels
    flow += sample * 3 * voxels
    grad_flow += sample * 3 * voxels

    x, y, z, reads = read_positions(flow, p, exists, H, W, flow_axis, flow_voxel, FLOAT)  # each (BLOCK_P,)
    x, above_x, slides_x = on_axis(x, W, BORDER, INDEX)
    y, above_y, slides_y = on_axis(y, H, BORDER, INDEX)
    z, above_z, slides_z = on_axis(z, D, BORDER, INDEX)
    dim = tl.full([BLOCK_P], 1, FLOAT)
    if HAS_MASK:
        dim = tl.load(mask + sample * voxels + p, mask=exists, other=0).to(FLOAT)

    along_x = tl.zeros([BLOCK_P], FLOAT)
    along_y = tl.zeros([BLOCK_P], FLOAT)
    along_z = tl.zeros([BLOCK_P], FLOAT)
    bright = tl.zeros([BLOCK_P], FLOAT)
    for first in range(0, C, BLOCK_C):
        c = (first + tl.arange(0, BLOCK_C)).to(INDEX)
        place = element(p, c, C, voxels, CHANNELS_LAST)
        g = tl.load(grad + place, mask=reads[:, None] & (c < C)[None, :], other=0).to(FLOAT)
        for k in tl.static_range(2):
            for j in tl.static_range(2):
                for i in tl.static_range(2):
                    weight_z, weight_y, weight_x = share_of(above_z, k), share_of(above_y, j), share_of(above_x, i)
                    seen = reads & within(z + k, D) & within(y + j, H) & within(x + i, W)
                    seen = seen[:, None] & (c < C)[None, :]
                    row = ((z + k) * H + (y + j)) * W + (x + i)
                    place = element(row, c, C, voxels, CHANNELS_LAST)
                    if SCATTER:
                        share = (dim * weight_z * weight_y * weight_x)[:, None] * g
                        tl.atomic_add(grad_volume + place, share, mask=seen, sem="relaxed")
                    if GRAD_FLOW or GRAD_MASK:
                        value = tl.load(volume + place, mask=seen, other=0).to(FLOAT)
                        dot = tl.sum(product(value, g), axis=1)  # (BLOCK_P,): over channels
                        along_x += (2 * i - 1) * weight_z * weight_y * dot
                        along_y += (2 * j - 1) * weight_z * weight_x * dot
                        along_z += (2 * k - 1) * weight_y * weight_x * dot
                        bright += weight_z * weight_y * weight_x * dot

    if GRAD_FLOW:
        grad_flow += p * flow_voxel
        tl.store(grad_flow, tl.where(slides_x, dim * along_x, 0), mask=exists)
        tl.store(grad_flow + flow_axis, tl.where(slides_y, dim * along_y, 0), mask=exists)
        tl.store(grad_flow + 2 * flow_axis, tl.where(slides_z, dim * along_z, 0), mask=exists)
    if GRAD_MASK:
        tl.store(grad_mask + sample * voxels + p, bright.to(grad_mask.dtype.element_ty), mask=exists)
