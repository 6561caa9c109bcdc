"""adain3d by PyTorch's own operations: folded into group_norm where it is contiguous, one fused function elsewhere."""

from functools import reduce
from operator import mul
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from flow3d_kernels import reference
from flow3d_kernels._layout import channels_innermost, spread_style

SPACE = (2, 3, 4)


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
        out = ChannelsLastAdaIN.apply(x.to(dtype), *styles, residual, eps, negative_slope)
        return out.to(x.dtype)
    out = _contiguous_affine(x.to(dtype), gamma.to(dtype), beta.to(dtype), eps)
    if residual is not None:
        out = out + residual
    if negative_slope is not None:
        out = F.leaky_relu(out, negative_slope, inplace=not out.requires_grad)
    return out.to(x.dtype)


def _contiguous_affine(x: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> Tensor:
    """Normalise and restyle; a style per channel goes into group_norm's own scale and shift, at no extra pass."""
    B, C = x.shape[:2]
    if gamma.ndim == beta.ndim == 2:
        scale, shift = (1 + gamma).reshape(-1), beta.reshape(-1)  # (BC,)
        return F.group_norm(x.reshape(1, B * C, *x.shape[2:]), B * C, scale, shift, eps).view(x.shape)
    normalised = F.group_norm(x, C, eps=eps)
    return torch.addcmul(spread_style(beta, x.dtype), normalised, 1 + spread_style(gamma, x.dtype))


class ChannelsLastAdaIN(torch.autograd.Function):
    """AdaIN, residual and activation with a written-out backward, in any layout.

    PyTorch's instance_norm makes channels-last tensors contiguous, and its channels-last group_norm adds a whole volume
    up in one float32 accumulator. Here the mean is a tree sum and the variance is taken about it, so 65,536 voxels cost
    no accuracy; and only x and the result are kept for the backward pass.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        gamma: Tensor,
        beta: Tensor,
        residual: Tensor | None,
        eps: float,
        negative_slope: float | None,
    ) -> Tensor:
        """x, residual (B, C, D, H, W); gamma, beta with five axes that broadcast to it."""
        mean = x.mean(SPACE, keepdim=True)  # (B, C, 1, 1, 1)
        out = x - mean
        inverse_std = (_depth_sums(out, out).sum(2, keepdim=True) / x[0, 0].numel() + eps).rsqrt()
        scale = 1 + gamma
        if scale.shape == mean.shape:
            torch.addcmul(beta, out, scale * inverse_std, out=out)
        else:
            torch.addcmul(beta, out.mul_(inverse_std), scale, out=out)
        if residual is not None:
            out.add_(residual)
        if negative_slope is not None:
            F.leaky_relu_(out, negative_slope)
        ctx.save_for_backward(x, mean, inverse_std, scale, None if negative_slope is None else out)
        ctx.negative_slope, ctx.beta_shape, ctx.has_residual = negative_slope, beta.shape, residual is not None
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Instance norm is a projection: its gradient loses its mean and its part along the normalised x."""
        x, mean, inverse_std, scale, out = ctx.saved_tensors
        if ctx.negative_slope is not None:  # the sign of the result is the sign of what was activated
            grad = torch.ops.aten.leaky_relu_backward(grad, out, ctx.negative_slope, True)
        normalised = (x - mean).mul_(inverse_std)
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
        # inverse_std * (grad * scale - level - normalised * along), in the memory of normalised
        grad_x = normalised.mul_(-along).addcmul_(grad, scale).sub_(level).mul_(inverse_std)
        return grad_x, grad_gamma, grad_beta, grad if ctx.has_residual else None, None, None


def _depth_sums(*factors: Tensor) -> Tensor:
    """Sum a product over H and W, slice by slice of depth: a product as large as the volume costs more than its sum."""
    slices = zip(*(factor.split(1, dim=2) for factor in factors), strict=True)
    return torch.cat([reduce(mul, parts).sum(SPACE, keepdim=True) for parts in slices], dim=2)  # (B, C, D, 1, 1)
