"""out = act(IN(x) * (1 + gamma) + beta + residual): in one kernel where rows fill the card, else in two.

A row is the voxels of one channel of one sample. Where rows are few they are cut into parts: adain3d_moments measures
the parts, and adain3d_forward joins the measurements instead of taking its own.
"""

from typing import no_type_check

import triton
import triton.language as tl

from flow3d_kernels.triton_kernels.adain_parts import joined_moments, moments, my_channels, my_part, style_at
from flow3d_kernels.triton_kernels.warp_parts import element


@triton.jit
@no_type_check
def adain3d_moments(
    x,  # (B, C, D, H, W), contiguous or channels-last
    centres,  # (B, parts, C): the mean of each part
    spreads,  # (B, parts, C): its summed squared deviation
    C: tl.constexpr,
    voxels,  # D * H * W
    parts,
    chunk,  # voxels of a part; the last one may be shorter
    CHANNELS_LAST: tl.constexpr,
    FLOAT: tl.constexpr,
    INDEX: tl.constexpr,
    BLOCK_P: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    """One program measures one part of BLOCK_C rows."""
    part = tl.program_id(0) % parts
    sample, c = my_channels(tl.program_id(0) // parts, C, INDEX, BLOCK_C)
    first, end = my_part(part, voxels, chunk, parts, INDEX)
    x += sample * C * voxels
    centre, spread = moments(x, c, first, end, C, voxels, CHANNELS_LAST, FLOAT, BLOCK_P, BLOCK_C)
    place = (sample * parts + part) * C + c
    tl.store(centres + place, centre, mask=c < C)
    tl.store(spreads + place, spread, mask=c < C)


@triton.jit
@no_type_check
def adain3d_forward(
    x,  # (B, C, D, H, W), contiguous or channels-last
    gamma,  # (B, C), (B, C, D) or (B, C, D, H, W), the last laid out as x
    beta,  # likewise
    residual,  # laid out as x, read where HAS_RESIDUAL
    out,  # laid out as x
    centres,  # what adain3d_moments measured, read where there are several parts
    spreads,
    means,  # (B, C), kept for the backward pass
    inverses,  # (B, C): 1 / sqrt(variance + EPS)
    C: tl.constexpr,
    D,
    plane,  # H * W
    voxels,  # D * H * W
    parts,
    chunk,
    WHOLE: tl.constexpr,  # one part: this program sees all of its rows
    EPS: tl.constexpr,
    SLOPE: tl.constexpr,  # of the activation below zero; 1 is none
    GAMMA: tl.constexpr,  # axes of gamma
    BETA: tl.constexpr,  # axes of beta
    HAS_RESIDUAL: tl.constexpr,
    CHANNELS_LAST: tl.constexpr,
    FLOAT: tl.constexpr,
    INDEX: tl.constexpr,
    BLOCK_P: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    """One program restyles one part of BLOCK_C rows; the last part first, since the cache still holds its voxels."""
    program = tl.num_programs(0) - 1 - tl.program_id(0)
    part = program % parts
    sample, c = my_channels(program // parts, C, INDEX, BLOCK_C)
    first, end = my_part(part, voxels, chunk, parts, INDEX)
    x += sample * C * voxels
    out += sample * C * voxels
    residual += sample * C * voxels
    gamma += sample * C * (voxels if GAMMA == 5 else D if GAMMA == 3 else 1)
    beta += sample * C * (voxels if BETA == 5 else D if BETA == 3 else 1)

    if WHOLE:
        mean, spread = moments(x, c, first, end, C, voxels, CHANNELS_LAST, FLOAT, BLOCK_P, BLOCK_C)
    else:
        measured = sample * parts * C
        mean, spread = joined_moments(
            centres + measured, spreads + measured, c, C, voxels, parts, chunk, FLOAT, BLOCK_C
        )
    inverse = 1 / tl.sqrt(spread / voxels + EPS)  # (BLOCK_C,)
    if part == 0:
        tl.store(means + sample * C + c, mean, mask=c < C)
        tl.store(inverses + sample * C + c, inverse, mask=c < C)

    for start in range(first, end, BLOCK_P):
        p = start + tl.arange(0, BLOCK_P)
        exists = (p < end)[:, None] & (c < C)[None, :]
        place = element(p, c, C, voxels, CHANNELS_LAST)
        value = tl.load(x + place, mask=exists, other=0).to(FLOAT)
        value = (value - mean[None, :]) * inverse[None, :]
        value *= 1 + style_at(gamma, p, c, exists, C, D, plane, voxels, GAMMA, CHANNELS_LAST, FLOAT)
        value += style_at(beta, p, c, exists, C, D, plane, voxels, BETA, CHANNELS_LAST, FLOAT)
        if HAS_RESIDUAL:
            value += tl.load(residual + place, mask=exists, other=0).to(FLOAT)
        if SLOPE != 1:
            value = tl.where(value > 0, value, SLOPE * value)
        tl.store(out + place, value.to(out.dtype.element_ty), mask=exists)
