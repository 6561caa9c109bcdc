"""What a kernel costs a card that is not there: instructions of its machine code, rows that its reads touch."""

import re
from collections.abc import Sequence

import torch
from torch import Tensor

INSTRUCTION = re.compile(r"^\s+/\*([0-9a-f]{4,})\*/\s+(.*?);", re.MULTILINE)
SHORTEST_LOOP = 4  # instructions: the program ends with a jump to itself


def machine_instructions(sass: str) -> list[tuple[int, str]]:
    """Address and text of each instruction of a disassembly by cuobjdump; fillers left out."""
    return [(int(at, 16), text) for at, text in INSTRUCTION.findall(sass) if not text.startswith("NOP")]


def issued(sass: str, trips: int) -> int:
    """Instructions that one warp issues: straight through, every loop ``trips`` times."""
    program = machine_instructions(sass)
    total = len(program)
    for at, text in program:
        jump = re.search(r"\bBRA\b.*?(0x[0-9a-f]+)", text)
        if jump and int(jump[1], 16) <= at:
            body = sum(int(jump[1], 16) <= place <= at for place, _ in program)
            total += body * (trips - 1) if body >= SHORTEST_LOOP else 0
    return total


def rows_per_voxel(flow: Tensor, brick: Sequence[int]) -> float:
    """Rows of C values that programs fetch for each voxel in border mode; a brick (z, y, x) fetches no row twice.

    A row that several voxels of a brick read comes from the L2 cache once; ``flow`` is (1, 3, D, H, W) in voxels.
    """
    sizes = flow.shape[2:]
    corners = [torch.zeros(sizes, dtype=torch.long)]
    for axis, size in enumerate(sizes):
        place = torch.arange(size).view([-1 if axis == each else 1 for each in range(3)]) + flow[0, 2 - axis]
        place = place.clamp(0, size - 1)
        below = place.floor().long()
        above = below + (place > below)
        corners = [corner * size + neighbour for corner in corners for neighbour in (below, above)]
    rows = torch.stack(corners, dim=-1)  # (D, H, W, 8)
    fetched = 0
    for block in (part for z in rows.split(brick[0]) for y in z.split(brick[1], 1) for part in y.split(brick[2], 2)):
        fetched += block.unique().numel()
    return fetched / (sizes[0] * sizes[1] * sizes[2])
