"""Exercises of notebook 08's ladder: instructions counted, rows shared, both neighbours inside, the best brick."""

import re
from collections.abc import Callable, Sequence
from itertools import product
from math import prod

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from flow3d.teach.exercises.exercise import Exercise
from flow3d_kernels.triton_kernels.counts import (
    INSTRUCTION,
    SHORTEST_LOOP,
    issued,
    machine_instructions,
    rows_per_voxel,
)
from flow3d_kernels.triton_kernels.tiles import brick_of
from flow3d_kernels.warp_by_rows import along_axis as hold_inside

Flow = Float[Tensor, "1 3 D H W"]
Positions = Float[Tensor, "N"]
Sides = tuple[int, int, int]

HEAD = ("LDC R1, c[0x0][0x28]", "S2R R0, SR_TID.X")
BODY = ("LDG.E.128 R4, desc[UR4][R2.64]", "FFMA R4, R5, R6, R4", "FFMA R7, R5, R8, R7", "IADD3 R2, R2, 0x80, RZ")


def _listing(*texts: str, fillers: int = 0) -> str:
    """A disassembly as cuobjdump prints it, with the jump to itself and the fillers that end each program."""
    program = [*texts, "EXIT", f"BRA {16 * (len(texts) + 1):#x}", *["NOP"] * fillers]
    return "\n".join(
        f"        /*{16 * at:04x}*/    {text} ;    /* 0x0000000000007918 */" for at, text in enumerate(program)
    )


def _counted(loop: Callable[[int, int], bool], body: Callable[[int], int] = int) -> Callable[[str, int], int]:
    """Count with another idea of which jumps close a loop, from and to an address, and of how long its body is."""

    def count(sass: str, trips: int) -> int:
        program = machine_instructions(sass)
        total = len(program)
        for at, text in program:
            if jump := re.search(r"\bBRA\b.*?(0x[0-9a-f]+)", text):
                low, high = sorted((at, int(jump[1], 16)))
                total += (
                    body(sum(low <= place <= high for place, _ in program)) * (trips - 1) * loop(at, int(jump[1], 16))
                )
        return total

    return count


def _closes(at: int, to: int) -> bool:
    """Whether a jump closes a loop, as the package sees it: addresses are 16 bytes apart."""
    return at - to >= 16 * (SHORTEST_LOOP - 1)


def _drawn(amplitude: float, constant: float = 0.0) -> Flow:
    """A flow of (4, 8, 32) voxels that changes over some of them."""
    coarse = torch.randn(1, 3, 2, 2, 5, generator=torch.Generator().manual_seed(2))
    return constant + amplitude * F.interpolate(coarse, (4, 8, 32), mode="trilinear", align_corners=True)


def _rows(flow: Flow, brick: Sequence[int], all_eight: bool = False, held: bool = True, flat: bool = False) -> float:
    """Rows for each voxel, counted with what a learner may forget."""
    sizes = flow.shape[2:]
    ranges = [
        torch.arange(size).view([-1 if axis == other else 1 for other in range(3)]) for axis, size in enumerate(sizes)
    ]
    corners = [torch.zeros(sizes, dtype=torch.long)]
    for axis, size in enumerate(sizes):
        place = ranges[axis] + flow[0, 2 - axis]
        place = place.clamp(0, size - 1) if held else place
        below = place.floor().long()
        above = (below + 1).clamp(max=size - 1 if held else 1000) if all_eight else below + (place > below)
        corners = [corner * 1000 + 100 + each for corner in corners for each in (below, above)]
    rows = torch.stack(corners, dim=-1)
    if flat:
        return sum(part.unique().numel() for part in rows.view(-1, 8).split(prod(brick))) / prod(sizes)
    cut = (part for z in rows.split(brick[0]) for y in z.split(brick[1], 1) for part in y.split(brick[2], 2))
    return sum(part.unique().numel() for part in cut) / prod(sizes)


def _held(position: Positions, size: int, padding: str) -> tuple[Positions, Positions, Positions | None]:
    """Lower neighbour, share and fading as they should be, the last in either padding."""
    first, share, _ = hold_inside(position, size, padding)
    _, _, fade = hold_inside(position, size, "zeros")
    return first, share, fade


