"""warp3d on Triton: the launches, and the operation that autograd, torch.compile and torch.library know."""

from typing import Any

import torch
from torch import Tensor

from .._autograd import eager, function_of, quickest
from .launch import FORMATS, blocks_of, float_of, index_of, laid_out, launch, layout_of
from .tiles import Tile, tile_for
from .warp_backward import warp3d_backward
from .warp_forward import warp3d_forward
from .warp_gather import warp3d_cells, warp3d_gather

GROUP_BYTES = 2**25  # of gradients in float32 that samples worked on together may take: two thirds of an L2 cache


def warp3d(volume: Tensor, flow: Tensor, mask: Tensor | None, padding: str, deterministic: bool | None) -> Tensor:
    """The operation on checked arguments, as the dispatch calls it."""
    if deterministic is None:
        deterministic = torch.are_deterministic_algorithms_enabled()
    run = quickest(warp3d_op, Warp, volume, flow, mask)
    return run(volume, flow, mask, padding == "border", deterministic)


def forward(volume: Tensor, flow: Tensor, mask: Tensor | None, border: bool, deterministic: bool) -> Tensor:
    """Launch the forward kernel; ``deterministic`` is the backward pass's."""
    layout = layout_of(volume)
    volume, flow, mask = laid_out(volume, layout), laid_out(flow), None if mask is None else mask.contiguous()
    out = torch.empty_like(volume)
    programs, brick = bricks_of(volume, tile_for("warp3d_forward", layout, volume))
    launch(
        warp3d_forward,
        programs,
        volume.device,
        volume=volume,
        flow=flow,
        mask=flow if mask is None else mask,
        out=out,
        CHANNELS_LAST=layout == "channels-last",
        **brick,
        **common_arguments(volume, flow, mask, border),
    )
    return out


