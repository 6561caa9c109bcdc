"""How much of a volume one program takes, per architecture: chosen by what compiles without spilling registers."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .tile_record import recorded_tiles


def brick_of(voxels: int, sizes: Sequence[int], lines: bool = False) -> tuple[int, int, int]:
    """Sides (z, y, x) of a brick of so many voxels, powers of two, no longer than the volume's next one.

    The shortest side grows, x first, so that a brick has little surface: neighbours inside it share the rows they read.
    ``lines`` wants up to 32 voxels of a row side by side, for volumes whose neighbours in x lie side by side.
    """
    sides = [1, 1, 1]
    room = [1 << (size - 1).bit_length() for size in sizes]
    while sides[0] * sides[1] * sides[2] < voxels and sides != room:
        open_axes = [axis for axis in (2, 1, 0) if sides[axis] < room[axis]]
        axis = min(open_axes, key=lambda axis: 0 if lines and axis == 2 and sides[2] < 32 else sides[axis])
        sides[axis] *= 2
    return sides[0], sides[1], sides[2]


@dataclass(frozen=True)
class Tile:
    """Voxels and channels of one step of a program, and its warps."""

    voxels: int
    channels: int
    warps: int = 4
    sides: tuple[int, int, int] | None = None  # (z, y, x) of the brick that the warp's voxels make, where it is given

    def brick(self, sizes: Sequence[int], lines: bool) -> tuple[int, int, int]:
        """Sides (z, y, x) of the brick that one program takes of a volume of these sizes."""
        return brick_of(self.voxels, sizes, lines) if self.sides is None else self.sides


@dataclass(frozen=True)
class Split:
    """How rows are cut, so that there are programs enough: slices of ``length`` voxels into pieces of ``chunk``."""

    slices: int
    length: int
    pieces: int
    chunk: int

    @property
    def parts(self) -> int:
        """Parts of a row."""
        return self.slices * self.pieces


Key = tuple[str, str, int]

# Kernel, layout and bytes of a value -> tile; a value of 8 bytes takes half the voxels of one of 4.
# Contiguous volumes get neither vector gathers nor vector reductions, so their channels are taken one at a time. In
# channels-last ones a thread works on 16 bytes of one voxel at a time, four times over, so that finding the voxel's
# eight rows is done by as few threads as there can be; the backward pass needs more registers for each channel.
# Contiguous AdaIN wants few programs on a processor: their rows must stay in the L2 cache until they are read again.
COMMON: dict[Key, Tile] = {
    ("warp3d_forward", "channels-last", 4): Tile(32, 8, 2),
    ("warp3d_forward", "channels-last", 2): Tile(32, 16, 2),
    ("warp3d_backward", "channels-last", 4): Tile(32, 16),
    ("warp3d_backward", "channels-last", 2): Tile(32, 8, 2),
    ("warp3d_gather", "channels-last", 4): Tile(16, 32),
    ("warp3d_gather", "channels-last", 2): Tile(32, 32),
}
for size in (4, 2):
    COMMON["warp3d_forward", "contiguous", size] = Tile(128, 1)
    COMMON["warp3d_backward", "contiguous", size] = Tile(128, 1)
    COMMON["warp3d_gather", "contiguous", size] = Tile(128, 1)
    COMMON["warp3d_cells", "contiguous", size] = Tile(256, 1)
    COMMON["adain3d_forward", "contiguous", size] = Tile(8192, 1, 32)
    COMMON["adain3d_backward", "contiguous", size] = Tile(4096, 1, 16)
    COMMON["adain3d_forward", "channels-last", size] = Tile(64, 32, 8)
    COMMON["adain3d_backward", "channels-last", size] = Tile(64, 32, 8)

TILES: dict[str, dict[Key, Tile]] = {
    "sm_80": COMMON,
    "sm_90": COMMON,
    "gfx942": COMMON  # a wavefront has 64 threads: twice the voxels keep 16 bytes for each, in at most 16 of them
    | {
        ("warp3d_forward", "channels-last", 4): Tile(64, 8, 2),
        ("warp3d_forward", "channels-last", 2): Tile(64, 16, 2),
        ("warp3d_backward", "channels-last", 4): Tile(64, 16),
        ("warp3d_backward", "channels-last", 2): Tile(64, 8, 2),
        ("adain3d_forward", "contiguous", 4): Tile(8192, 1, 16),
        ("adain3d_forward", "contiguous", 2): Tile(8192, 1, 16),
        ("adain3d_backward", "contiguous", 2): Tile(8192, 1, 16),
        ("adain3d_forward", "channels-last", 2): Tile(128, 32, 8),
        ("adain3d_backward", "channels-last", 2): Tile(128, 32, 8),
    },
    "interpreter": {key: Tile(1024, 32) for key in COMMON},  # an interpreted step costs the same whatever its size
}
SHIPPED = {name: dict(table) for name, table in TILES.items()}  # what a benchmark puts into the table overrules records
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


def tile_for(kernel: str, layout: str, volume: Tensor) -> Tile:
    """The tile of a kernel for a volume, recorded on this card or from the table; never wider than its channels.

    Few channels leave room for as many more voxels.
    """
    itemsize, channels = volume.element_size(), volume.shape[1]
    name, key = architecture(volume.device), (kernel, layout, min(itemsize, 4))
    tile = on_record(kernel, layout, volume) if TILES[name][key] is SHIPPED[name][key] else None
    if tile is None:
        tile = TILES[name][key]
        tile = replace(tile, voxels=tile.voxels // (itemsize // min(itemsize, 4)))
    width = min(tile.channels, 1 << (channels - 1).bit_length())
    if width == tile.channels:
        return tile
    return Tile(tile.voxels * (tile.channels // width), width, tile.warps)


def on_record(kernel: str, layout: str, volume: Tensor) -> Tile | None:
    """The tile that a benchmark chose for a kernel, layout and type of values on this very card; see tile_record."""
    if volume.device.type != "cuda" or _forced:
        return None
    recorded = recorded_tiles(torch.cuda.get_device_name(volume.device))
    entry = recorded.get(f"{kernel} {layout} {str(volume.dtype)[6:]}")
    if entry is None:
        return None
    voxels = entry["voxels"]
    if isinstance(voxels, int):
        return Tile(voxels, entry["channels"], entry["warps"])
    z, y, x = voxels
    return Tile(z * y * x, entry["channels"], entry["warps"], (z, y, x))


def processors(device: torch.device) -> int:
    """How many programs a device runs side by side, one per multiprocessor."""
    if device.type == "cuda" and not _forced:
        return torch.cuda.get_device_properties(device).multi_processor_count
    return PROCESSORS[architecture(device)]