def _but(change: Callable[..., tuple]) -> Callable[..., tuple]:
    """Hold inside, then spoil something: ``change(position, last, first, share, fade)``."""

    def spoilt(position: Positions, size: int, padding: str) -> tuple:
        return change(position, size - 1, *hold_inside(position, size, padding))

    return spoilt


def _dimmed(fade: Positions | None, other: Positions) -> Positions | None:
    """Another fading, where there is any."""
    return None if fade is None else other


def _beyond(position: Positions, last: int) -> Positions:
    """How far a position lies outside."""
    return (position - position.clamp(0, last)).abs()


def _bricks(voxels: int, sizes: Sequence[int]) -> list[Sides]:
    """Every brick of so many voxels with sides that are powers of two and fit."""
    powers = [2**k for k in range(voxels.bit_length())]
    fit = [[side for side in powers if side <= 1 << (size - 1).bit_length()] for size in sizes]
    return [(z, y, x) for z, y, x in product(*fit) if z * y * x == voxels]


def _best(rows: Callable[[Sides], float]) -> Callable[[int, Sequence[int]], Sides]:
    """The brick with the least of some measure; of equals the longest in x, then in y."""
    return lambda voxels, sizes: min(_bricks(voxels, sizes), key=lambda brick: (rows(brick), -brick[2], -brick[1]))


def _fetched(brick: Sides) -> int:
    z, y, x = brick
    return (z + 1) * (y + 1) * (x + 1)


