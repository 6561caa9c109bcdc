"""Instance norm and its gradient by PyTorch's group norm and batch norm, on a CPU, in either layout.

A volume that is not contiguous is channels-last here: others are laid out before.

PyTorch adds a channel up in few float32 accumulators, in one where channels are innermost: 65,536 voxels cost it a
digit or two. A large volume is therefore seen as one of many more channels with fewer voxels each, which it is in
memory. Its sums are short, and joining them costs next to nothing.
"""

from typing import Any

import torch
from torch import Tensor

from ._layout import spread_style

FEW = 4096  # voxels for which PyTorch's sums are good enough
LONGEST = 256  # voxels whose products one accumulator adds up well; where voxels are innermost, several share FEW

Statistics = tuple[Tensor, Tensor, Tensor]


def pieces(x: Tensor) -> int:
    """How many channels each channel is seen as, so that few voxels are left to each of them.

    Where channels are innermost, voxels that lie side by side go to different ones, else those that lie far apart do.
    """
    D, H, W = x.shape[2:]
    whole, longest = (D, FEW) if x.is_contiguous() else (W, LONGEST)
    voxels, share = D * H * W, 1
    if voxels <= longest:
        return 1
    while voxels > longest * whole * share and share < H:
        share = H if H % (2 * share) else 2 * share  # a divisor of H
    return whole * share


def rows(x: Tensor) -> Tensor:
    """A channels-last volume (B, C, D, H, W) as (B, voxels of a piece, pieces * C), in its own memory."""
    return x.permute(0, 2, 3, 4, 1).reshape(x.shape[0], -1, pieces(x) * x.shape[1])


def batch_normalised(x: Tensor, scale: Tensor, shift: Tensor, eps: float) -> Statistics:
    """``normalised`` of FEW voxels by batch norm, whose gradients are PyTorch's own; contiguous where B is not 1."""
    volume = x if len(x) == 1 else x.view(1, x.shape[0] * x.shape[1], -1)
    scale, shift = scale.reshape(-1), shift.reshape(-1)
    out, mean, inverse = torch.native_batch_norm(volume, scale, shift, None, None, True, 0.0, eps)
    return out if len(x) == 1 else out.view(x.shape), mean, inverse