def backward(
    grad: Tensor,
    volume: Tensor,
    flow: Tensor,
    mask: Tensor | None,
    border: bool,
    deterministic: bool,
    wants_volume: bool,
    wants_flow: bool,
    wants_mask: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of volume, flow and mask; one that is not wanted comes back empty."""
    layout = layout_of(volume)
    grad, volume, flow = laid_out(grad, layout), laid_out(volume, layout), laid_out(flow)
    mask = None if mask is None else mask.contiguous()
    scatter = wants_volume and not deterministic
    grad_volume = torch.empty_like(volume) if scatter else volume.new_empty(0)
    grad_flow = torch.empty_like(flow) if wants_flow else flow.new_empty(0)
    grad_mask = torch.empty_like(mask) if wants_mask and mask is not None else flow.new_empty(0)
    if scatter or wants_flow or wants_mask:
        for group in groups_of(volume, scatter):
            masks = None if mask is None else mask[group]
            grads = [each[group] if each.ndim == 5 else each for each in (grad_volume, grad_flow, grad_mask)]
            scattered(grad[group], volume[group], flow[group], masks, *grads, layout, border)
    if wants_volume and deterministic:
        grad_volume = gathered(grad, volume, flow, mask, layout, border)
    return grad_volume, grad_flow, grad_mask


def groups_of(volume: Tensor, scatter: bool) -> list[slice]:
    """Samples whose float32 gradients stay in the L2 cache between zeroing, adding and rounding; all where none is."""
    B = volume.shape[0]
    together = max(1, GROUP_BYTES // (4 * volume[0].numel())) if scatter else B
    return [slice(first, min(first + together, B)) for first in range(0, B, together)]


def scattered(
    grad: Tensor,
    volume: Tensor,
    flow: Tensor,
    mask: Tensor | None,
    grad_volume: Tensor,
    grad_flow: Tensor,
    grad_mask: Tensor,
    layout: str,
    border: bool,
) -> None:
    """Write the gradients of a group of samples, that of the volume by atomics; what is empty is not wanted."""
    type_of_sums = torch.promote_types(torch.promote_types(volume.dtype, flow.dtype), torch.float32)
    sums, scatter = grad_volume, grad_volume.numel() > 0
    if scatter:
        sums = (
            grad_volume.zero_() if grad_volume.dtype == type_of_sums else torch.zeros_like(volume, dtype=type_of_sums)
        )
    programs, brick = bricks_of(volume, tile_for("warp3d_backward", layout, volume))
    launch(
        warp3d_backward,
        programs,
        volume.device,
        volume=volume,
        flow=flow,
        mask=flow if mask is None else mask,
        grad=grad,
        grad_volume=sums,
        grad_flow=grad_flow,
        grad_mask=grad_mask,
        CHANNELS_LAST=layout == "channels-last",
        SCATTER=scatter,
        GRAD_FLOW=grad_flow.numel() > 0,
        GRAD_MASK=grad_mask.numel() > 0,
        **brick,
        **common_arguments(volume, flow, mask, border),
    )
    if sums is not grad_volume:
        grad_volume.copy_(sums)


def gathered(grad: Tensor, volume: Tensor, flow: Tensor, mask: Tensor | None, layout: str, border: bool) -> Tensor:
    """The volume's gradient without atomics: sort voxels by the cell that they read in, then fetch."""
    B, C, D, H, W = volume.shape
    voxels, cell_count = D * H * W, (D + 1) * (H + 1) * (W + 1)
    sizes = {"voxels": voxels, "cell_count": cell_count}
    common = common_arguments(volume, flow, mask, border)
    common |= sizes | {"INDEX": index_of(max(max(C, 3) * voxels, cell_count))}
    integer = torch.int32 if cell_count < 2**31 else torch.int64
    cells = torch.empty(B, voxels, dtype=integer, device=volume.device)
    tile = tile_for("warp3d_cells", "contiguous", volume[:, :1])
    launch(
        warp3d_cells,
        B * blocks_of(voxels, tile.voxels),
        volume.device,
        flow=flow,
        cells=cells,
        BLOCK_P=tile.voxels,
        num_warps=tile.warps,
        **{name: value for name, value in common.items() if name not in ("C", "mask", "HAS_MASK")},
    )
    cells, readers = cells.sort(dim=1, stable=True)
    edges = torch.arange(cell_count + 1, dtype=integer, device=volume.device)
    starts = torch.searchsorted(cells, edges.expand(B, -1).contiguous())  # (B, cell_count + 1)
    grad_volume = torch.empty_like(volume)
    tile = tile_for("warp3d_gather", layout, volume)
    launch(
        warp3d_gather,
        B * blocks_of(voxels, tile.voxels),
        volume.device,
        flow=flow,
        mask=flow if mask is None else mask,
        grad=grad,
        readers=readers,
        starts=starts,
        grad_volume=grad_volume,
        CHANNELS_LAST=layout == "channels-last",
        BLOCK_P=tile.voxels,
        BLOCK_C=tile.channels,
        num_warps=tile.warps,
        **common,
    )
    return grad_volume


def bricks_of(volume: Tensor, tile: Tile) -> tuple[int, dict[str, int]]:
    """How many programs bend a volume, and the brick of voxels and the channels that each of them takes at a time."""
    sizes = volume.shape[2:]
    z, y, x = brick = tile.brick(sizes, lines=layout_of(volume) == "contiguous")
    programs = volume.shape[0]
    for size, side in zip(sizes, brick, strict=True):
        programs *= blocks_of(size, side)
    shape = {"BRICK_Z": z, "BRICK_Y": y, "BRICK_X": x}
    return programs, shape | {"BLOCK_C": tile.channels, "num_warps": tile.warps}


def common_arguments(volume: Tensor, flow: Tensor, mask: Tensor | None, border: bool) -> dict[str, Any]:
    """What every warp kernel takes."""
    C, D, H, W = volume.shape[1:]
    voxels = D * H * W
    by_axis = layout_of(flow) == "contiguous"
    return {
        "C": C,
        "D": D,
        "H": H,
        "W": W,
        "flow_axis": voxels if by_axis else 1,
        "flow_voxel": 1 if by_axis else 3,
        "BORDER": border,
        "HAS_MASK": mask is not None,
        "FLOAT": float_of(volume, flow),
        "INDEX": index_of(max(C, 3) * voxels),
    }


warp3d_op = torch.library.custom_op(
    "flow3d_kernels::warp3d",
    forward,
    mutates_args=(),
    schema="(Tensor volume, Tensor flow, Tensor? mask, bool border, bool deterministic) -> Tensor",
)
warp3d_backward_op = torch.library.custom_op(
    "flow3d_kernels::warp3d_backward",
    backward,
    mutates_args=(),
    schema=(
        "(Tensor grad, Tensor volume, Tensor flow, Tensor? mask, bool border, bool deterministic, "
        "bool wants_volume, bool wants_flow, bool wants_mask) -> (Tensor, Tensor, Tensor)"
    ),
)


@warp3d_op.register_fake
def _(volume: Tensor, flow: Tensor, mask: Tensor | None, border: bool, deterministic: bool) -> Tensor:
    return torch.empty_like(volume, memory_format=FORMATS[layout_of(volume)])


@warp3d_backward_op.register_fake
def _(
    grad: Tensor,
    volume: Tensor,
    flow: Tensor,
    mask: Tensor | None,
    border: bool,
    deterministic: bool,
    wants_volume: bool,
    wants_flow: bool,
    wants_mask: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    def like(tensor: Tensor | None, wanted: bool) -> Tensor:
        if tensor is None or not wanted:
            return flow.new_empty(0)
        return torch.empty_like(tensor, memory_format=FORMATS[layout_of(tensor)])

    grad_volume = like(volume, wants_volume) if wants_volume else volume.new_empty(0)
    return grad_volume, like(flow, wants_flow), like(mask, wants_mask)


def keep_for_backward(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    """Keep what the gradients need: the inputs, nothing of the volume's size besides."""
    volume, flow, mask, ctx.border, ctx.deterministic = inputs
    ctx.save_for_backward(volume, flow, mask)


def differentiate(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    """Ask for the gradients that somebody wants."""
    wants = ctx.needs_input_grad[:3]
    run = backward if eager(grad, *ctx.saved_tensors) and not torch.is_grad_enabled() else warp3d_backward_op
    grads = run(grad, *ctx.saved_tensors, ctx.border, ctx.deterministic, *wants)
    return (*(each if wanted else None for each, wanted in zip(grads, wants, strict=True)), None, None)


Warp = function_of(forward, keep_for_backward, differentiate)
warp3d_op.register_autograd(differentiate, setup_context=keep_for_backward)


def refuse_a_second_derivative(ctx: Any, *grads: Tensor | None) -> None:
    """The gradients' own gradients have no kernel.

    Raises:
        RuntimeError: always.
    """
    raise RuntimeError('warp3d: expected one derivative on Triton, got a second: use_backend("torch") has both')


warp3d_backward_op.register_autograd(refuse_a_second_derivative)
