"""warp3d by PyTorch's own fused operations: weighted bags of rows where channels are many, else F.grid_sample."""

import math

import torch
from torch import Tensor

from . import reference
from ._autograd import wanted
from ._layout import channels_innermost, laid_out, typed
from .lattice import lattice, positions
from .warp_by_grid import by_grid_sample, sampled
from .warp_by_rows import Bagged, by_rows, fading

MANY = 16  # channels that are read faster together, even where they are copied side by side first
MANY_BACK = 32  # the same of contiguous volumes whose gradients are wanted


def warp3d(volume: Tensor, flow: Tensor, mask: Tensor | None, padding: str, deterministic: bool | None) -> Tensor:
    """On a CPU the path that fits; elsewhere, and for a compiler, what any flow can be given to."""
    if not volume.is_cpu or torch.compiler.is_compiling():
        return _any_flow(volume, flow, mask, padding, deterministic)
    if math.isfinite(flow.detach().sum().item()):
        out = _finite_flow(volume, flow, mask, padding)
    else:  # NaN, infinities, or numbers whose sum is one
        out = _any_flow(volume, flow, mask, padding, deterministic)
    if not math.isfinite(out.detach().sum().item()):
        # Both paths multiply what lies beside a position by a weight of 0, and 0 times infinity is no number.
        out = reference.warp3d(volume, flow, mask, padding)
    return typed(laid_out(out, channels_innermost(volume)), volume.dtype)


def _finite_flow(volume: Tensor, flow: Tensor, mask: Tensor | None, padding: str) -> Tensor:
    """Rows or pictures, with all tensors in one type; the result may be in another layout."""
    channels_last, border = channels_innermost(volume), padding == "border"
    wide = flow.dtype if volume.dtype == flow.dtype else torch.promote_types(volume.dtype, flow.dtype)
    volume, flow = typed(volume, wide), typed(flow, wide)
    mask = None if mask is None else typed(mask, wide)
    if _by_rows_pays(volume, wanted(volume, flow, mask)):
        if not border:
            return by_rows(volume, positions(flow, wide), mask, None, padding)
        run = Bagged.of if wanted(volume, flow, mask) else Bagged.forward
        return run(laid_out(volume, channels_last), flow, mask)[0]
    out = sampled(volume, flow, border)
    if not border and volume.shape[2] == 1:
        out = out * fading(flow[:, 2:], 1)
    return out if mask is None else out * mask


def _by_rows_pays(volume: Tensor, differentiated: bool) -> bool:
    """Whether rows are faster; and always where a channels-last volume would not survive zero flow to the bit."""
    if channels_innermost(volume):
        return volume.shape[1] >= MANY or not lattice(tuple(volume.shape[2:]), volume.dtype).exact
    return volume.shape[1] >= (MANY_BACK if differentiated else MANY)


def _any_flow(volume: Tensor, flow: Tensor, mask: Tensor | None, padding: str, deterministic: bool | None) -> Tensor:
    """Choose the path by layout on a CPU; elsewhere rows only where repeatable gradients are asked for."""
    if deterministic is None:
        deterministic = torch.are_deterministic_algorithms_enabled()
    dtype = torch.promote_types(volume.dtype, flow.dtype)
    lost = flow.isnan().any(dim=1)  # (B, D, H, W)
    position = positions(flow.masked_fill(lost[:, None], 0), dtype)
    use_rows = channels_innermost(volume) if volume.is_cpu else deterministic
    out = (by_rows if use_rows else by_grid_sample)(volume.to(dtype), position, mask, lost, padding)
    return typed(laid_out(out, channels_innermost(volume)), volume.dtype)
