"""The gradients of AdaIN: two walks over the voxels, one for sums over each row and one to hand the gradient back.

Instance normalisation is a projection: its gradient loses its mean and its part along the normalised x. As in the
forward pass, rows that cannot fill the card are cut into parts: adain3d_gradient_sums takes their sums.
"""

from typing import no_type_check

import triton
import triton.language as tl

from .adain_parts import before_activation, my_channels, my_part
from .warp_parts import element


@triton.jit
@no_type_check
def sums_over(
    grad,
    x,
    gamma,
    beta,
    residual,
    c,
    mean,
    inverse,
    first,
    end,
    C,
    D,
    plane,
    voxels,
    SLOPE: tl.constexpr,
    GAMMA: tl.constexpr,
    BETA: tl.constexpr,
    HAS_RESIDUAL: tl.constexpr,
    CHANNELS_LAST: tl.constexpr,
    FLOAT: tl.constexpr,
    BLOCK_P: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    """Sums over first <= p < end of g and g * normalised, and of both times the scale; each (BLOCK_C,)."""
    g_sum = tl.zeros([BLOCK_P, BLOCK_C], FLOAT)
    along = tl.zeros([BLOCK_P, BLOCK_C], FLOAT)
    g_scaled = tl.zeros([BLOCK_P, BLOCK_C], FLOAT)
    along_scaled = tl.zeros([BLOCK_P, BLOCK_C], FLOAT)
    for start in range(first, end, BLOCK_P):
        p = start + tl.arange(0, BLOCK_P).to(c.dtype)
        exists = (p < end)[:, None] & (c < C)[None, :]
        g, normalised, scale = before_activation(
            grad, x, gamma, beta, residual, p, c, exists, mean, inverse, C, D, plane, voxels,
            SLOPE, GAMMA, BETA, HAS_RESIDUAL, CHANNELS_LAST, FLOAT,
        )  # fmt: skip
        g_sum += g
        along += g * normalised
        g_scaled += g * scale
        along_scaled += g * scale * normalised
    return tl.sum(g_sum, 0), tl.sum(along, 0), tl.sum(g_scaled, 0), tl.sum(along_scaled, 0)


@triton.jit
@no_type_check
def adain3d_gradient_sums(
    grad,  # of the result; laid out as x
    x,  # (B, C, D, H, W), contiguous or channels-last
    gamma,
    beta,
    residual,
    means,  # (B, C)
    inverses,  # (B, C)
    sums,  # (4, B, parts, C): those of sums_over
    C: tl.constexpr,
    D,
    plane,
    voxels,
    samples,  # B
    parts,  # of a row: the pieces of all slices
    length,  # voxels of a slice of a row, within which a style per channel or per depth has one value
    pieces,  # that a slice is cut into
    chunk,  # voxels of a piece; the last one may be shorter
    SLOPE: tl.constexpr,
    GAMMA: tl.constexpr,
    BETA: tl.constexpr,
    HAS_RESIDUAL: tl.constexpr,
    CHANNELS_LAST: tl.constexpr,
    FLOAT: tl.constexpr,
    INDEX: tl.constexpr,
    BLOCK_P: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    """One program sums over one part of BLOCK_C rows."""
    part = tl.program_id(0) % parts
    sample, c = my_channels(tl.program_id(0) // parts, C, INDEX, BLOCK_C)
    first, end = my_part(part, length, chunk, pieces, INDEX)
    volume = sample * C * voxels
    gamma += sample * C * (voxels if GAMMA == 5 else D if GAMMA == 3 else 1)
    beta += sample * C * (voxels if BETA == 5 else D if BETA == 3 else 1)
    mean = tl.load(means + sample * C + c, mask=c < C, other=0)
    inverse = tl.load(inverses + sample * C + c, mask=c < C, other=0)
    g_sum, along, g_scaled, along_scaled = sums_over(
        grad + volume, x + volume, gamma, beta, residual + volume, c, mean, inverse, first, end, C, D, plane, voxels,
        SLOPE, GAMMA, BETA, HAS_RESIDUAL, CHANNELS_LAST, FLOAT, BLOCK_P, BLOCK_C,
    )  # fmt: skip
    sums += (sample * parts + part) * C + c
    each = tl.cast(samples, tl.int64) * parts * C
    tl.store(sums, g_sum, mask=c < C)
    tl.store(sums + each, along, mask=c < C)
    tl.store(sums + 2 * each, g_scaled, mask=c < C)
    tl.store(sums + 3 * each, along_scaled, mask=c < C)


@triton.jit
@no_type_check
def adain3d_backward(
    grad,  # of the result; laid out as x
    x,  # (B, C, D, H, W), contiguous or channels-last
    gamma,
    beta,
    residual,
    means,  # (B, C)
    inverses,  # (B, C)
    sums,  # (4, B, parts, C); where WHOLE the first two are written
    levels,  # (2, B, C): the last two summed over the parts, read unless WHOLE
    grad_x,  # laid out as x, written where GRAD_X
    grad_gamma,  # laid out as x, written where GRAD_MAP
    grad_value,  # before the activation; laid out as x, written where GRAD_VALUE
    C: tl.constexpr,
    D,
    plane,
    voxels,
    samples,
    parts,
    length,
    pieces,
    chunk,
    WHOLE: tl.constexpr,  # a program sees all of its rows; its parts are the slices
    GRAD_X: tl.constexpr,
    GRAD_MAP: tl.constexpr,
    GRAD_VALUE: tl.constexpr,
    SLOPE: tl.constexpr,
    GAMMA: tl.constexpr,
    BETA: tl.constexpr,
    HAS_RESIDUAL: tl.constexpr,
    CHANNELS_LAST: tl.constexpr,
    FLOAT: tl.constexpr,
    INDEX: tl.constexpr,
    BLOCK_P: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    """One program hands the gradient of one part of BLOCK_C rows back; the last part first, as in the forward pass."""
    program = tl.num_programs(0) - 1 - tl.program_id(0)
    part = 0 if WHOLE else program % parts
    sample, c = my_channels(program if WHOLE else program // parts, C, INDEX, BLOCK_C)
    volume = sample * C * voxels
    grad += volume
    x += volume
    residual += volume
    gamma += sample * C * (voxels if GAMMA == 5 else D if GAMMA == 3 else 1)
    beta += sample * C * (voxels if BETA == 5 else D if BETA == 3 else 1)
    mean = tl.load(means + sample * C + c, mask=c < C, other=0)
    inverse = tl.load(inverses + sample * C + c, mask=c < C, other=0)

    sums += sample * parts * C
    each = tl.cast(samples, tl.int64) * parts * C
    if WHOLE:
        first, end = my_part(0, voxels, voxels, 1, INDEX)
        level = tl.zeros([BLOCK_C], FLOAT)
        slope = tl.zeros([BLOCK_C], FLOAT)
        for s in range(0, parts):
            start, stop = my_part(s, length, length, 1, INDEX)
            g_sum, along, g_scaled, along_scaled = sums_over(
                grad, x, gamma, beta, residual, c, mean, inverse, start, stop, C, D, plane, voxels,
                SLOPE, GAMMA, BETA, HAS_RESIDUAL, CHANNELS_LAST, FLOAT, BLOCK_P, BLOCK_C,
            )  # fmt: skip
            tl.store(sums + s * C + c, g_sum, mask=c < C)
            tl.store(sums + each + s * C + c, along, mask=c < C)
            level += g_scaled
            slope += along_scaled
    else:
        first, end = my_part(part, length, chunk, pieces, INDEX)
        level = tl.load(levels + sample * C + c, mask=c < C, other=0)
        slope = tl.load(levels + (samples + sample) * C + c, mask=c < C, other=0)
    level /= voxels
    slope /= voxels

    turn = first + (first + (end - first - 1) // BLOCK_P * BLOCK_P)
    for start in range(first, end, BLOCK_P):  # back again, since the cache still holds the last voxels
        p = turn - start + tl.arange(0, BLOCK_P).to(c.dtype)
        exists = (p < end)[:, None] & (c < C)[None, :]
        g, normalised, scale = before_activation(
            grad, x, gamma, beta, residual, p, c, exists, mean, inverse, C, D, plane, voxels,
            SLOPE, GAMMA, BETA, HAS_RESIDUAL, CHANNELS_LAST, FLOAT,
        )  # fmt: skip
        place = element(p, c, C, voxels, CHANNELS_LAST)
        if GRAD_X:
            back = (g * scale - level[None, :] - normalised * slope[None, :]) * inverse[None, :]
            tl.store(grad_x + volume + place, back.to(grad_x.dtype.element_ty), mask=exists)
        if GRAD_MAP:
            tl.store(grad_gamma + volume + place, (g * normalised).to(grad_gamma.dtype.element_ty), mask=exists)
        if GRAD_VALUE:
            tl.store(grad_value + volume + place, g.to(grad_value.dtype.element_ty), mask=exists)