EXERCISES = [
    Exercise(
        name="issued",
        reference=issued,
        cases={
            "straight through": lambda: (_listing(*HEAD, *BODY), 8),
            "a loop of five": lambda: (_listing(*HEAD, *BODY, "@!P6 BRA 0x20", "STG.E.128 [R2.64], R4"), 8),
            "two loops": lambda: (_listing(*HEAD, *BODY, "@P0 BRA 0x20", *BODY, "FADD R1, R1, R2", "@P1 BRA 0x70"), 3),
            "a jump forwards, then a loop": lambda: (_listing("@P0 BRA 0x60", *HEAD, *BODY, "@P1 BRA 0x30"), 4),
            "fillers at the end": lambda: (_listing(*HEAD, *BODY, fillers=5), 2),
        },
        mistakes={
            "every instruction once, loops not multiplied out": lambda sass, trips: issued(sass, 1),
            "every loop once more than it runs": lambda sass, trips: issued(sass, trips + 1),
            "everything multiplied, not only the loop": lambda sass, trips: trips * len(machine_instructions(sass)),
            "the jump that closes a loop left out of it": _counted(_closes, lambda length: length - 1),
            "the jump to itself at the end taken for a loop": _counted(lambda at, to: at >= to),
            "a jump forwards taken for a loop": _counted(lambda at, to: at != to),
            "the fillers (NOP) counted": lambda s, n: (
                issued(s, n) + len(INSTRUCTION.findall(s)) - len(machine_instructions(s))
            ),
        },
        hint="Begin with len(program). For each BRA to an earlier address add (trips - 1) times what lies between.",
    ),
    Exercise(
        name="rows_per_voxel",
        reference=rows_per_voxel,
        cases={
            "a line, half a voxel everywhere": lambda: (torch.full((1, 3, 4, 8, 32), 0.5), (1, 1, 32)),
            "a line, a flow that changes": lambda: (_drawn(2.0), (1, 1, 32)),
            "a brick, a flow that changes": lambda: (_drawn(2.0), (2, 4, 4)),
            "a brick, a flow that leaves the volume": lambda: (_drawn(1.0, 6.0), (2, 4, 4)),
            "zero flow": lambda: (torch.zeros(1, 3, 4, 8, 32), (1, 1, 32)),
        },
        mistakes={
            "nothing shared: eight rows for each voxel": lambda flow, brick: 8.0,
            "neighbours without weight fetched too": lambda flow, brick: _rows(flow, brick, all_eight=True),
            "dx taken for dz": lambda flow, brick: rows_per_voxel(flow.flip(1), brick),
            "positions not held at the edge": lambda flow, brick: _rows(flow, brick, held=False),
            "a brick cut from voxels that follow one another": lambda flow, brick: _rows(flow, brick, flat=True),
            "a row fetched once for the whole volume": lambda flow, brick: rows_per_voxel(flow, flow.shape[2:]),
            "rows of a brick, not of a voxel": lambda flow, brick: rows_per_voxel(flow, brick) * prod(brick),
        },
        hint="Number the eight rows of each voxel, (z * H + y) * W + x; .unique() in each brick; divide by all voxels.",
    ),
    Exercise(
        name="hold_inside",
        reference=hold_inside,
        cases={
            "inside, border": lambda: (torch.tensor([0.25, 3.5, 4.75]), 6, "border"),
            "on the first and the last voxel, border": lambda: (torch.tensor([0.0, 5.0]), 6, "border"),
            "beyond both ends, border": lambda: (torch.tensor([-40.0, -0.25, 5.5, 40.0]), 6, "border"),
            "inside, zeros": lambda: (torch.tensor([0.0, 0.25, 3.5, 5.0]), 6, "zeros"),
            "half outside, zeros": lambda: (torch.tensor([-0.25, 5.25]), 6, "zeros"),
            "far outside, zeros": lambda: (torch.tensor([-1.0, -40.0, 6.0, 40.0]), 6, "zeros"),
            "an axis of two voxels": lambda: (torch.tensor([-0.5, 0.5, 1.5]), 2, "zeros"),
        },
        mistakes={
            "the upper neighbour of the last voxel lies outside": _but(
                lambda p, last, first, share, fade: (p.clamp(0, last).floor(), p.clamp(0, last) % 1, fade)
            ),
            "the share measured from the floor: 0 on the last voxel": _but(
                lambda p, last, first, share, fade: (first, p.clamp(0, last) % 1, fade)
            ),
            "the share not held: below 0 and beyond 1": _but(
                lambda p, last, first, share, fade: (first, p - first, fade)
            ),
            "cut off at the edge instead of fading": _but(
                lambda p, last, first, share, fade: (first, share, _dimmed(fade, (_beyond(p, last) == 0).float()))
            ),
            "the fading starts a voxel too late": _but(
                lambda p, last, first, share, fade: (first, share, _dimmed(fade, (2 - _beyond(p, last)).clamp(0, 1)))
            ),
            "the fading goes below 0": _but(
                lambda p, last, first, share, fade: (first, share, _dimmed(fade, 1 - _beyond(p, last)))
            ),
            "no fading: the edge goes on, zeros or not": _but(
                lambda p, last, first, share, fade: (first, share, _dimmed(fade, torch.ones_like(p)))
            ),
            "a fading for border, where None was asked for": _held,
        },
        hint="held = position.clamp(0, size - 1); first is its floor, at most size - 2; share = held - first.",
    ),
    Exercise(
        name="brick",
        reference=brick_of,
        cases={
            "32 voxels of the paper's volume": lambda: (32, (16, 64, 64)),
            "64 voxels": lambda: (64, (16, 64, 64)),
            "128 voxels of a flat volume": lambda: (128, (2, 64, 64)),
            "32 voxels of a picture": lambda: (32, (1, 64, 64)),
            "16 voxels of a volume of 3x5x100": lambda: (16, (3, 5, 100)),
            "128 voxels of a volume of 3x5x100": lambda: (128, (3, 5, 100)),
        },
        mistakes={
            "a line": lambda voxels, sizes: (1, 1, voxels),
            "the sides in the order x, y, z": lambda voxels, sizes: brick_of(voxels, sizes)[::-1],
            "longer than the volume": lambda voxels, sizes: brick_of(voxels, (voxels,) * 3),
            "the most rows instead of the fewest": _best(lambda brick: -_fetched(brick)),
            "of equals the deepest": lambda voxels, sizes: min(
                _bricks(voxels, sizes), key=lambda b: (_fetched(b), -b[0])
            ),
            "no longer than the volume itself, not than its next power of two": lambda voxels, sizes: brick_of(
                voxels, [1 << (size.bit_length() - 1) for size in sizes]
            ),
        },
        hint="Try all powers of two whose product is voxels; or begin with (1, 1, 1) and double the shortest side.",
    ),
]
