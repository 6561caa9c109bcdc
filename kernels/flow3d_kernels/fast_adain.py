"""adain3d by PyTorch's own operations: folded into group_norm where it is contiguous, one fused function elsewhere."""

from functools import reduce
from operator import mul
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from . import reference
from ._layout import channels_innermost, spread_style

SPACE = (2, 3, 4)
SMALL = 2**18  # elements that a cache holds several times
FARTHEST_MEAN = 8  # deviations from 0 to which the fast sums keep their digits
NEAR_MEAN = 1  # deviations from 0 to which the gradients do
SMALLEST_SCALE = 1e-10  # of 1 / deviation: gradients take it to the third power


def adain3d(
    x: Tensor, gamma: Tensor, beta: Tensor, eps: float, negative_slope: float | None, residual: Tensor | None
) -> Tensor:
    """Keep the layout of x: group_norm where space is innermost, its own path where channels are."""
    if torch.compiler.is_compiling():  # a compiler fuses the formula by itself, and takes no results in place
        return reference.adain3d(x, gamma, beta, eps, negative_slope, residual)
    dtype = torch.promote_types(x.dtype, torch.float32)
    if residual is not None:
        residual = residual.to(dtype)
    if channels_innermost(x):
        styles = (
            spread_style(style, dtype).contiguous(memory_format=torch.channels_last_3d) for style in (gamma, beta)
        )
        out, *_ = ChannelsLastAdaIN.apply(x.to(dtype), *styles, residual, eps, negative_slope)
        return out.to(x.dtype)
    out = _contiguous_affine(x.to(dtype).contiguous(), gamma.to(dtype), beta.to(dtype), eps)
    if residual is not None:
        out = out + residual
    if negative_slope is not None:
        out = F.leaky_relu(out, negative_slope, inplace=not out.requires_grad)
    return out.to(x.dtype)


