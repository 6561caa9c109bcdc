"""warp3d by F.grid_sample: for any flow and device, and for finite flows on a CPU with places that are kept."""

import torch
import torch.nn.functional as F
from torch import Tensor

from .lattice import lattice

FAR = 4.0  # in F.grid_sample's units: at least one voxel outside for every size, and finite


def by_grid_sample(
    volume: Tensor, position: list[Tensor], mask: Tensor | None, lost: Tensor | None, padding: str
) -> Tensor:
    """Hand the positions to F.grid_sample; edges and lost voxels are settled here, in voxels.

    ``align_corners=False`` divides by the size, not by the size minus one: axes of size 1 need no special case, and
    whole positions survive the trip to [-1, 1] and back unharmed where the size is a power of two.
    """
    grid = []
    for place, size in zip(position, reversed(volume.shape[2:]), strict=True):
        low, high = (0, size - 1) if padding == "border" else (-2, size + 1)
        grid.append((2 * F.hardtanh(place, low, high) + 1) / size - 1)
    grid = torch.stack(grid, dim=-1)  # (B, D, H, W, 3)
    if lost is not None:
        grid = grid.masked_fill(lost[..., None], -FAR)
    out = F.grid_sample(volume, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return out if mask is None else out * mask.to(out.dtype)


def sampled(volume: Tensor, flow: Tensor, border: bool) -> Tensor:
    """The same for a finite flow (B, 3, D, H, W) of the volume's type, on a CPU.

    PyTorch finds the edges, and samples a volume of one slice as a picture, in half the time. That slice is read
    whatever dz is: a repeated border asks for that, and zeros outside for a fading that is not done here.
    """
    places = lattice(tuple(volume.shape[2:]), flow.dtype)
    if flat := volume.shape[2] == 1:
        volume, flow = volume.squeeze(2), flow.squeeze(2)[:, :2]
    place = flow + places.centred
    grid = place * places.unit
    if not border:
        grid = grid.clamp(-FAR, FAR)  # a number of voxels that has no integer is outside as well
    elif not places.exact and flow.requires_grad:  # rounding hides the edge, where the slope ends: put it beyond doubt
        held = place.detach()
        grid = torch.where(held.abs() < places.half, grid, held.sign() * FAR)
    if flat:
        return torch.grid_sampler_2d(volume, grid.permute(0, 2, 3, 1), 0, int(border), False).unsqueeze(2)
    return torch.grid_sampler_3d(volume, grid.permute(0, 2, 3, 4, 1), 0, int(border), False)
