"""Instance norm and its gradient by PyTorch's group norm and batch norm, on a CPU, in either layout.

PyTorch adds a channel up in few float32 accumulators, in one where channels are innermost: 65,536 voxels cost it a
digit or two. A large volume is therefore seen as one of many more channels with fewer voxels each, which it is in
memory. Its sums are short, and joining them costs next to nothing.
"""

from typing import Any

import torch
from torch import Tensor

from ._layout import channels_innermost, spread_style

FEW = 4096  # voxels for which PyTorch's sums are good enough
LONGEST = 256  # voxels whose products one accumulator adds up well; where voxels are innermost, several share FEW

Statistics = tuple[Tensor, Tensor, Tensor]


def pieces(x: Tensor) -> int:
    """How many channels each channel is seen as, so that few voxels are left to each of them.

    Where channels are innermost, voxels that lie side by side go to different ones, else those that lie far apart do.
    """
    D, H, W = x.shape[2:]
    whole, longest = (W, LONGEST) if channels_innermost(x) else (D, FEW)
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
    volume = x if len(x) == 1 else x.view(1, scale.numel(), -1)
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
    if channels_innermost(x):
        if scale is not None and shift is not None and B == 1 and x.numel() <= FEW * C:
            return batch_normalised(x, scale, shift, eps)
        mean, inverse = moments(x)
        inverse = inverse.add_(eps).rsqrt_()
        scale = inverse if scale is None else scale * inverse
        shift = -mean * scale if shift is None else torch.addcmul(shift, mean, scale, value=-1)
        return torch.addcmul(spread_style(shift, x.dtype), x, spread_style(scale, x.dtype)), mean, inverse
    if scale is not None and shift is not None:
        scale, shift = scale.reshape(-1), shift.reshape(-1)
    return torch.native_group_norm(x, scale, shift, 1, B * C, x.numel() // (B * C), B * C, eps)


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of every channel of a channels-last volume, (B, C)."""
    B, C = x.shape[:2]
    found = [torch.batch_norm_update_stats(sample, None, None, 0.0) for sample in rows(x)]
    means, variances = (_stacked(each).view(B, -1, C) for each in zip(*found, strict=True))
    if means.shape[1] == 1:
        return means[:, 0], variances[:, 0]
    mean = means.mean(1)
    return mean, (means - mean[:, None]).square_().add_(variances).mean(1)


def gradients(grad: Tensor, x: Tensor, scale: Tensor | None, mean: Tensor, inverse: Tensor) -> Statistics:
    """What ``normalised`` owes to x, scale and shift.

    Args:
        grad: of the result, in the layout of x.
        x, scale, mean, inverse: as there.

    Returns:
        The gradients (B, C, D, H, W), (B, C) and (B, C).
    """
    B, C = x.shape[:2]
    if not channels_innermost(x):
        channels, weight = (1, B * C, -1), None if scale is None else scale.reshape(-1)
        short = pieces(x) == 1
        wanted = [True, short, short]
        found = _gradients(grad.view(channels), x.view(channels), weight, mean.view(-1), inverse.view(-1), wanted)
        grad_scale, grad_shift = found[1:] if short else _sums(grad, x, mean, inverse)
        return found[0].view(x.shape), grad_scale.view(B, C), grad_shift.view(B, C)
    grad_scale, grad_shift = _sums(grad, x, mean, inverse)
    # factor * (grad - level - normalised * along), where factor = scale * inverse: a multiple of x and one of grad
    factor = inverse if scale is None else scale * inverse
    part = factor / -(x.numel() // (B * C))
    of_x = part * inverse * grad_scale
    constant = torch.addcmul(part * grad_shift, of_x, mean, value=-1)
    constant, of_x, factor = (spread_style(each, x.dtype) for each in (constant, of_x, factor))
    return torch.addcmul(constant, x, of_x).addcmul_(grad, factor), grad_scale, grad_shift


def _sums(grad: Tensor, x: Tensor, mean: Tensor, inverse: Tensor) -> tuple[Tensor, Tensor]:
    """Sums over each channel of grad times the normalised volume, and of grad, (B, C)."""
    B, C = x.shape[:2]
    count, wanted = pieces(x), [False, True, True]
    if channels_innermost(x):
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


def _stacked(tensors: tuple[Tensor, ...]) -> Tensor:
    return torch.stack(tensors) if len(tensors) > 1 else tensors[0]


def _gradients(
    grad: Tensor, x: Tensor, scale: Tensor | None, mean: Tensor, inverse: Tensor, wanted: list[bool]
) -> tuple[Any, Any, Any]:
    """Batch norm's, of statistics that are known already; x (N, C) or (N, C, L); None for what is not wanted."""
    return torch.ops.aten.native_batch_norm_backward(grad, x, scale, None, None, mean, inverse, True, 0.0, wanted)
