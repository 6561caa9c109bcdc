"""Which tile suits a card: candidates for each kernel, timed one by one, and the best of them written to tiles.json.

    python kernels/bench/tune.py --out runs/tiles

is the suite's step "tiles" alone. flow3d_kernels never tunes at run time: it reads a tiles.json of its own card and
versions, or takes its table. Candidates are data, so that a plan can be made without torch.
"""

import itertools
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from supervisor import Row

Candidate = dict[str, Any]
SIZES = {"float32": 4, "bfloat16": 2}


def candidate(voxels: int | list[int], channels: int, warps: int = 4) -> Candidate:
    """Voxels (or a brick of them: depth, height, width) and channels of one step, and warps."""
    return {"voxels": voxels, "channels": channels, "warps": warps}


def warp_tiles(channels: int) -> list[Candidate]:
    """Eight bricks; two warps read 16 bytes a thread where 32 voxels have so many channels a step."""
    bricks = ([2, 4, 4], [1, 4, 8], [1, 1, 32], [2, 2, 8])
    larger = [candidate([2, 4, 8], channels, 4), candidate([4, 4, 4], channels, 4)]
    wider = [candidate([2, 4, 4], 2 * channels, 2), candidate([2, 4, 4], 2 * channels, 4)]
    return [candidate(brick, channels, 2) for brick in bricks] + wider + larger


WARPS = {
    ("warp3d_forward", "float32"): warp_tiles(8),
    ("warp3d_forward", "bfloat16"): warp_tiles(16),
    ("warp3d_backward", "float32"): warp_tiles(8),
    ("warp3d_backward", "bfloat16"): warp_tiles(8),
}
ADAIN = {
    "contiguous": [candidate(8192, 1, 32), candidate(4096, 1, 16), candidate(4096, 1, 8), candidate(2048, 1, 8)],
    "channels-last": [candidate(64, 32, 8), candidate(128, 32, 8), candidate(64, 32, 4), candidate(32, 32, 4)],
}


def tile_rows() -> Iterator[Row]:
    """One row for each candidate, so that one that cannot be launched costs itself only."""
    for (kernel, dtype), candidates in WARPS.items():
        yield from rows_of(kernel, "channels-last", dtype, candidates)
    for kernel, layout, dtype in itertools.product(("adain3d_forward", "adain3d_backward"), ADAIN, SIZES):
        yield from rows_of(kernel, layout, dtype, ADAIN[layout])


def rows_of(kernel: str, layout: str, dtype: str, candidates: Iterable[Candidate]) -> Iterator[Row]:
    """Rows of one entry of the table."""
    entry = f"{kernel} {layout} {dtype}"
    for tile in candidates:
        size = "x".join(map(str, tile["voxels"])) if isinstance(tile["voxels"], list) else tile["voxels"]
        name = f"tile: {entry}, {size} voxels, {tile['channels']} channels, {tile['warps']} warps"
        given = {"kernel": kernel, "layout": layout, "dtype": dtype, "entry": entry, "tile": tile}
        yield Row(name, "tiles", "tile", 30, given)


def chosen(lines: Iterable[Mapping[str, Any]]) -> dict[str, Candidate]:
    """The fastest candidate of each entry that was measured."""
    best: dict[str, Mapping[str, Any]] = {}
    for line in lines:
        if line["kind"] == "tile" and line["status"] == "measured":
            last = best.setdefault(line["entry"], line)
            if line["ms"]["p50"] < last["ms"]["p50"]:
                best[line["entry"]] = line
    return {entry: line["tile"] for entry, line in best.items()}


def tiles_file(about: Mapping[str, Any], lines: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What tiles.json holds; flow3d_kernels ignores one of another card or version."""
    return {name: about[name] for name in ("card", "torch", "triton", "date", "commit")} | {"tiles": chosen(lines)}


if __name__ == "__main__":
    import suite

    sys.exit(suite.main([*sys.argv[1:], "--steps", "tiles"]))
