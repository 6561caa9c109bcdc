"""out[p] = mask[p] * volume[p + flow(p)]: one program bends a block of voxels, all channels."""

from typing import no_type_check

import triton
import triton.language as tl

from flow3d_kernels.triton_kernels.warp_parts import element, my_voxels, on_axis, read_positions, share_of, within


@triton.jit
@no_type_check
def warp3d_forward(
    volume,  # (B, C, D, H, W), contiguous or channels-last
    flow,  # (B, 3, D, H, W), likewise
    mask,  # (B, 1, D, H, W), read where HAS_MASK
    out,  # laid out as volume
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
    FLOAT: tl.constexpr,  # of every sum and position
    INDEX: tl.constexpr,  # of offsets within one sample
    BLOCK_P: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    """No grid of positions is ever in memory: the flow is added to the voxel's own index in registers."""
    sample, p, exists = my_voxels(voxels, INDEX, BLOCK_P)
    volume += sample * C * voxels
    out += sample * C * voxels
    flow += sample * 3 * voxels

    x, y, z, reads = read_positions(flow, p, exists, H, W, flow_axis, flow_voxel, FLOAT)  # each (BLOCK_P,)
    x, above_x, _ = on_axis(x, W, BORDER, INDEX)
    y, above_y, _ = on_axis(y, H, BORDER, INDEX)
    z, above_z, _ = on_axis(z, D, BORDER, INDEX)
    if HAS_MASK:
        dim = tl.load(mask + sample * voxels + p, mask=exists, other=0).to(FLOAT)

    for first in range(0, C, BLOCK_C):
        c = (first + tl.arange(0, BLOCK_C)).to(INDEX)
        total = tl.zeros([BLOCK_P, BLOCK_C], FLOAT)
        for k in tl.static_range(2):
            for j in tl.static_range(2):
                for i in tl.static_range(2):  # the eight corners of the cell
                    weight = share_of(above_z, k) * share_of(above_y, j) * share_of(above_x, i)
                    seen = reads & within(z + k, D) & within(y + j, H) & within(x + i, W)
                    row = ((z + k) * H + (y + j)) * W + (x + i)
                    place = element(row, c, C, voxels, CHANNELS_LAST)
                    value = tl.load(volume + place, mask=seen[:, None] & (c < C)[None, :], other=0)
                    total += weight[:, None] * value.to(FLOAT)
        if HAS_MASK:
            total = tl.where(reads[:, None], total * dim[:, None], 0)
        place = element(p, c, C, voxels, CHANNELS_LAST)
        tl.store(out + place, total.to(out.dtype.element_ty), mask=exists[:, None] & (c < C)[None, :])
