"""Both operations as their formulas read, on any device, differentiable: what every faster path is measured against."""

from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

from ._layout import spread_style
from ._shapes import Float, Int

# What is squared is made so much smaller first, and back: a power of two changes no digit, and 1e20 has a square too.
SHRINK = 2.0**-40


def neighbours(
    position: Float[Tensor, "B D H W"], size: int, padding: str
) -> list[tuple[Int[Tensor, "B D H W"], Float[Tensor, "B D H W"]]]:
    """Find the two voxels around each position on one axis: (index, weight) below and above.

    A voxel outside the axis has weight 0, and its index is moved inside so that it can be read.
    """
    low, high = (0, size - 1) if padding == "border" else (-2, size + 1)
    position = F.hardtanh(position, low, high)  # a clamp whose gradient is 0 at and beyond both ends
    below = position.detach().floor()
    above_weight = position - below
    pair = []
    for index, weight in ((below, 1 - above_weight), (below + 1, above_weight)):
        inside = (index >= 0) & (index < size)
        pair.append((index.clamp(0, size - 1).long(), weight * inside))
    return pair


def warp3d(
    volume: Float[Tensor, "B C D H W"],
    flow: Float[Tensor, "B 3 D H W"],
    mask: Float[Tensor, "B 1 D H W"] | None = None,
    padding: str = "border",
    deterministic: bool | None = None,
) -> Float[Tensor, "B C D H W"]:
    """Sum the eight voxels around ``p + flow(p)``, each weighted by how near it is: see flow3d_kernels.warp3d.

    ``deterministic`` is taken for the shared signature only: gather follows torch.use_deterministic_algorithms.
    """
    B, C, D, H, W = volume.shape
    dtype = torch.promote_types(volume.dtype, flow.dtype)  # flow is float32 at least, so the sum is too
    lost = flow.isnan().any(dim=1, keepdim=True)  # (B, 1, D, H, W): positions that say nothing
    dx, dy, dz = flow.masked_fill(lost, 0).to(dtype).unbind(dim=1)  # each (B, D, H, W)

    def grid(size: int) -> Tensor:
        return torch.arange(size, dtype=dtype, device=flow.device)

    x = neighbours(grid(W) + dx, W, padding)
    y = neighbours(grid(H)[:, None] + dy, H, padding)
    z = neighbours(grid(D)[:, None, None] + dz, D, padding)

    voxels = volume.to(dtype).flatten(2)  # (B, C, DHW)
    out, weights = torch.zeros_like(voxels), torch.zeros_like(lost.view(B, 1, -1), dtype=dtype)
    for (zi, zw), (yi, yw), (xi, xw) in product(z, y, x):  # the eight corners
        index = ((zi * H + yi) * W + xi).view(B, 1, -1).expand(-1, C, -1)  # (B, C, DHW)
        weight = (zw * yw * xw).view(B, 1, -1)  # (B, 1, DHW)
        read = voxels.gather(2, index)
        read = read.masked_fill((weight == 0) & ~read.isfinite(), 0)  # what has no weight is as good as not read
        out, weights = out + weight * read, weights + weight.detach()

    out = out.view(B, C, D, H, W)
    if mask is not None:
        out = out * mask
    nothing = (weights.view(lost.shape) == 0) & ~out.isfinite()  # a finite 0 has a slope just outside
    return out.masked_fill(lost | nothing, 0).to(volume.dtype)


def mean_of(x: Float[Tensor, "B C D H W"]) -> Float[Tensor, "B C 1 1 1"]:
    """Mean over D, H, W, and what rounding its sum has lost: exact where a channel is constant."""
    mean = x.mean(dim=(2, 3, 4), keepdim=True)
    return mean + (x - mean).mean(dim=(2, 3, 4), keepdim=True)


def inverse_deviation(centred: Float[Tensor, "B C D H W"], eps: float) -> Float[Tensor, "B C 1 1 1"]:
    """1 / sqrt(variance + eps) of values about their mean."""
    variance = (centred * SHRINK).square().mean(dim=(2, 3, 4), keepdim=True)
    return SHRINK / torch.sqrt(variance + smallest(eps, centred.dtype))


def normalised(x: Float[Tensor, "B C D H W"], eps: float) -> Float[Tensor, "B C D H W"]:
    """Each channel of each sample with mean 0 and variance 1."""
    centred = x - mean_of(x)
    return centred * inverse_deviation(centred, eps)


def smallest(eps: float, dtype: torch.dtype) -> float:
    """``eps`` beside a variance that is SHRINK^2 as large; never less than the smallest number with all its digits."""
    return max(eps * SHRINK**2, torch.finfo(dtype).tiny)


def adain3d(
    x: Float[Tensor, "B C D H W"],
    gamma: Float[Tensor, "B C *spatial"],
    beta: Float[Tensor, "B C *rest"],
    eps: float = 1e-5,
    negative_slope: float | None = None,
    residual: Float[Tensor, "B C D H W"] | None = None,
) -> Float[Tensor, "B C D H W"]:
    """Normalise each channel of each sample to mean 0 and variance 1, then restyle it: see flow3d_kernels.adain3d."""
    dtype = torch.promote_types(x.dtype, torch.float32)
    out = normalised(x.to(dtype), eps) * (1 + spread_style(gamma, dtype)) + spread_style(beta, dtype)
    if residual is not None:
        out = out + residual.to(dtype)
    if negative_slope is not None:
        out = F.leaky_relu(out, negative_slope)
    return out.to(x.dtype)
