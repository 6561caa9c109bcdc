"""out = act(IN(x) * (1 + gamma) + beta + residual): in one kernel where rows fill the card, else in three.

A row is the voxels of one channel of one sample. Where rows are few they are cut into parts: adain3d_moments measures
the parts, adain3d_join joins the measurements once for all, and adain3d_forward reads what came of it.
"""

from typing import no_type_check

import triton
import triton.language as tl

from .adain_parts import SHRINK, STAGES, joined_moments, moments, my_channels, my_part, style_at
from .warp_parts import element


@triton.jit
@no_type_check
def adain3d_moments(
    x,  # (B, C, D, H, W), contiguous or channels-last
    centres,  # (B, parts, C): the mean of each part
    spreads,  # (B, parts, C): its summed squared deviation, times SHRINK^2
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
def adain3d_join(
    centres,  # (B, parts, C), what adain3d_moments measured
    spreads,
    means,  # (B, C)
    inverses,  # (B, C): 1 / sqrt(variance + EPS)
    C: tl.constexpr,
    voxels,
    parts,
    chunk,
    EPS: tl.constexpr,  # times SHRINK^2
    FLOAT: tl.constexpr,
    INDEX: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    """One program joins the parts of BLOCK_C rows: if each of many joined them all, they would read far more than x."""
    sample, c = my_channels(tl.program_id(0), C, INDEX, BLOCK_C)
    measured = sample * parts * C
    mean, spread = joined_moments(centres + measured, spreads + measured, c, C, voxels, parts, chunk, FLOAT, BLOCK_C)
    tl.store(means + sample * C + c, mean, mask=c < C)
    inverse = SHRINK / tl.sqrt(spread / voxels + EPS)  # (BLOCK_C,)
    tl.store(inverses + sample * C + c, inverse, mask=c < C)


@triton.jit
@no_type_check
def adain3d_forward(
    x,  # (B, C, D, H, W), contiguous or channels-last
    gamma,  # (B, C), (B, C, D) or (B, C, D, H, W), the last laid out as x
    beta,  # likewise
    residual,  # laid out as x, read where HAS_RESIDUAL
    out,  # laid out as x
    means,  # (B, C), kept for the backward pass; written where WHOLE, else read
    inverses,  # (B, C): 1 / sqrt(variance + EPS)
    C: tl.constexpr,
    D,
    plane,  # H * W
    voxels,  # D * H * W
    parts,
    chunk,
    WHOLE: tl.constexpr,  # one part: this program sees all of its rows
    EPS: tl.constexpr,  # times SHRINK^2
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
        inverse = SHRINK / tl.sqrt(spread / voxels + EPS)  # (BLOCK_C,)
        tl.store(means + sample * C + c, mean, mask=c < C)
        tl.store(inverses + sample * C + c, inverse, mask=c < C)
    else:
        mean = tl.load(means + sample * C + c, mask=c < C, other=0)
        inverse = tl.load(inverses + sample * C + c, mask=c < C, other=0)

    last = first + (end - first - 1) // BLOCK_P * BLOCK_P + tl.arange(0, BLOCK_P).to(c.dtype)
    for walked in tl.range(0, end - first, BLOCK_P, num_stages=STAGES):  # back, since the cache holds the last voxels
        p = last - walked
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
