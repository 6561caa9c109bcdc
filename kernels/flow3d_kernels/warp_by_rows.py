"""warp3d by weighted bags of rows: the formula that PyTorch differentiates, and the same as one function on a CPU."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from . import bags
from ._autograd import Function, gradients_of
from ._layout import channels_innermost, laid_out
from .lattice import positions


def by_rows(volume: Tensor, position: list[Tensor], mask: Tensor | None, lost: Tensor | None, padding: str) -> Tensor:
    """Read each output voxel as a weighted bag of eight rows of C values.

    Every position is sampled as if the border were repeated; one scalar per voxel, folded into the weights, carries
    whatever dims the result: the mask, the fading to zero outside, a lost position.
    """
    B, C, D, H, W = volume.shape
    keep = None if mask is None else mask[:, 0].to(volume.dtype)  # (B, D, H, W)
    if lost is not None:
        keep = (~lost).to(volume.dtype) if keep is None else keep * ~lost

    firsts, weights = [], []  # per axis, z first: the lower neighbour; the two neighbours' shares
    for place, size in zip(reversed(position), (D, H, W), strict=True):
        first, share, fade = along_axis(place, size, padding)
        firsts.append(first)
        weights.append((1 - share, share))
        if fade is not None:
            keep = fade if keep is None else keep * fade
    if keep is not None:
        weights[0] = tuple(keep * share for share in weights[0])

    z, y, x = weights
    plane = [zw * yw for zw in z for yw in y]
    weight = torch.stack([zy * xw for zy in plane for xw in x], dim=-1).view(-1, 8)  # (BDHW, 8)
    index = corners(firsts)
    rows = volume.permute(0, 2, 3, 4, 1).reshape(-1, C)  # (BDHW, C), a view where volume is channels-last
    if torch.compiler.is_compiling():
        out = F.embedding_bag(index, rows, mode="sum", per_sample_weights=weight)
    else:
        out, *_ = bags.BagsOfRows.of(rows, index, weight)
    return out.view(B, D, H, W, C).permute(0, 4, 1, 2, 3)


def along_axis(position: Tensor, size: int, padding: str) -> tuple[Tensor, Tensor, Tensor | None]:
    """Find, on one axis, the lower of two neighbours inside it, the upper one's share, and the fading outside."""
    last = size - 1
    first = position.detach().floor().clamp(0, max(last - 1, 0))  # the upper neighbour is then inside too
    if padding == "border":
        return first, F.hardtanh(position, 0, last) - first, None
    # The comparisons leave a whole position to the cell of higher index, as F.grid_sample does for the gradient.
    share = torch.where(position < 0, 0.0, torch.where(position < last, position - first, 1.0))
    return first, share, fading(position, size)


def fading(position: Tensor, size: int) -> Tensor:
    """How much is left where zeros begin: 1 inside, 0 from a voxel outside on."""
    above = torch.where(position < size - 1, 1.0, F.relu(size - position))
    return torch.where(position < 0, (position + 1).clamp(min=0), above)


def corners(firsts: list[Tensor]) -> Tensor:
    """The lowest corner (B, D, H, W) along z, y and x -> the rows of all eight, (BDHW, 8)."""
    B, *sizes = firsts[0].shape
    device, integer = firsts[0].device, bags.integer_for(firsts[0].numel())
    row = torch.arange(B, dtype=integer, device=device).view(B, 1, 1, 1)  # grows into the lowest corner's row
    steps = torch.zeros(1, dtype=integer, device=device)  # from the lowest corner to all eight
    for first, size in zip(firsts, sizes, strict=True):
        row = row * size + first.to(integer)
        steps = (steps[:, None] * size + torch.arange(2, dtype=integer, device=device) * (size > 1)).flatten()
    return row.reshape(-1, 1) + steps


