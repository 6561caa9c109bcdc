"""The pieces that the AdaIN kernels share, inlined into each: statistics, style, activation and their gradients.

A program takes BLOCK_C channels of one sample and walks over voxels first <= p < end, BLOCK_P at a time.
"""

from typing import no_type_check

import triton
import triton.language as tl

from ..reference import SHRINK as SMALLER
from .warp_parts import element, product

STAGES = tl.constexpr(3)  # steps of a walk that are on their way from memory while one is worked on
SHRINK = tl.constexpr(SMALLER)  # see there: deviations are squared so much smaller


@triton.jit
@no_type_check
def my_channels(program, C, INDEX: tl.constexpr, BLOCK_C: tl.constexpr):
    """A program's sample and channels."""
    blocks = tl.cdiv(C, BLOCK_C)
    c = (program % blocks) * BLOCK_C + tl.arange(0, BLOCK_C)
    return (program // blocks).to(tl.int64), c.to(INDEX)


@triton.jit
@no_type_check
def my_part(part, length, chunk, pieces, INDEX: tl.constexpr):
    """Voxels of one part: each slice of ``length`` voxels is cut into ``pieces`` of ``chunk``, the last one shorter."""
    start = tl.cast(part // pieces, INDEX) * length
    first = start + tl.cast(part % pieces, INDEX) * chunk
    return first, tl.minimum(first + chunk, start + length)


@triton.jit
@no_type_check
def moments(
    x,
    c,
    first,
    end,
    C,
    voxels,
    CHANNELS_LAST: tl.constexpr,
    FLOAT: tl.constexpr,
    BLOCK_P: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    """Mean and summed squared deviation, times SHRINK^2, of each channel: Welford's update, Chan's sum over the lanes.

    Both stay about the mean: the difference of two large sums would lose the variance of a channel far from zero, and
    what rounding the mean's sum has lost is added to it.
    """
    lane = tl.arange(0, BLOCK_P).to(c.dtype)
    mean = tl.zeros([BLOCK_P, BLOCK_C], FLOAT)
    spread = tl.zeros([BLOCK_P, BLOCK_C], FLOAT)
    for start in tl.range(first, end, BLOCK_P, num_stages=STAGES):
        p = start + lane
        exists = (p < end)[:, None] & (c < C)[None, :]
        value = tl.load(x + element(p, c, C, voxels, CHANNELS_LAST), mask=exists, other=0).to(FLOAT)
        step = tl.where(exists, value - mean, 0)
        mean += step / ((start - first) // BLOCK_P + 1)
        spread += step * (SHRINK * SHRINK) * (value - mean)
    count = ((end - first - lane + BLOCK_P - 1) // BLOCK_P).to(FLOAT)[:, None]  # what each lane has seen
    centre = tl.sum(product(count, mean), axis=0) / (end - first)  # (BLOCK_C,)
    centre += tl.sum(product(count, mean - centre[None, :]), axis=0) / (end - first)
    apart = (mean - centre[None, :]) * SHRINK
    return centre, tl.sum(spread + count * apart * apart, axis=0)


@triton.jit
@no_type_check
def some_parts(first, parts, c, C, ROWS: tl.constexpr):
    """The next ROWS parts, and which of them exist in which channels."""
    part = first + tl.arange(0, ROWS)
    return part, (part < parts)[:, None] & (c < C)[None, :]


@triton.jit
@no_type_check
def joined_moments(
    centres, spreads, c, C, voxels, parts, chunk, FLOAT: tl.constexpr, BLOCK_C: tl.constexpr, ROWS: tl.constexpr = 256
):
    """Mean and summed squared deviation of each channel from those of its parts, (parts, C): Chan's sum again."""
    mean = tl.zeros([BLOCK_C], FLOAT)
    for _ in tl.static_range(2):  # the second time, what rounding lost
        lost = tl.zeros([BLOCK_C], FLOAT)
        for first in range(0, parts, ROWS):
            part, exists = some_parts(first, parts, c, C, ROWS)
            apart = tl.load(centres + part[:, None] * C + c[None, :], mask=exists, other=0) - mean[None, :]
            count = tl.minimum(voxels - part.to(tl.int64) * chunk, chunk)[:, None].to(FLOAT)
            lost += tl.sum(product(tl.where(exists, count, 0), apart), axis=0)
        mean += lost / voxels
    spread = tl.zeros([BLOCK_C], FLOAT)
    for first in range(0, parts, ROWS):
        part, exists = some_parts(first, parts, c, C, ROWS)
        count = tl.minimum(voxels - part.to(tl.int64) * chunk, chunk)[:, None]
        place = part[:, None] * C + c[None, :]
        apart = tl.where(exists, tl.load(centres + place, mask=exists, other=0) - mean[None, :], 0) * SHRINK
        spread += tl.sum(tl.load(spreads + place, mask=exists, other=0) + count * apart * apart, axis=0)
    return mean, spread


@triton.jit
@no_type_check
def style_at(
    style, p, c, exists, C, D, plane, voxels, AXES: tl.constexpr, CHANNELS_LAST: tl.constexpr, FLOAT: tl.constexpr
):
    """A sample's style of AXES axes, (B, C), (B, C, D) or (B, C, D, H, W), at the tile (p, c)."""
    if AXES == 2:
        value = tl.load(style + c[None, :], mask=(c < C)[None, :], other=0)
    elif AXES == 3:
        value = tl.load(style + c[None, :] * D + (p // plane)[:, None], mask=exists, other=0)
    else:
        value = tl.load(style + element(p, c, C, voxels, CHANNELS_LAST), mask=exists, other=0)
    return value.to(FLOAT)


@triton.jit
@no_type_check
def before_activation(
    grad,
    x,
    gamma,
    beta,
    residual,
    p,
    c,
    exists,
    mean,
    inverse,
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
):
    """The gradient before the activation, the normalised x and its scale, each on the tile (p, c).

    The sign that decides the slope is computed again: that reads less than a kept result would.
    """
    place = element(p, c, C, voxels, CHANNELS_LAST)
    normalised = (tl.load(x + place, mask=exists, other=0).to(FLOAT) - mean[None, :]) * inverse[None, :]
    scale = 1 + style_at(gamma, p, c, exists, C, D, plane, voxels, GAMMA, CHANNELS_LAST, FLOAT)
    g = tl.load(grad + place, mask=exists, other=0).to(FLOAT)
    if SLOPE != 1:
        value = normalised * scale + style_at(beta, p, c, exists, C, D, plane, voxels, BETA, CHANNELS_LAST, FLOAT)
        if HAS_RESIDUAL:
            value += tl.load(residual + place, mask=exists, other=0).to(FLOAT)
        g = tl.where(value > 0, g, SLOPE * g)
    return g, normalised, scale
