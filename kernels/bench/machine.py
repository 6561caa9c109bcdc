"""The card without our kernels: what its copy, its L2 cache and its vector reductions reach.

A channels-last warp reads and adds rows: 32 float32 of a voxel, 128 bytes. So rows are what is read and added here,
each once in a call and far from the last one, in a buffer that the L2 cache holds and in one that it cannot hold.
"""

from collections.abc import Iterator
from typing import Any, no_type_check

import torch
import triton
import triton.language as tl

from clock import milliseconds, ready, spread
from setting import Setting

WIDTH = 32  # float32 of a row
TOGETHER = 64  # rows of one program
READERS = 8  # that meet on a row, as the corners of eight cells meet in a voxel


@triton.jit
@no_type_check
def my_rows(rows, SHARED: tl.constexpr, TOGETHER: tl.constexpr, WIDTH: tl.constexpr):
    """Where this program's rows lie: 127 rows apart, which reaches each once, for there are a power of two."""
    r = tl.program_id(0) * TOGETHER + tl.arange(0, TOGETHER)
    row = r // SHARED * 127 & (rows - 1)
    return row[:, None] * WIDTH + tl.arange(0, WIDTH)[None, :]


@triton.jit
@no_type_check
def read_rows(source, sums, rows, TOGETHER: tl.constexpr, WIDTH: tl.constexpr):
    """Read every row; its sum keeps the compiler from leaving that out."""
    value = tl.load(source + my_rows(rows, 1, TOGETHER, WIDTH))
    tl.store(sums + tl.program_id(0) * TOGETHER + tl.arange(0, TOGETHER), tl.sum(value, 1))


@triton.jit
@no_type_check
def add_to_rows(target, rows, SHARED: tl.constexpr, TOGETHER: tl.constexpr, WIDTH: tl.constexpr):
    """Add one to every number; with SHARED, as often to the first rows."""
    one = tl.full([TOGETHER, WIDTH], 1.0, tl.float32)
    tl.atomic_add(target + my_rows(rows, SHARED, TOGETHER, WIDTH), one, sem="relaxed")


def copy(setting: Setting) -> Iterator[dict[str, Any]]:
    """PyTorch's own copy, read and written: what a kernel can be asked to reach."""
    source = torch.randint(0, 256, (setting.copied,), dtype=torch.uint8, device=setting.device)
    target = torch.empty_like(source)
    yield line(lambda: target.copy_(source), 2 * setting.copied, setting)
    if not torch.equal(source, target):
        raise ArithmeticError("copy: expected equal buffers")


def rows(setting: Setting, kernel: str, place: str) -> Iterator[dict[str, Any]]:
    """Bytes a second of rows that are read ("read") or added to ("reduce") in the L2 cache or in DRAM."""
    count = setting.rows_read[place]
    buffer = torch.zeros(count, WIDTH, device=setting.device)
    moved, shared = 4 * buffer.numel(), READERS if "eight" in kernel else 1
    launched: Any = (read_rows if kernel == "read" else add_to_rows)[(count // TOGETHER,)]
    if kernel == "read":
        buffer += torch.arange(count, device=setting.device)[:, None] % 1000
        sums = buffer.new_empty(count)
        yield line(lambda: launched(buffer, sums, count, TOGETHER, WIDTH), moved, setting)
        exact = buffer.sum(1)[127 * torch.arange(count, device=setting.device) % count]
    else:
        yield line(lambda: launched(buffer, count, shared, TOGETHER, WIDTH), moved, setting)
        sums, exact = buffer.sum(dtype=torch.float64), buffer.max().double() * buffer.numel() / shared
    if not torch.equal(sums, exact) or not sums.any():
        raise ArithmeticError(f"{kernel}: expected other sums: a row was left out or reached twice")


def line(work: Any, moved: int, setting: Setting) -> dict[str, Any]:
    """The record of some work that moves so many bytes."""
    passed = spread(milliseconds({"": ready(lambda: work, setting.graphs, setting)}, setting)[""])
    return {"ms": passed, "bytes": moved, "bytes_per_second": 1000 * moved / passed["p50"], "graph": setting.graphs}
