"""adain3d on Triton: the launches, and the operation that autograd, torch.compile and torch.library know."""

from typing import Any

import torch
from torch import Tensor

from .._autograd import eager, function_of, quickest
from ..reference import smallest
from .adain_backward import adain3d_backward, adain3d_gradient_sums
from .adain_forward import adain3d_forward, adain3d_join, adain3d_moments
from .launch import FORMATS, blocks_of, float_of, index_of, laid_out, launch, layout_of
from .tiles import Split, Tile, processors, tile_for

GROUP_BYTES = 2**25  # of x that samples worked on together may take: two thirds of an L2 cache


def adain3d(
    x: Tensor, gamma: Tensor, beta: Tensor, eps: float, negative_slope: float | None, residual: Tensor | None
) -> Tensor:
    """The operation on checked arguments, as the dispatch calls it; a slope of 1 is no activation."""
    run = quickest(adain3d_op, AdaIN, x, gamma, beta, residual)
    return run(x, gamma, beta, residual, eps, 1.0 if negative_slope is None else float(negative_slope))[0]


def split_rows(x: Tensor, tile: Tile, slices: int = 1) -> tuple[bool, Split]:
    """Whether a program takes whole rows, which fill the card or are short; else how to cut them."""
    B, C, D, H, W = x.shape
    length = D * H * W // slices
    busy, rows = processors(x.device), B * blocks_of(C, tile.channels)
    if rows >= busy or length * slices <= 2 * tile.voxels:
        return True, Split(slices, length, 1, length)
    wanted = blocks_of(4 * busy, rows * slices)  # four programs for each processor
    chunk = blocks_of(length, min(wanted, blocks_of(length, tile.voxels)))
    return False, Split(slices, length, blocks_of(length, chunk), chunk)


def forward(
    x: Tensor, gamma: Tensor, beta: Tensor, residual: Tensor | None, eps: float, slope: float
) -> tuple[Tensor, Tensor, Tensor]:
    """The result, and for the backward pass each row's mean and 1 / sqrt(variance + eps), (B, C)."""
    layout = layout_of(x)
    tile = tile_for("adain3d_forward", layout, x)
    common = common_arguments(x, gamma, beta, residual, slope, layout, tile)
    x = common["x"]
    out = torch.empty_like(x)
    B, C = x.shape[:2]
    whole, split = split_rows(x, tile)
    sums = sums_dtype(x)
    means, inverses = (torch.empty(B, C, dtype=sums, device=x.device) for _ in range(2))
    rows = blocks_of(C, tile.channels)
    for group in groups_of(x) if not whole else [slice(0, B)]:
        part = common | {name: common[name][group] for name in ("x", "gamma", "beta", "residual")}
        kept = {"means": means[group], "inverses": inverses[group]}
        samples = group.stop - group.start
        if not whole:
            measured(part, kept, samples, rows, split, smallest(eps, sums))
        launch(
            adain3d_forward,
            samples * rows * split.parts,
            x.device,
            out=out[group],
            parts=split.parts,
            chunk=split.chunk,
            WHOLE=whole,
            EPS=smallest(eps, sums),
            **kept,
            **part,
        )
    return out, means, inverses


