"""adain3d by PyTorch's own operations: on a CPU one fused normalisation, in either layout."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from . import channel_sums, reference
from ._autograd import Function, gradients_of, wanted
from ._layout import channels_innermost, laid_out, spread_style

SPACE = (2, 3, 4)
SMALL = 2**14  # elements whose copy into another layout costs less than what it saves
SIMPLE = 2**17  # elements up to which autograd's own nodes take less than a function in Python
FARTHEST_MEAN = 8  # deviations from 0 to which the fast sums keep their digits
SMALLEST_SCALE = 1e-10  # of 1 / deviation: gradients take it to the third power
ONE = torch.ones((), device="cpu")  # added in half the time that a number takes


def adain3d(
    x: Tensor, gamma: Tensor, beta: Tensor, eps: float, negative_slope: float | None, residual: Tensor | None
) -> Tensor:
    """Keep the layout of x."""
    if torch.compiler.is_compiling():  # a compiler fuses the formula by itself, and takes no results in place
        return reference.adain3d(x, gamma, beta, eps, negative_slope, residual)
    dtype, channels_last = x.dtype, not x.is_contiguous() and channels_innermost(x)
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    if not dtype == gamma.dtype == beta.dtype == wide:
        x, gamma, beta = (each.to(wide) for each in (x, gamma, beta))
    if x.shape[2] == 1:  # a style of the one slice is one of the channel
        gamma = gamma.squeeze(2) if gamma.ndim == 3 else gamma
        beta = beta.squeeze(2) if beta.ndim == 3 else beta
    out = _on_a_cpu(x, gamma, beta, eps, channels_last) if x.is_cpu else _elsewhere(x, gamma, beta, eps)
    if channels_last:
        out = laid_out(out, channels_last=True)
    if residual is not None:
        out = out + residual.to(wide)
    if negative_slope is not None:
        out = F.leaky_relu(out, negative_slope) if out.requires_grad else F.leaky_relu_(out, negative_slope)
    return out if dtype == wide else out.to(dtype)


def _on_a_cpu(x: Tensor, gamma: Tensor, beta: Tensor, eps: float, channels_last: bool) -> Tensor:
    """One normalisation with a style folded in where digits allow; in either layout, small ones contiguous."""
    folded, large = gamma.ndim == beta.ndim == 2, x.numel() > SMALL
    volume = laid_out(x, channels_last=True) if channels_last and large else x.contiguous()
    if not wanted(x, gamma, beta):
        out, mean, inverse = Restyled.forward(volume, gamma, beta, eps)
    elif x.numel() > SIMPLE or not volume.is_contiguous() or (folded and channel_sums.pieces(volume) > 1):
        out, mean, inverse = Restyled.of(volume, gamma, beta, eps)
    elif folded:
        out, mean, inverse = channel_sums.batch_normalised(volume, gamma + ONE, beta, eps)
    else:  # PyTorch sums a style's gradient up by itself, and well
        out, *kept = channel_sums.normalised(volume, None, None, eps)
        mean, inverse = (each.detach() for each in kept)
        out = out.mul(spread_style(gamma + ONE, x.dtype)).add_(spread_style(beta, x.dtype))
    return out if _keeps_digits(mean, inverse) else reference.adain3d(x, gamma, beta, eps)


def _elsewhere(x: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> Tensor:
    """The formula, with PyTorch's gradients: a GPU would have to stop and wait to know which means are far from 0."""
    scale, shift = 1 + spread_style(gamma, x.dtype), spread_style(beta, x.dtype)
    centred = x - x.mean(SPACE, keepdim=True)
    if channels_innermost(x):
        return torch.addcmul(shift, centred, scale * (centred.square().mean(SPACE, keepdim=True) + eps).rsqrt())
    rows = x.shape[0] * x.shape[1]
    normalised, *_ = torch.native_group_norm(centred.contiguous(), None, None, 1, rows, x[0, 0].numel(), rows, eps)
    return torch.addcmul(shift, normalised, scale)


def _keeps_digits(mean: Tensor, inverse: Tensor) -> bool:
    """Whether a mean is near enough to 0, and a deviation small enough to have a square, for the fast sums."""
    lowest, highest = torch.aminmax(mean * inverse)
    near = lowest.item() >= -FARTHEST_MEAN and highest.item() <= FARTHEST_MEAN
    return near and inverse.min().item() > SMALLEST_SCALE


class Restyled(Function):
    """Normalisation and style of a volume that is contiguous or channels-last.

    A style per channel is folded into the normalisation's own scale and shift, at no extra pass. The gradients are
    those of batch norm, whose scale's is a sum of products with the centred volume: as good as instance norm's.
    """

    @staticmethod
    def forward(x: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
        """x (B, C, D, H, W), styles as in adain3d -> the result, mean and 1 / deviation, a number per channel."""
        if gamma.ndim == beta.ndim == 2:
            return channel_sums.normalised(x, gamma + ONE, beta, eps)
        out, mean, inverse = channel_sums.normalised(x, None, None, eps)
        scale, shift = (_style_like(x, style) for style in (gamma + ONE, beta))
        return channel_sums.affine(out, scale, shift, out=out), mean, inverse

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        """Keep the inputs and two numbers per channel."""
        *given, ctx.eps = inputs
        ctx.mark_non_differentiable(*output[1:])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*given, *output[1:])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        """The style's gradients, and batch norm's."""
        grad = grads[0]
        if grad is None:
            return None, None, None, None
        x, gamma, beta, mean, inverse = ctx.saved_tensors
        if torch.is_grad_enabled():  # somebody differentiates again
            formula = lambda *given: reference.adain3d(*given, ctx.eps)  # noqa: E731
            return *gradients_of(formula, (x, gamma, beta), grad), None
        grad = laid_out(grad, channels_innermost(x))
        if 5 not in (gamma.ndim, beta.ndim):
            slices = x.shape[2] if 3 in (gamma.ndim, beta.ndim) else 1
            scale = (gamma + ONE).view(*x.shape[:2], -1).expand(-1, -1, slices)
            grad_x, *owed = channel_sums.gradients(grad, x, scale, mean, inverse)
            by_scale, by_shift = (each[..., None, None] for each in owed)  # slices of one voxel
            return grad_x, _summed(by_scale, gamma), _summed(by_shift, beta), None
        scale = _style_like(x, gamma + ONE)
        grad_x = channel_sums.gradient_of_normalised(grad * scale, x, mean, inverse)
        mean, inverse = (each.view(*x.shape[:2], 1, 1, 1) for each in (mean, inverse))
        products = (x - mean).mul_(inverse).mul_(grad)
        return grad_x, _summed(products, gamma), _summed(grad, beta), None


def _summed(of_voxels: Tensor, style: Tensor) -> Tensor:
    """A volume's sums in the shape of a style."""
    return of_voxels.sum_to_size(style.shape + (1,) * (5 - style.ndim)).reshape(style.shape)


def _style_like(x: Tensor, style: Tensor) -> Tensor:
    """A style with five axes that broadcast over x, in its layout."""
    return laid_out(spread_style(style, x.dtype), channels_innermost(x))
