"""Places of a volume's voxels; on a CPU kept from call to call, since a small warp would spend its time on them."""

from dataclasses import dataclass

import torch
from torch import Tensor

KEPT = 16  # lattices
LARGEST = 2**18  # voxels of one that is kept: 3 MB in float32, so that all of them are 100 MB in float64


@dataclass(frozen=True)
class Lattice:
    """Places along x, y and z, (3, D, H, W); along x and y, (2, H, W), where there is one slice."""

    centred: Tensor  # in voxels from the middle of the volume
    half: Tensor  # (axes, 1, ...): from the middle to the last voxel
    unit: Tensor  # (axes, 1, ...): a voxel in F.grid_sample's units without align_corners
    exact: bool  # whether whole positions survive the way there and back: all sizes are powers of two


_kept: dict[tuple[tuple[int, ...], torch.dtype], Lattice] = {}


def lattice(sizes: tuple[int, ...], dtype: torch.dtype) -> Lattice:
    """The lattice of a volume of D, H, W voxels on a CPU; nobody may write to it."""
    found = _kept.get((sizes, dtype))
    if found is None:
        with torch.inference_mode(False):  # a tensor that is made in inference mode can be used nowhere else
            found = _made(sizes, dtype)
        own = type(found.centred) is Tensor and not torch._is_functional_tensor(found.centred)
        if own and found.centred[0].numel() <= LARGEST:  # and not a stand-in, under somebody's mode
            if len(_kept) >= KEPT:
                _kept.pop(next(iter(_kept), (sizes, dtype)), None)  # the oldest
            _kept[sizes, dtype] = found
    return found


def _made(sizes: tuple[int, ...], dtype: torch.dtype) -> Lattice:
    """Axes in the order of the flow's channels."""
    sides = sizes[1:] if sizes[0] == 1 else sizes
    axes = [torch.arange(side, dtype=dtype, device="cpu") - (side - 1) / 2 for side in sides]
    centred = torch.stack(torch.meshgrid(*axes, indexing="ij")[::-1])
    side = torch.tensor(sides[::-1], dtype=dtype, device="cpu").view(-1, *(1 for _ in sides))
    return Lattice(centred, (side - 1) / 2, 2 / side, all(side & (side - 1) == 0 for side in sides))


def positions(flow: Tensor, dtype: torch.dtype) -> list[Tensor]:
    """Where a flow (B, 3, D, H, W) without NaN reads: x, y and z in voxels, (B, D, H, W) each; on any device."""
    D, H, W = flow.shape[2:]
    grids = (torch.arange(size, dtype=dtype, device=flow.device) for size in (W, H, D))
    shapes = ((1, 1, W), (1, H, 1), (D, 1, 1))
    return [grid.view(shape) + flow[:, axis] for axis, (grid, shape) in enumerate(zip(grids, shapes, strict=True))]