def _contiguous_affine(x: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> Tensor:
    """Normalise and restyle; a style per channel is group_norm's own scale and shift, at no extra pass.

    Only where a small volume wants gradients, they are PyTorch's own, of a style applied to the normalised values: that
    of group_norm's scale is a difference of two large sums.
    """
    B, C = x.shape[:2]
    sizes = (1, B * C, x[0, 0].numel(), B * C, eps)
    if x.device.type != "cpu":
        x = x - x.mean(SPACE, keepdim=True)
    elif gamma.ndim == beta.ndim == 2:
        scale, shift = (1 + gamma).reshape(-1), beta.reshape(-1)  # (BC,)
        if not (torch.is_grad_enabled() and _wanted(x, gamma, beta)):
            out, mean, inverse = torch.native_group_norm(x, scale, shift, *sizes)
            if _keeps_digits(mean, inverse):
                return out
        elif x.numel() > SMALL:
            out, mean, inverse = FoldedNorm.apply(x, scale, shift, eps)
            if _keeps_digits(mean, inverse):
                return out
    normalised, mean, inverse = torch.native_group_norm(x, None, None, *sizes)
    if x.device.type == "cpu" and not _keeps_digits(mean, inverse):
        normalised = reference.normalised(x, eps)
    return torch.addcmul(spread_style(beta, x.dtype), normalised, 1 + spread_style(gamma, x.dtype))


class FoldedNorm(torch.autograd.Function):
    """group_norm of every channel by itself, whose scale has a gradient as good as instance_norm's.

    PyTorch sums it up in few float32 accumulators; here the sums are trees, and the mean is taken off first where it is
    more than a deviation away.
    """

    @staticmethod
    def forward(x: Tensor, scale: Tensor, shift: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
        """x (B, C, D, H, W), scale and shift (BC,) -> the result, mean and 1 / deviation (1, BC)."""
        rows = x.shape[0] * x.shape[1]
        return torch.native_group_norm(x, scale, shift, 1, rows, x[0, 0].numel(), rows, eps)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        """Keep x and three numbers per channel."""
        x, scale, _, ctx.eps = inputs
        ctx.mark_non_differentiable(*output[1:])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(x, scale, *output[1:])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        """Instance norm is a projection: its gradient loses its mean and its part along the normalised x."""
        grad = grads[0]
        if grad is None:
            return None, None, None, None
        x, scale, mean, inverse = ctx.saved_tensors
        rows = (*x.shape[:2], 1, 1, 1)
        if torch.is_grad_enabled():
            grad_x, grad_scale = _gradient(grad, x, scale.view(rows), ctx.eps)
            return grad_x, grad_scale.sum(SPACE).view(-1), grad.sum(SPACE).view(-1), None
        grad = grad.contiguous()
        if not (mean.abs() * inverse).max() <= NEAR_MEAN:
            x, mean = x - mean.view(rows), torch.zeros_like(mean)
        sizes = (1, scale.numel(), x[0, 0].numel(), scale.numel())
        only_x = [True, False, False]
        grad_x, _, _ = torch.ops.aten.native_group_norm_backward(grad, x, mean, inverse, scale, *sizes, only_x)
        grad_shift = grad.sum(SPACE).view(-1)
        grad_scale = (_depth_sums(grad, x).sum(SPACE).view(-1) - mean.view(-1) * grad_shift) * inverse.view(-1)
        return grad_x, grad_scale, grad_shift, None


def _gradient(grad: Tensor, x: Tensor, scale: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """The gradient of x, and that of a scale of x's shape; both can be differentiated again."""
    normalised = reference.normalised(x, eps)
    scaled = grad * scale
    along = (scaled * normalised).mean(SPACE, keepdim=True)
    inverse = reference.inverse_deviation(x - x.mean(SPACE, keepdim=True), eps)
    return (scaled - scaled.mean(SPACE, keepdim=True) - normalised * along) * inverse, grad * normalised


def _wanted(*tensors: Tensor) -> bool:
    return any(tensor.requires_grad for tensor in tensors)


def _keeps_digits(mean: Tensor, inverse: Tensor) -> bool:
    """Whether a mean is near enough to 0, and a deviation small enough to have a square, for the fast sums."""
    return bool((mean.abs() * inverse).max() <= FARTHEST_MEAN) and bool(inverse.min() > SMALLEST_SCALE)


class ChannelsLastAdaIN(torch.autograd.Function):
    """AdaIN, residual and activation with a written-out backward, in any layout.

    PyTorch's instance_norm makes channels-last tensors contiguous, and its channels-last group_norm adds a whole volume
    up in one float32 accumulator. Here the mean is a tree sum and the variance is taken about it, so 65,536 voxels cost
    no accuracy; and only x and the result are kept for the backward pass.
    """

    @staticmethod
    def forward(
        x: Tensor, gamma: Tensor, beta: Tensor, residual: Tensor | None, eps: float, negative_slope: float | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """x, residual (B, C, D, H, W); gamma, beta with five axes that broadcast to it -> the result, mean, scale."""
        mean = x.mean(SPACE, keepdim=True)  # (B, C, 1, 1, 1)
        out = x - mean
        variance = _depth_sums(out, out).sum(2, keepdim=True) / x[0, 0].numel()
        inverse = (variance + eps).rsqrt()
        scale = 1 + gamma
        if x.device.type == "cpu" and not _keeps_digits(mean, inverse):
            mean = reference.mean_of(x)
            inverse = reference.inverse_deviation(x - mean, eps)
            torch.addcmul(beta, (x - mean).mul_(inverse), scale, out=out)
        elif scale.shape == mean.shape:
            torch.addcmul(beta, out, scale * inverse, out=out)
        else:
            torch.addcmul(beta, out.mul_(inverse), scale, out=out)
        if residual is not None:
            out.add_(residual)
        if negative_slope is not None:
            F.leaky_relu_(out, negative_slope)
        return out, mean, inverse

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        """Keep x, its scale, two numbers per channel and, where there is an activation, the result."""
        x, gamma, beta, residual, ctx.eps, ctx.negative_slope = inputs
        out, mean, inverse = output
        ctx.beta_shape, ctx.has_residual = beta.shape, residual is not None
        ctx.mark_non_differentiable(mean, inverse)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(x, gamma, mean, inverse, None if ctx.negative_slope is None else out)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        """Instance norm is a projection: its gradient loses its mean and its part along the normalised x."""
        grad = grads[0]
        if grad is None:
            return None, None, None, None, None, None
        x, gamma, mean, inverse, out = ctx.saved_tensors
        if ctx.negative_slope is not None:  # the sign of the result is the sign of what was activated
            grad = torch.where(out > 0, grad, ctx.negative_slope * grad)
        scale = 1 + gamma
        if torch.is_grad_enabled():  # somebody differentiates again
            grad_x, grad_map = _gradient(grad, x, scale, ctx.eps)
            grad_gamma, grad_beta = grad_map.sum_to_size(gamma.shape), grad.sum_to_size(ctx.beta_shape)
            return grad_x, grad_gamma, grad_beta, grad if ctx.has_residual else None, None, None
        normalised = (x - mean).mul_(inverse)
        grad_sums = _depth_sums(grad)
        if scale.shape == x.shape:
            grad_gamma = grad * normalised
            along, level = _depth_sums(grad_gamma, scale), _depth_sums(grad, scale)
        else:
            product_sums = _depth_sums(grad, normalised)
            grad_gamma = product_sums.sum_to_size(scale.shape)
            along, level = product_sums * scale, grad_sums * scale
        grad_beta = grad if ctx.beta_shape == x.shape else grad_sums.sum_to_size(ctx.beta_shape)
        along, level = (sums.sum(2, keepdim=True) / x[0, 0].numel() for sums in (along, level))  # (B, C, 1, 1, 1)
        # inverse * (grad * scale - level - normalised * along), in the memory of normalised
        grad_x = normalised.mul_(-along).addcmul_(grad, scale).sub_(level).mul_(inverse)
        return grad_x, grad_gamma, grad_beta, grad if ctx.has_residual else None, None, None


def _depth_sums(*factors: Tensor) -> Tensor:
    """Sum a product over H and W of every slice of depth, (B, C, D, 1, 1).

    In a large volume slice by slice: a product as large as the volume costs more than its sum.
    """
    if factors[0].numel() <= SMALL:
        return reduce(mul, factors).sum((3, 4), keepdim=True)
    slices = zip(*(factor.split(1, dim=2) for factor in factors), strict=True)
    return torch.cat([reduce(mul, parts).sum(SPACE, keepdim=True) for parts in slices], dim=2)