class Bagged(Function):
    """The same with a repeated border, of finite positions, without what is only there to be differentiated."""

    @staticmethod
    def forward(volume: Tensor, flow: Tensor, mask: Tensor | None) -> tuple[Tensor, ...]:
        """Volume (B, C, D, H, W), flow and mask in its type -> the result, and what the gradients need."""
        shares, firsts = [], []  # z first
        for place, size in zip(reversed(positions(flow, flow.dtype)), volume.shape[2:], strict=True):
            place = place.clamp_(0, size - 1)
            firsts.append(place.floor().clamp_(max=max(size - 2, 0)))
            shares.append(place.sub_(firsts[-1]).reshape(-1))
        z, y, x = ((1 - share, share) for share in shares)
        if mask is not None:
            z = tuple(share * mask.reshape(-1) for share in z)
        weight = flow.new_empty(len(shares[0]), 8)
        plane = [zw * yw for zw in z for yw in y]
        for corner in range(8):
            torch.mul(plane[corner >> 1], x[corner & 1], out=weight[:, corner])
        rows, index = to_rows(volume), corners(firsts)
        out, *bookkeeping = bags.summed(rows, index, weight)
        return from_rows(out, volume), rows, index, weight, torch.stack(shares), *bookkeeping

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        """Keep everything; the rows are the volume itself where channels are innermost."""
        ctx.mark_non_differentiable(*output[1:])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*inputs, *output[1:])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        """The rows' gradient by bags; the others' from the products of rows with gradients, one for each corner."""
        grad = grads[0]
        if grad is None:
            return None, None, None
        volume, flow, mask, rows, index, weight, shares, *bookkeeping = ctx.saved_tensors
        if torch.is_grad_enabled():  # somebody differentiates again
            return gradients_of(_formula, (volume, flow, mask), grad)
        wants_volume, wants_flow, wants_mask = ctx.needs_input_grad
        grad = to_rows(grad)
        grad_volume = grad_flow = grad_mask = None
        if wants_volume:
            grad_volume = from_rows(bags.owed_to_rows(grad, index, weight, len(rows)), volume)
        if wants_flow or wants_mask:
            products = bags.owed_to_weight(grad, rows, index, tuple(bookkeeping)).t().contiguous()  # (8, BDHW)
            value, *slopes = nested(products, *shares)
            grad_mask = None if mask is None else value.view(mask.shape)
            grad_flow = torch.empty_like(flow, memory_format=torch.contiguous_format)
            for axis, (place, slope) in enumerate(zip(positions(flow, flow.dtype), slopes, strict=True)):
                slope = slope.view(place.shape) if mask is None else slope.view(place.shape) * mask[:, 0]
                held = (place <= 0).logical_or_(place >= flow.shape[4 - axis] - 1)
                grad_flow[:, axis] = slope.masked_fill_(held, 0)
        return grad_volume, grad_flow, grad_mask


def nested(corner: Tensor, z: Tensor, y: Tensor, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Values at eight corners (8, P), z first, and shares (P) -> the value between, and its slopes along x, y and z."""
    along_z = corner[4:] - corner[:4]  # (4, P)
    level = torch.addcmul(corner[:4], along_z, z)
    along_y = level[2:] - level[:2]  # (2, P)
    level = torch.addcmul(level[:2], along_y, y)
    along_x = level[1] - level[0]
    slope_z = torch.addcmul(along_z[:2], along_z[2:] - along_z[:2], y)
    between = lambda pair: torch.addcmul(pair[0], pair[1] - pair[0], x)  # noqa: E731
    return between(level), along_x, between(along_y), between(slope_z)


def to_rows(volume: Tensor) -> Tensor:
    """(B, C, D, H, W) -> (BDHW, C), contiguous; the same memory where channels are innermost."""
    return laid_out(volume, True).permute(0, 2, 3, 4, 1).reshape(-1, volume.shape[1])


def from_rows(rows: Tensor, like: Tensor) -> Tensor:
    """(BDHW, C) -> a volume (B, C, D, H, W) of the layout of ``like``."""
    B, C, D, H, W = like.shape
    if channels_innermost(like):
        return rows.view(B, D, H, W, C).permute(0, 4, 1, 2, 3)
    volume = like.new_empty(like.shape)
    for sample, of_sample in zip(volume, rows.view(B, -1, C), strict=True):
        sample.view(C, -1).copy_(of_sample.t())  # of two axes PyTorch transposes blocks
    return volume


def _formula(volume: Tensor, flow: Tensor, mask: Tensor | None) -> Tensor:
    """What ``Bagged`` computes, of operations that PyTorch differentiates twice."""
    return by_rows(volume, positions(flow, flow.dtype), mask, None, "border")