def normalised(x: Tensor, scale: Tensor | None, shift: Tensor | None, eps: float) -> Statistics:
    """``(x - mean) * inverse * scale + shift``, where inverse is 1 / sqrt(variance + eps).

    Args:
        x: (B, C, D, H, W), contiguous or channels-last.
        scale, shift: (B, C), both or neither.
        eps: added to the variance.

    Returns:
        The result in the layout of x; mean and inverse, B C numbers each.
    """
    B, C = x.shape[:2]
    if not x.is_contiguous():
        if scale is not None and shift is not None and B == 1 and x.numel() <= FEW * C:
            return batch_normalised(x, scale, shift, eps)
        mean, inverse = moments(x)
        inverse = inverse.add_(eps).rsqrt_()
        scale = inverse if scale is None else scale * inverse
        shift = -mean * scale if shift is None else torch.addcmul(shift, mean, scale, value=-1)
        return affine(x, spread_style(scale, x.dtype), spread_style(shift, x.dtype)), mean, inverse
    if scale is not None and shift is not None:
        scale, shift = scale.reshape(-1), shift.reshape(-1)
    return torch.native_group_norm(x, scale, shift, 1, B * C, x.numel() // (B * C), B * C, eps)


def affine(x: Tensor, scale: Tensor, shift: Tensor, out: Tensor | None = None) -> Tensor:
    """``x * scale + shift``, with five axes each; in vectors, for which addcmul must walk along no broadcast axis."""
    if not x.is_contiguous():
        return torch.addcmul(shift, x, scale, out=out)
    return torch.mul(x, scale, out=out).add_(shift)


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of every channel of a channels-last volume, (B, C)."""
    B, C = x.shape[:2]
    found = [torch.batch_norm_update_stats(sample, None, None, 0.0) for sample in rows(x)]
    means, variances = (_stacked(each).view(B, -1, C) for each in zip(*found, strict=True))
    if means.shape[1] == 1:
        return means[:, 0], variances[:, 0]
    mean = means.mean(1)
    return mean, (means - mean[:, None]).square_().add_(variances).mean(1)


def gradients(grad: Tensor, x: Tensor, scale: Tensor, mean: Tensor, inverse: Tensor) -> Statistics:
    """What ``(x - mean) * inverse * scale + shift`` owes to x, scale and shift.

    Args:
        grad: of the result, in the layout of x.
        x, mean, inverse: as in ``normalised``.
        scale: (B, C, 1), or (B, C, D) where each slice has its own, as the shift has.

    Returns:
        The gradients (B, C, D, H, W), and twice that of the scale's shape.
    """
    B, C = x.shape[:2]
    if scale.shape[2] > 1:
        grad_scale, grad_shift = _sums_of_slices(grad, x, mean, inverse)
    elif not x.is_contiguous():
        grad_scale, grad_shift = (each[..., None] for each in _sums(grad, x, mean, inverse))
    else:
        short = pieces(x) == 1
        grad_x, *sums = _of_contiguous(grad, x, scale.reshape(-1), mean, inverse, [True, short, short])
        grad_scale, grad_shift = sums if short else _sums(grad, x, mean, inverse)
        return grad_x.view(x.shape), grad_scale.view(B, C, 1), grad_shift.view(B, C, 1)
    return _owed_to_x(grad, x, scale, mean, inverse, grad_scale, grad_shift), grad_scale, grad_shift


def gradient_of_normalised(grad: Tensor, x: Tensor, mean: Tensor, inverse: Tensor) -> Tensor:
    """What ``(x - mean) * inverse`` owes to x; arguments as in ``gradients``."""
    if x.is_contiguous():
        return _of_contiguous(grad, x, None, mean, inverse, [True, False, False])[0].view(x.shape)
    sums = (each[..., None] for each in _sums(grad, x, mean, inverse))
    return _owed_to_x(grad, x, torch.ones_like(mean)[..., None], mean, inverse, *sums)


def _owed_to_x(
    grad: Tensor, x: Tensor, scale: Tensor, mean: Tensor, inverse: Tensor, grad_scale: Tensor, grad_shift: Tensor
) -> Tensor:
    """``inverse * (grad * scale - level - normalised * along)``: a multiple of x, one of grad, and a constant."""
    mean, inverse = (each.view(*x.shape[:2]) for each in (mean, inverse))
    level, along = ((scale * each).sum(2) for each in (grad_shift, grad_scale))
    part = inverse / -(x.numel() // mean.numel())
    of_x = part * inverse * along
    constant = torch.addcmul(part * level, of_x, mean, value=-1)
    constant, of_x, of_grad = (spread_style(each, x.dtype) for each in (constant, of_x, inverse[..., None] * scale))
    return affine(x, of_x, constant).addcmul_(grad, of_grad)


def _sums(grad: Tensor, x: Tensor, mean: Tensor, inverse: Tensor) -> tuple[Tensor, Tensor]:
    """Sums over each channel of grad times the normalised volume, and of grad, (B, C)."""
    B, C = x.shape[:2]
    count, wanted = pieces(x), [False, True, True]
    if not x.is_contiguous():
        statistics = (each.view(B, 1, C).expand(B, count, C).reshape(B, -1) for each in (mean, inverse))
        samples = zip(rows(grad), rows(x), *statistics, strict=True)
        found = [_gradients(g, sample, None, m, i, wanted)[1:] for g, sample, m, i in samples]
        by_scale, by_shift = (_stacked(each).view(B, count, C).sum(1) for each in zip(*found, strict=True))
        return by_scale, by_shift
    channels = (1, B * C * count, -1)
    statistics = (each.view(-1, 1).expand(-1, count).reshape(-1) for each in (mean, inverse))
    found = _gradients(grad.view(channels), x.view(channels), None, *statistics, wanted)
    by_scale, by_shift = (each.view(B, C, count).sum(2) for each in found[1:])
    return by_scale, by_shift


def _sums_of_slices(grad: Tensor, x: Tensor, mean: Tensor, inverse: Tensor) -> tuple[Tensor, Tensor]:
    """The same over each slice, (B, C, D): a slice is a volume of its own, or a channel where voxels are innermost."""
    B, C, D, H, W = x.shape
    if not x.is_contiguous():
        flat = [each.transpose(1, 2).reshape(B * D, C, 1, H, W) for each in (grad, x)]
        statistics = (each.view(B, 1, C).expand(B, D, C).reshape(B * D, C) for each in (mean, inverse))
        by_scale, by_shift = (each.view(B, D, C).mT for each in _sums(*flat, *statistics))
        return by_scale, by_shift
    flat = [each.view(B, C * D, 1, H, W) for each in (grad, x)]
    statistics = (each.view(B, C, 1).expand(B, C, D).reshape(B, C * D) for each in (mean, inverse))
    by_scale, by_shift = (each.view(B, C, D) for each in _sums(*flat, *statistics))
    return by_scale, by_shift


def _stacked(tensors: tuple[Tensor, ...]) -> Tensor:
    return torch.stack(tensors) if len(tensors) > 1 else tensors[0]


def _gradients(
    grad: Tensor, x: Tensor, scale: Tensor | None, mean: Tensor, inverse: Tensor, wanted: list[bool]
) -> tuple[Any, Any, Any]:
    """Batch norm's, of statistics that are known already; x (N, C) or (N, C, L); None for what is not wanted."""
    return torch.ops.aten.native_batch_norm_backward(grad, x, scale, None, None, mean, inverse, True, 0.0, wanted)


def _of_contiguous(
    grad: Tensor, x: Tensor, scale: Tensor | None, mean: Tensor, inverse: Tensor, wanted: list[bool]
) -> tuple[Any, Any, Any]:
    """The same of every channel at once, (1, B C, voxels)."""
    channels = (1, mean.numel(), -1)
    return _gradients(grad.view(channels), x.view(channels), scale, mean.view(-1), inverse.view(-1), wanted)
