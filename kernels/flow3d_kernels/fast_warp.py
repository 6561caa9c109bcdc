"""warp3d by PyTorch's own fused operations: weighted bags of rows where channels are innermost, else F.grid_sample."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from . import reference
from ._layout import channels_innermost

INDEXED = 2**28  # voxels from which on eight indices for each of them need 64 bits: F.embedding_bag counts them all


def warp3d(volume: Tensor, flow: Tensor, mask: Tensor | None, padding: str, deterministic: bool | None) -> Tensor:
    """Choose the path by layout on the CPU; elsewhere rows only where repeatable gradients are asked for."""
    if deterministic is None:
        deterministic = torch.are_deterministic_algorithms_enabled()
    by_rows = channels_innermost(volume) if volume.device.type == "cpu" else deterministic
    dtype = torch.promote_types(volume.dtype, flow.dtype)
    given, lost = flow, flow.isnan().any(dim=1)  # (B, D, H, W)
    if flow.device.type == "cpu" and not torch.compiler.is_compiling() and not lost.any():
        lost = None  # a GPU would have to stop and wait for this answer, a compiler cannot know it
    else:
        flow = flow.masked_fill(lost[:, None], 0)
    D, H, W = volume.shape[2:]
    grids = (torch.arange(size, dtype=dtype, device=flow.device) for size in (W, H, D))
    shapes = ((1, 1, W), (1, H, 1), (D, 1, 1))
    # x, y, z of the place to read, each (B, D, H, W), in voxels
    position = [grid.view(shape) + flow[:, axis] for axis, (grid, shape) in enumerate(zip(grids, shapes, strict=True))]

    out = (_by_rows if by_rows else _by_grid_sample)(volume.to(dtype), position, mask, lost, padding)
    if out.device.type == "cpu" and not torch.compiler.is_compiling() and not out.detach().sum().isfinite():
        # Both paths multiply what lies beside a position by a weight of 0, and 0 times infinity is no number.
        out = reference.warp3d(volume, given, mask, padding)
    if channels_innermost(volume):
        out = out.contiguous(memory_format=torch.channels_last_3d)
    return out.to(volume.dtype)


def _by_grid_sample(
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
        grid = grid.masked_fill(lost[..., None], -4)  # at least one voxel outside for every size
    out = F.grid_sample(volume, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return out if mask is None else out * mask.to(out.dtype)


def _by_rows(volume: Tensor, position: list[Tensor], mask: Tensor | None, lost: Tensor | None, padding: str) -> Tensor:
    """Read each output voxel as a weighted bag of eight rows of C values.

    Every position is sampled as if the border were repeated; one scalar per voxel, folded into the weights, carries
    whatever dims the result: the mask, the fading to zero outside, a lost position.
    """
    B, C, D, H, W = volume.shape
    keep = None if mask is None else mask[:, 0].to(volume.dtype)  # (B, D, H, W)
    if lost is not None:
        keep = (~lost).to(volume.dtype) if keep is None else keep * ~lost

    integer = torch.int32 if B * D * H * W < INDEXED else torch.int64
    row = torch.arange(B, dtype=integer, device=volume.device).view(B, 1, 1, 1)  # grows into the first corner's row
    steps = torch.zeros(1, dtype=integer, device=volume.device)  # from the first corner to all eight
    weights = []  # per axis, z first: the two neighbours' shares
    for place, size in zip(reversed(position), (D, H, W), strict=True):
        first, share, fade = _axis(place, size, padding)
        row = row * size + first.to(integer)
        step = torch.arange(2, dtype=integer, device=volume.device) * (size > 1)
        steps = (steps[:, None] * size + step).flatten()
        weights.append((1 - share, share))
        if fade is not None:
            keep = fade if keep is None else keep * fade
    if keep is not None:
        weights[0] = tuple(keep * share for share in weights[0])

    z, y, x = weights
    plane = [zw * yw for zw in z for yw in y]
    weight = torch.stack([zy * xw for zy in plane for xw in x], dim=-1)  # (B, D, H, W, 8)
    index = row.reshape(-1, 1) + steps  # (BDHW, 8)
    rows = volume.permute(0, 2, 3, 4, 1).reshape(-1, C)  # (BDHW, C), a view where volume is channels-last
    if torch.compiler.is_compiling():
        out = F.embedding_bag(index, rows, mode="sum", per_sample_weights=weight.view(-1, 8))
    else:
        out, *_ = BagsOfRows.apply(rows, index, weight.view(-1, 8))
    return out.view(B, D, H, W, C).permute(0, 4, 1, 2, 3)


def _axis(position: Tensor, size: int, padding: str) -> tuple[Tensor, Tensor, Tensor | None]:
    """Find, on one axis, the lower of two neighbours inside it, the upper one's share, and the fading outside."""
    last = size - 1
    first = position.detach().floor().clamp(0, max(last - 1, 0))  # the upper neighbour is then inside too
    if padding == "border":
        return first, F.hardtanh(position, 0, last) - first, None
    # The comparisons leave a whole position to the cell of higher index, as F.grid_sample does for the gradient.
    share = torch.where(position < 0, 0.0, torch.where(position < last, position - first, 1.0))
    fade_above = torch.where(position < last, 1.0, F.relu(size - position))
    return first, share, torch.where(position < 0, (position + 1).clamp(min=0), fade_above)


class BagsOfRows(torch.autograd.Function):
    """F.embedding_bag with a second derivative: weighted sums of eight rows each."""

    @staticmethod
    def forward(rows: Tensor, index: Tensor, weight: Tensor) -> tuple[Tensor, ...]:
        """Rows (R, C), index and weight (P, 8) -> (P, C), and what the gradients need besides."""
        starts = torch.arange(0, index.numel(), 8, dtype=index.dtype, device=index.device)
        found = torch.ops.aten._embedding_bag(rows, index.view(-1), starts, False, 0, False, weight.view(-1))
        return *found, starts

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, ...]) -> None:
        """Keep the inputs and PyTorch's bookkeeping."""
        ctx.mark_non_differentiable(*output[1:])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*inputs, *output[1:])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        """PyTorch's fused gradients; plain operations where somebody wants to differentiate them again."""
        grad = grads[0]
        if grad is None:
            return None, None, None
        rows, index, weight, bag_of, sizes, largest, starts = ctx.saved_tensors
        grad = grad.contiguous()
        grad_rows = grad_weight = None
        if torch.is_grad_enabled():
            if ctx.needs_input_grad[0]:
                owed = weight[..., None] * grad[:, None]  # (P, 8, C)
                grad_rows = torch.zeros_like(rows).index_add(0, index.flatten(), owed.flatten(0, 1))
            if ctx.needs_input_grad[2]:
                grad_weight = (rows[index] * grad[:, None]).sum(-1)
            return grad_rows, None, grad_weight
        flat = index.view(-1), starts, bag_of
        if ctx.needs_input_grad[0]:
            bookkeeping = (*flat, sizes, largest, len(rows), False, 0, False)
            grad_rows = torch.ops.aten._embedding_bag_backward(grad, *bookkeeping, weight.view(-1), -1)
        if ctx.needs_input_grad[2]:
            grad_weight = torch.ops.aten._embedding_bag_per_sample_weights_backward(grad, rows, *flat, 0)
            grad_weight = grad_weight.view(weight.shape)
        return grad_rows, None, grad_weight
