"""Five forward warps on the way from the obvious one to ours, each one step further.

| rung | what changes |
|---|---|
| scalar gathers | contiguous: neighbouring lanes read neighbouring voxels, one number at a time |
| rows of channels | channels-last: the channels of a voxel lie side by side, 16 bytes are read at once |
| fixed distances | sizes known when it is compiled; both neighbours inside, so the eight rows lie at fixed distances |
| 16 channels a step | fewer registers: more programs side by side |
| bricks of 2x4x4 | 32 voxels as a brick instead of a line: their cells share more corners, so L2 delivers fewer rows |

They repeat the edge outside, and take neither mask nor NaN: they are here to be timed and read.
"""

import math
from collections.abc import Iterator
from functools import partial
from typing import Any, no_type_check

import torch
import triton
import triton.language as tl
from torch import Tensor

import gpu
from cases import Row, laid_out
from clock import milliseconds, ready, spread
from flow3d_kernels import use_backend, warp3d
from gate import Stray, limits_of
from setting import Setting

RUNGS: dict[str, dict[str, Any]] = {
    "scalar gathers": {"layout": "contiguous", "voxels": 128, "channels": 4},
    "rows of channels": {"layout": "channels-last", "voxels": 32, "channels": 32},
    "fixed distances": {"layout": "channels-last", "brick": (1, 1, 32), "channels": 32},
    "16 channels a step": {"layout": "channels-last", "brick": (1, 1, 32), "channels": 16},
    "bricks of 2x4x4": {"layout": "channels-last", "brick": (2, 4, 4), "channels": 16},
}


