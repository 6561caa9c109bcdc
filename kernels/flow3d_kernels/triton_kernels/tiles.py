"""How much of a volume one program takes, per architecture: chosen by what compiles without spilling registers."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Tile:
    """Voxels and channels of one step of a program, and its warps."""

    voxels: int
    channels: int
    warps: int = 4


Key = tuple[str, str, int]

# Kernel, layout and bytes of a value -> tile; a value of 8 bytes takes half the voxels of one of 4.
# Contiguous volumes get neither vector gathers nor vector reductions, so a warp takes one to four of their channels at
# a time. In channels-last ones 8 threads of 4 float32, or 4 threads of 8 bfloat16, share a voxel's 32 channels.
# Contiguous AdaIN wants few programs on a processor: their rows must stay in the L2 cache until they are read again.
COMMON: dict[Key, Tile] = {
    ("warp3d_forward", "channels-last", 4): Tile(32, 32),
    ("warp3d_forward", "channels-last", 2): Tile(32, 32),
    ("warp3d_backward", "channels-last", 4): Tile(32, 32),
    ("warp3d_backward", "channels-last", 2): Tile(32, 32),
    ("warp3d_gather", "channels-last", 4): Tile(16, 32),
    ("warp3d_gather", "channels-last", 2): Tile(32, 32),
}
for size in (4, 2):
    COMMON["warp3d_forward", "contiguous", size] = Tile(128, 4)
    COMMON["warp3d_backward", "contiguous", size] = Tile(128, 1)
    COMMON["warp3d_gather", "contiguous", size] = Tile(128, 1)
    COMMON["warp3d_cells", "contiguous", size] = Tile(256, 1)
    COMMON["adain3d_forward", "contiguous", size] = Tile(8192, 1, 32)
    COMMON["adain3d_backward", "contiguous", size] = Tile(4096, 1, 16)
    COMMON["adain3d_forward", "channels-last", size] = Tile(64, 32, 8)
    COMMON["adain3d_backward", "channels-last", size] = Tile(64, 32, 8)

TILES: dict[str, dict[Key, Tile]] = {
    "sm_80": COMMON | {("warp3d_backward", "channels-last", 4): Tile(16, 32)},  # 32 spill 176 bytes at 64 channels
    "sm_90": COMMON,
    "gfx942": COMMON  # a wavefront has 64 threads: twice the voxels keep 16 bytes for each, in at most 16 of them
    | {
        ("warp3d_forward", "channels-last", 2): Tile(64, 32),
        ("adain3d_forward", "contiguous", 4): Tile(8192, 1, 16),
        ("adain3d_forward", "contiguous", 2): Tile(8192, 1, 16),
        ("adain3d_backward", "contiguous", 2): Tile(8192, 1, 16),
        ("adain3d_forward", "channels-last", 2): Tile(128, 32, 8),
        ("adain3d_backward", "channels-last", 2): Tile(128, 32, 8),
    },
    "interpreter": {key: Tile(1024, 32) for key in COMMON},  # an interpreted step costs the same whatever its size
}
PROCESSORS = {"sm_80": 108, "sm_90": 132, "gfx942": 304, "interpreter": 4}  # that programs should keep busy

_forced: list[str] = []


def architecture(device: torch.device) -> str:
    """The table's entry for a device; the nearest one for a card that has none of its own."""
    if _forced:
        return _forced[-1]
    if device.type != "cuda":
        return "interpreter"
    if torch.version.hip:
        return "gfx942"
    return "sm_90" if torch.cuda.get_device_capability(device) >= (9, 0) else "sm_80"


@contextmanager
def tiles_of(name: str) -> Generator[None]:
    """Use another architecture's tiles within a block: to compile for it, or to interpret what it would run."""
    if name not in TILES:
        raise ValueError(f"name must be one of {', '.join(TILES)}; got {name!r}")
    _forced.append(name)
    try:
        yield
    finally:
        _forced.pop()


def tile_for(kernel: str, layout: str, channels: int, itemsize: int, device: torch.device) -> Tile:
    """The tile of a kernel for a volume of so many channels; no wider than the next power of two.

    Few channels leave room for up to four times the voxels. Channels that no vector divides are read one by one, and
    need registers for every address: a quarter of the voxels.
    """
    tile = TILES[architecture(device)][kernel, layout, min(itemsize, 4)]
    width = min(tile.channels, 1 << (channels - 1).bit_length())
    voxels = tile.voxels // (itemsize // min(itemsize, 4))
    if layout == "channels-last":
        voxels = voxels * min(4, tile.channels // width) // (4 if channels % 4 else 1)
    return Tile(voxels, width, tile.warps)


def processors(device: torch.device) -> int:
    """How many programs a device runs side by side, one per multiprocessor."""
    if device.type == "cuda" and not _forced:
        return torch.cuda.get_device_properties(device).multi_processor_count
    return PROCESSORS[architecture(device)]
