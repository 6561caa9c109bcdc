"""One candidate of tune.py, timed in the place of the table's tile."""

import math
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import torch

import gpu
from clock import milliseconds, ready, spread
from flow3d_kernels import backend, use_backend
from gate import judged
from setting import Absent, Setting
from tune import SIZES, Candidate


@contextmanager
def forced(kernel: str, layout: str, dtype: str, tile: Candidate, device: str) -> Generator[None]:
    """The candidate in the place of the table's tile."""
    from flow3d_kernels.triton_kernels.tiles import TILES, Tile, architecture

    table, key = TILES[architecture(torch.device(device))], (kernel, layout, SIZES[dtype])
    sides = tuple(tile["voxels"]) if isinstance(tile["voxels"], list) else None
    before, voxels = table[key], math.prod(sides) if sides else tile["voxels"]
    table[key] = Tile(voxels, tile["channels"], tile["warps"], sides)
    try:
        yield
    finally:
        table[key] = before


def measure(
    setting: Setting, kernel: str, layout: str, dtype: str, entry: str, tile: Candidate
) -> Iterator[dict[str, Any]]:
    """The milliseconds of one pass of a batch of 16, after the gate.

    Raises:
        Absent: Triton does not work here.
    """
    operation, passes = kernel.split("_")
    variant = "smooth flow" if operation == "warp3d" else "style per channel"
    description: dict[str, Any] = {"operation": operation, "layout": layout, "variant": variant, "dtype": dtype}
    row = gpu.row_of(setting, **description, batch=16, rival="eager")
    with use_backend("triton"):
        worker = backend(row.inputs[0])
        if worker.name != "triton":
            raise Absent(worker.reason)
        with forced(kernel, layout, dtype, tile, setting.device):
            error = judged(gpu.few(row), ("ours",))
            work = ready(lambda: gpu.work_of(row.ours, row, layout, passes, setting.cache), setting.graphs, setting)
            passed = milliseconds({"": work}, setting)[""]
    record = description | {"batch": 16, "passes": passes, "graph": setting.graphs, "entry": entry, "tile": tile}
    yield record | {"ms": spread(passed), "error": error}
