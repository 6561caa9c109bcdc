"""adain3d in C++: layouts, calls, and the function that autograd knows."""

from functools import cache
from typing import Any

import torch
from torch import Tensor

from .. import fast_adain, reference
from .._autograd import Function, gradients_of, wanted
from .._layout import channels_innermost, laid_out, typed
from .library import address, function, readable


def adain3d(
    x: Tensor, gamma: Tensor, beta: Tensor, eps: float, negative_slope: float | None, residual: Tensor | None
) -> Tensor:
    """The operation on checked arguments, as the dispatch calls it."""
    if not readable(x, gamma, beta, residual):
        followed = fast_adain if torch.compiler.is_compiling() else reference
        return followed.adain3d(x, gamma, beta, eps, negative_slope, residual)
    dtype, rows = torch.promote_types(x.dtype, torch.float32), channels_innermost(x)
    given = laid_out(typed(x, dtype), rows)
    gamma, beta = _style(gamma, dtype, rows), _style(beta, dtype, rows)
    added = None if residual is None else laid_out(typed(residual, dtype), rows)
    tensors = (given, gamma, beta, added)
    work = AdaIN.of if wanted(*tensors) else _restyled
    return typed(work(*tensors, eps, negative_slope), x.dtype)


def _style(style: Tensor, dtype: torch.dtype, rows: bool) -> Tensor:
    """A style as C++ reads it: a map in the layout of x."""
    style = typed(style, dtype)
    return laid_out(style, rows) if style.ndim == 5 else style.contiguous()


def _restyled(
    x: Tensor,
    gamma: Tensor,
    beta: Tensor,
    residual: Tensor | None,
    eps: float,
    negative_slope: float | None,
    moments: Tensor | None = None,
) -> Tensor:
    """The result; ``moments`` takes each channel's mean and 1 / deviation, where somebody wants them."""
    out = torch.empty_like(x)
    job = _job(x, gamma, beta, residual, negative_slope, moments)
    function("adain3d_forward", x.dtype)(*job, _least(eps, x.dtype), address(out))
    return out


@cache
def _least(eps: float, dtype: torch.dtype) -> float:
    """What the reference takes ``eps`` for."""
    return reference.smallest(eps, dtype) / reference.SHRINK**2


class AdaIN(Function):
    """AdaIN, residual and activation with their written-out gradients; the second ones are the reference's."""

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
        """Tensors of one type, maps in the layout of x; two numbers per channel are kept beside them."""
        moments = torch.empty(x.shape[0], x.shape[1], 2, dtype=torch.float64, device="cpu")
        ctx.eps, ctx.negative_slope = eps, negative_slope
        ctx.save_for_backward(x, gamma, beta, residual, moments)
        return _restyled(x, gamma, beta, residual, eps, negative_slope, moments)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients that somebody wants."""
        (grad,) = grads
        *tensors, moments = ctx.saved_tensors
        if torch.is_grad_enabled():  # somebody differentiates again
            formula = lambda x, gamma, beta, residual: reference.adain3d(  # noqa: E731
                x, gamma, beta, ctx.eps, ctx.negative_slope, residual
            )
            return *gradients_of(formula, tensors, grad), None, None
        x, gamma, beta, residual = tensors
        wants_x, wants_gamma, wants_beta, wants_residual, *_ = ctx.needs_input_grad
        grad = laid_out(grad, channels_innermost(x))
        beta_is_map = beta.ndim == 5
        wants_value = wants_residual or (wants_beta and beta_is_map)  # the gradient before the activation
        grad_x = torch.empty_like(x) if wants_x else None
        grad_gamma = torch.empty_like(gamma) if wants_gamma else None
        grad_beta = torch.empty_like(beta) if wants_beta and not beta_is_map else None
        grad_value = torch.empty_like(x) if wants_value and ctx.negative_slope is not None else None
        made = (grad_x, grad_gamma, grad_beta, grad_value)
        if any(each is not None for each in made):
            job = _job(x, gamma, beta, residual, ctx.negative_slope, moments)
            function("adain3d_backward", x.dtype)(*job, address(grad), *map(address, made))
        value = grad if grad_value is None else grad_value
        of_beta = value if wants_beta and beta_is_map else grad_beta
        return grad_x, grad_gamma, of_beta, value if wants_residual else None, None, None


def _job(
    x: Tensor,
    gamma: Tensor,
    beta: Tensor,
    residual: Tensor | None,
    negative_slope: float | None,
    moments: Tensor | None,
) -> tuple[int | float | None, ...]:
    """What each of the library's AdaINs begins with; where no style is per depth, a volume is one slice."""
    B, C, D, H, W = x.shape
    slices = (D, H * W) if 3 in (gamma.ndim, beta.ndim) else (1, D * H * W)
    styles = (address(gamma), gamma.ndim, address(beta), beta.ndim)
    slope = 1.0 if negative_slope is None else float(negative_slope)
    threads = torch.get_num_threads()
    rows = channels_innermost(x)
    return B, C, *slices, rows, address(x), *styles, address(residual), slope, address(moments), threads