def groups_of(x: Tensor) -> list[slice]:
    """Samples that stay in the L2 cache from one walk over them to the next."""
    B, together = x.shape[0], max(1, GROUP_BYTES // (x[0].numel() * x.element_size()))
    return [slice(first, min(first + together, B)) for first in range(0, B, together)]


def measured(
    common: dict[str, Any], kept: dict[str, Tensor], samples: int, rows: int, split: Split, eps: float
) -> None:
    """Write the mean and 1 / deviation of every row of a group of samples, part by part, then joined."""
    x = common["x"]
    shape = (samples, split.parts, x.shape[1])
    centres, spreads = (torch.empty(shape, dtype=kept["means"].dtype, device=x.device) for _ in range(2))
    parts = {"centres": centres, "spreads": spreads, "parts": split.parts, "chunk": split.chunk}
    both = {name: common[name] for name in ("C", "voxels", "FLOAT", "INDEX", "BLOCK_C", "num_warps")}
    walk = {name: common[name] for name in ("x", "CHANNELS_LAST", "BLOCK_P")}
    launch(adain3d_moments, samples * rows * split.parts, x.device, **parts, **both, **walk)
    launch(adain3d_join, samples * rows, x.device, EPS=eps, **kept, **parts, **both)


def backward(
    grad: Tensor,
    x: Tensor,
    gamma: Tensor,
    beta: Tensor,
    residual: Tensor | None,
    means: Tensor,
    inverses: Tensor,
    slope: float,
    wants_x: bool,
    wants_gamma: bool,
    wants_beta: bool,
    wants_value: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The gradients of x, gamma, beta (unless it is a full map) and of the value before the activation.

    The last is that of the residual and of a full map beta. One that is not wanted comes back empty.
    """
    layout = layout_of(x)
    tile = tile_for("adain3d_backward", layout, x)
    common = common_arguments(x, gamma, beta, residual, slope, layout, tile)
    x, B, C, D = common["x"], *x.shape[:3]
    grad = laid_out(grad, layout)
    grad_map = wants_gamma and gamma.ndim == 5
    grad_x = torch.empty_like(x) if wants_x else x.new_empty(0)
    grad_gamma = torch.empty_like(common["gamma"]) if grad_map else gamma.new_empty(0)
    grad_value = torch.empty_like(x) if wants_value else x.new_empty(0)

    whole, split = split_rows(x, tile, slices=D if 3 in (gamma.ndim, beta.ndim) else 1)
    sums = torch.empty(4, B, split.parts, C, dtype=sums_dtype(x), device=x.device)
    common |= {
        "grad": grad,
        "means": means,
        "inverses": inverses,
        "sums": sums,
        "samples": B,
        "parts": split.parts,
        "length": split.length,
        "pieces": split.pieces,
        "chunk": split.chunk,
    }
    rows = B * blocks_of(C, tile.channels)
    levels = sums
    if not whole:
        launch(adain3d_gradient_sums, rows * split.parts, x.device, **common)
        levels = sums[2:].sum(2)  # (2, B, C)
    launch(
        adain3d_backward,
        rows if whole else rows * split.parts,
        x.device,
        levels=levels,
        grad_x=grad_x,
        grad_gamma=grad_gamma,
        grad_value=grad_value,
        WHOLE=whole,
        GRAD_X=wants_x,
        GRAD_MAP=grad_map,
        GRAD_VALUE=wants_value,
        **common,
    )
    if wants_gamma and not grad_map:
        grad_gamma = style_gradient(sums[1], gamma, split)
    grad_beta = style_gradient(sums[0], beta, split) if wants_beta and beta.ndim < 5 else beta.new_empty(0)
    return grad_x, grad_gamma, grad_beta, grad_value


def style_gradient(sums: Tensor, style: Tensor, split: Split) -> Tensor:
    """Sums of every part (B, parts, C) -> the gradient of a style (B, C) or (B, C, D)."""
    B, _, C = sums.shape
    if style.ndim == 2:
        return sums.sum(1).to(style.dtype)
    return sums.view(B, split.slices, split.pieces, C).sum(2).mT.to(style.dtype).contiguous()


def sums_dtype(x: Tensor) -> torch.dtype:
    """Statistics are taken in float32 at least."""
    return torch.promote_types(x.dtype, torch.float32)


def common_arguments(
    x: Tensor, gamma: Tensor, beta: Tensor, residual: Tensor | None, slope: float, layout: str, tile: Tile
) -> dict[str, Any]:
    """What every AdaIN kernel takes."""
    _, C, D, H, W = x.shape
    x = laid_out(x, layout)
    gamma, beta = (laid_out(style, layout) if style.ndim == 5 else style.contiguous() for style in (gamma, beta))
    return {
        "x": x,
        "gamma": gamma,
        "beta": beta,
        "residual": x if residual is None else laid_out(residual, layout),
        "C": C,
        "D": D,
        "plane": H * W,
        "voxels": D * H * W,
        "SLOPE": slope,
        "GAMMA": gamma.ndim,
        "BETA": beta.ndim,
        "HAS_RESIDUAL": residual is not None,
        "CHANNELS_LAST": layout == "channels-last",
        "FLOAT": float_of(x),
        "INDEX": index_of(C * D * H * W),
        "BLOCK_P": tile.voxels,
        "BLOCK_C": tile.channels,
        "num_warps": tile.warps,
    }


adain3d_op = torch.library.custom_op(
    "flow3d_kernels::adain3d",
    forward,
    mutates_args=(),
    schema=(
        "(Tensor x, Tensor gamma, Tensor beta, Tensor? residual, float eps, float slope) -> (Tensor, Tensor, Tensor)"
    ),
)
adain3d_backward_op = torch.library.custom_op(
    "flow3d_kernels::adain3d_backward",
    backward,
    mutates_args=(),
    schema=(
        "(Tensor grad, Tensor x, Tensor gamma, Tensor beta, Tensor? residual, Tensor means, Tensor inverses, "
        "float slope, bool wants_x, bool wants_gamma, bool wants_beta, bool wants_value) "
        "-> (Tensor, Tensor, Tensor, Tensor)"
    ),
)


@adain3d_op.register_fake
def _(
    x: Tensor, gamma: Tensor, beta: Tensor, residual: Tensor | None, eps: float, slope: float
) -> tuple[Tensor, Tensor, Tensor]:
    out = torch.empty_like(x, memory_format=FORMATS[layout_of(x)])
    means, inverses = (x.new_empty(x.shape[:2], dtype=sums_dtype(x)) for _ in range(2))
    return out, means, inverses


@adain3d_backward_op.register_fake
def _(
    grad: Tensor,
    x: Tensor,
    gamma: Tensor,
    beta: Tensor,
    residual: Tensor | None,
    means: Tensor,
    inverses: Tensor,
    slope: float,
    wants_x: bool,
    wants_gamma: bool,
    wants_beta: bool,
    wants_value: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    def like(tensor: Tensor, wanted: bool) -> Tensor:
        if not wanted:
            return tensor.new_empty(0)
        layout = FORMATS[layout_of(x)] if tensor.ndim == 5 else torch.contiguous_format
        return torch.empty_like(tensor, memory_format=layout)

    return like(x, wants_x), like(gamma, wants_gamma), like(beta, wants_beta and beta.ndim < 5), like(x, wants_value)


def keep_for_backward(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor, Tensor]) -> None:
    """Keep the inputs and two numbers per row; the sign of the activation is computed again."""
    x, gamma, beta, residual, _, ctx.slope = inputs
    _, means, inverses = output
    ctx.mark_non_differentiable(means, inverses)
    ctx.save_for_backward(x, gamma, beta, residual, means, inverses)


def differentiate(ctx: Any, grad: Tensor, *_: Tensor | None) -> tuple[Tensor | None, ...]:
    """Ask for the gradients that somebody wants."""
    x, gamma, beta, residual, means, inverses = ctx.saved_tensors
    wants_x, wants_gamma, wants_beta, wants_residual = ctx.needs_input_grad[:4]
    beta_map = wants_beta and beta.ndim == 5
    wants_value = (wants_residual or beta_map) and ctx.slope != 1  # without activation it is grad itself
    wants = (wants_x, wants_gamma, wants_beta, wants_value)
    given = (grad, x, gamma, beta, residual, means, inverses)
    run = backward if eager(*given) and not torch.is_grad_enabled() else adain3d_backward_op
    grad_x, grad_gamma, grad_beta, grad_value = run(*given, ctx.slope, *wants)
    value = grad_value if wants_value else grad
    return (
        grad_x if wants_x else None,
        grad_gamma if wants_gamma else None,
        value.to(beta.dtype) if beta_map else grad_beta if wants_beta else None,
        value.to(residual.dtype) if wants_residual else None,
        None,
        None,
    )


AdaIN = function_of(forward, keep_for_backward, differentiate)
adain3d_op.register_autograd(differentiate, setup_context=keep_for_backward)


def refuse_a_second_derivative(ctx: Any, *grads: Tensor | None) -> None:
    """The gradients' own gradients have no kernel.

    Raises:
        RuntimeError: always.
    """
    raise RuntimeError('adain3d: expected one derivative on Triton, got a second: use_backend("torch") has both')


adain3d_backward_op.register_autograd(refuse_a_second_derivative)