@triton.jit
@no_type_check
def warp_by_index(
    volume,
    flow,
    out,
    C: tl.constexpr,
    D,
    H,
    W,
    CHANNELS_LAST: tl.constexpr,
    BLOCK_P: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    """The obvious one: for each of eight corners its weight, whether it exists, and its address."""
    voxels = D * H * W
    blocks = tl.cdiv(voxels, BLOCK_P)
    sample = (tl.program_id(0) // blocks).to(tl.int64)
    p = tl.program_id(0) % blocks * BLOCK_P + tl.arange(0, BLOCK_P)
    exists = p < voxels
    volume += sample * C * voxels
    out += sample * C * voxels
    flow += sample * 3 * voxels + p
    x = p % W + tl.load(flow, mask=exists, other=0)
    y = p // W % H + tl.load(flow + voxels, mask=exists, other=0)
    z = p // W // H + tl.load(flow + 2 * voxels, mask=exists, other=0)
    x = tl.minimum(tl.maximum(x, 0), W - 1)
    y = tl.minimum(tl.maximum(y, 0), H - 1)
    z = tl.minimum(tl.maximum(z, 0), D - 1)
    x0, y0, z0 = tl.floor(x).to(tl.int32), tl.floor(y).to(tl.int32), tl.floor(z).to(tl.int32)
    for first in range(0, C, BLOCK_C):
        c = first + tl.arange(0, BLOCK_C)
        known = exists[:, None] & (c < C)[None, :]
        total = tl.zeros([BLOCK_P, BLOCK_C], tl.float32)
        for corner in tl.static_range(8):
            xi, yi, zi = x0 + corner % 2, y0 + corner // 2 % 2, z0 + corner // 4
            weight = (1 - tl.abs(x - xi)) * (1 - tl.abs(y - yi)) * (1 - tl.abs(z - zi))
            inside = (xi < W) & (yi < H) & (zi < D)
            row = (zi * H + yi) * W + xi
            place = row[:, None] * C + c[None, :] if CHANNELS_LAST else c[None, :] * voxels + row[:, None]
            total += weight[:, None] * tl.load(volume + place, mask=known & inside[:, None], other=0)
        place = p[:, None] * C + c[None, :] if CHANNELS_LAST else c[None, :] * voxels + p[:, None]
        tl.store(out + place, total, mask=known)


@triton.jit
@no_type_check
def lower_neighbour(position, SIZE: tl.constexpr):
    """The lower of two neighbours that both lie inside, and the upper one's share."""
    position = tl.minimum(tl.maximum(position, 0), SIZE - 1)
    below = tl.minimum(position.to(tl.int32), max(SIZE - 2, 0))
    return below, position - below


@triton.jit
@no_type_check
def warp_at_distances(
    volume,
    flow,
    out,
    C: tl.constexpr,
    D: tl.constexpr,
    H: tl.constexpr,
    W: tl.constexpr,
    TZ: tl.constexpr,
    TY: tl.constexpr,
    TX: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    """Channels-last: one address for a cell, seven fixed distances from it; a program takes a brick of TZ x TY x TX."""
    voxels: tl.constexpr = D * H * W
    BX: tl.constexpr = (W + TX - 1) // TX
    BY: tl.constexpr = (H + TY - 1) // TY
    BZ: tl.constexpr = (D + TZ - 1) // TZ
    sample = (tl.program_id(0) // (BX * BY * BZ)).to(tl.int64)
    brick = tl.program_id(0) % (BX * BY * BZ)
    lane = tl.arange(0, TZ * TY * TX)
    xi = brick % BX * TX + lane % TX
    yi = brick // BX % BY * TY + lane // TX % TY
    zi = brick // (BX * BY) * TZ + lane // (TX * TY)
    exists = (xi < W) & (yi < H) & (zi < D)
    p = (zi * H + yi) * W + xi
    volume += sample * C * voxels
    out += sample * C * voxels
    flow += sample * 3 * voxels + p
    x, right = lower_neighbour(xi + tl.load(flow, mask=exists, other=0), W)
    y, down = lower_neighbour(yi + tl.load(flow + voxels, mask=exists, other=0), H)
    z, behind = lower_neighbour(zi + tl.load(flow + 2 * voxels, mask=exists, other=0), D)
    row = (z * H + y) * W + x
    DX: tl.constexpr = C if W > 1 else 0
    DY: tl.constexpr = C * W if H > 1 else 0
    DZ: tl.constexpr = C * W * H if D > 1 else 0
    for first in tl.static_range(0, C, BLOCK_C):
        c = first + tl.arange(0, BLOCK_C)
        base = volume + row[:, None] * C + c[None, :]
        known = exists[:, None] & (c < C)[None, :]
        total = tl.zeros([TZ * TY * TX, BLOCK_C], tl.float32)
        for k in tl.static_range(2):
            for j in tl.static_range(2):
                for i in tl.static_range(2):
                    weight = (behind if k else 1 - behind) * (down if j else 1 - down) * (right if i else 1 - right)
                    total += weight[:, None] * tl.load(base + (k * DZ + j * DY + i * DX), mask=known, other=0)
        tl.store(out + p[:, None] * C + c[None, :], total, mask=known)


def warp(volume: Tensor, flow: Tensor, rung: str) -> Tensor:
    """One rung's result; the volume must have the rung's layout."""
    told, out = RUNGS[rung], torch.empty_like(volume)
    B, C, *space = volume.shape
    width = min(told["channels"], 1 << (C - 1).bit_length())
    kernel: Any = warp_at_distances if "brick" in told else warp_by_index
    if "brick" in told:
        bricks = math.prod(-(-size // side) for size, side in zip(space, told["brick"], strict=True))
        kernel[(B * bricks,)](volume, flow, out, C, *space, *told["brick"], width)
    else:
        blocks = -(-math.prod(space) // told["voxels"])
        last = told["layout"] == "channels-last"
        kernel[(B * blocks,)](volume, flow, out, C, *space, last, told["voxels"], width)
    return out


def measure(setting: Setting, rung: str, batch: int) -> Iterator[dict[str, Any]]:
    """One rung's milliseconds on the inputs of the targets, after it has been held against the reference."""
    layout = RUNGS[rung]["layout"]
    inputs = gpu.warp_inputs(setting.shape(batch), torch.float32, "smooth flow", setting.device)
    row = Row("warp3d", layout, layout, "smooth flow", warp3d, partial(warp, rung=rung), inputs)
    error = strayed(gpu.few(row))
    make = partial(gpu.work_of, row.ours, row, layout, "forward", setting.cache)
    passed = milliseconds({"ours": ready(make, setting.graphs, setting)}, setting)["ours"]
    record = {"operation": "warp3d", "layout": layout, "variant": "smooth flow", "dtype": "float32", "batch": batch}
    yield record | {"rung": rung, "passes": "forward", "graph": setting.graphs, "error": error, "ms": spread(passed)}


def strayed(row: Row) -> float:
    """The largest error of a rung's values. Raises Stray where it is beyond the gate's limit."""
    with use_backend("reference"), torch.no_grad():
        exact = warp3d(*(each.double() for each in row.inputs))
    with torch.no_grad():
        out = row.ours(*laid_out(row.inputs, row.layout))
    values, _ = limits_of(row)
    error = (out - exact).abs().max().item()
    if not values.excess(out, exact, 1) <= 1:
        raise Stray(f"{row}: off by {error:.2e} ({values.reason})")
    return error
