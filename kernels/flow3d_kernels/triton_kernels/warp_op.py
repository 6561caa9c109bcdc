"""warp3d on Triton: the launches, and the operation that autograd, torch.compile and torch.library know."""

from typing import Any

import torch
from torch import Tensor

from flow3d_kernels.triton_kernels.launch import FORMATS, blocks_of, float_of, index_of, laid_out, launch, layout_of
from flow3d_kernels.triton_kernels.tiles import tile_for
from flow3d_kernels.triton_kernels.warp_backward import warp3d_backward
from flow3d_kernels.triton_kernels.warp_forward import warp3d_forward
from flow3d_kernels.triton_kernels.warp_gather import warp3d_cells, warp3d_gather


def warp3d(volume: Tensor, flow: Tensor, mask: Tensor | None, padding: str, deterministic: bool | None) -> Tensor:
    """The operation on checked arguments, as the dispatch calls it."""
    if deterministic is None:
        deterministic = torch.are_deterministic_algorithms_enabled()
    return warp3d_op(volume, flow, mask, padding == "border", deterministic)


def forward(volume: Tensor, flow: Tensor, mask: Tensor | None, border: bool, deterministic: bool) -> Tensor:
    """Launch the forward kernel; ``deterministic`` is the backward pass's."""
    layout = layout_of(volume)
    volume, flow, mask = laid_out(volume, layout), laid_out(flow), None if mask is None else mask.contiguous()
    out = torch.empty_like(volume)
    common = common_arguments(volume, flow, mask, border)
    tile = tile_for("warp3d_forward", layout, volume.shape[1], volume.element_size(), volume.device)
    launch(
        warp3d_forward,
        volume.shape[0] * blocks_of(common["voxels"], tile.voxels),
        volume.device,
        volume=volume,
        flow=flow,
        mask=flow if mask is None else mask,
        out=out,
        C=volume.shape[1],
        CHANNELS_LAST=layout == "channels-last",
        BLOCK_P=tile.voxels,
        BLOCK_C=tile.channels,
        num_warps=tile.warps,
        **common,
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
    common = common_arguments(volume, flow, mask, border)
    scatter = wants_volume and not deterministic
    sums = torch.promote_types(torch.promote_types(volume.dtype, flow.dtype), torch.float32)
    grad_volume = torch.zeros_like(volume, dtype=sums) if scatter else volume.new_empty(0)
    grad_flow = torch.empty_like(flow) if wants_flow else flow.new_empty(0)
    grad_mask = torch.empty_like(mask) if wants_mask and mask is not None else flow.new_empty(0)
    tile = tile_for("warp3d_backward", layout, volume.shape[1], volume.element_size(), volume.device)
    if scatter or wants_flow or wants_mask:
        launch(
            warp3d_backward,
            volume.shape[0] * blocks_of(common["voxels"], tile.voxels),
            volume.device,
            volume=volume,
            flow=flow,
            mask=flow if mask is None else mask,
            grad=grad,
            grad_volume=grad_volume,
            grad_flow=grad_flow,
            grad_mask=grad_mask,
            C=volume.shape[1],
            CHANNELS_LAST=layout == "channels-last",
            SCATTER=scatter,
            GRAD_FLOW=wants_flow,
            GRAD_MASK=wants_mask,
            BLOCK_P=tile.voxels,
            BLOCK_C=tile.channels,
            num_warps=tile.warps,
            **common,
        )
    if wants_volume and deterministic:
        grad_volume = gathered(grad, volume, flow, mask, layout, common)
    return grad_volume.to(volume.dtype), grad_flow, grad_mask


def gathered(
    grad: Tensor, volume: Tensor, flow: Tensor, mask: Tensor | None, layout: str, common: dict[str, Any]
) -> Tensor:
    """The volume's gradient without atomics: sort voxels by the cell that they read in, then fetch."""
    B, C, D, H, W = volume.shape
    voxels, cell_count = D * H * W, (D + 1) * (H + 1) * (W + 1)
    common = common | {"INDEX": index_of(max(max(C, 3) * voxels, cell_count))}
    integer = torch.int32 if cell_count < 2**31 else torch.int64
    cells = torch.empty(B, voxels, dtype=integer, device=volume.device)
    tile = tile_for("warp3d_cells", "contiguous", 1, 4, volume.device)
    launch(
        warp3d_cells,
        B * blocks_of(voxels, tile.voxels),
        volume.device,
        flow=flow,
        cells=cells,
        cell_count=cell_count,
        BLOCK_P=tile.voxels,
        num_warps=tile.warps,
        **{name: value for name, value in common.items() if name not in ("mask", "HAS_MASK")},
    )
    cells, readers = cells.sort(dim=1, stable=True)
    edges = torch.arange(cell_count + 1, dtype=integer, device=volume.device)
    starts = torch.searchsorted(cells, edges.expand(B, -1).contiguous())  # (B, cell_count + 1)
    grad_volume = torch.empty_like(volume)
    tile = tile_for("warp3d_gather", layout, C, volume.element_size(), volume.device)
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
        C=C,
        cell_count=cell_count,
        CHANNELS_LAST=layout == "channels-last",
        BLOCK_P=tile.voxels,
        BLOCK_C=tile.channels,
        num_warps=tile.warps,
        **common,
    )
    return grad_volume


def common_arguments(volume: Tensor, flow: Tensor, mask: Tensor | None, border: bool) -> dict[str, Any]:
    """What every warp kernel takes."""
    C, D, H, W = volume.shape[1:]
    voxels = D * H * W
    by_axis = layout_of(flow) == "contiguous"
    return {
        "D": D,
        "H": H,
        "W": W,
        "voxels": voxels,
        "flow_axis": voxels if by_axis else 1,
        "flow_voxel": 1 if by_axis else 3,
        "BORDER": border,
        "HAS_MASK": mask is not None,
        "FLOAT": float_of(volume, flow),
        "INDEX": index_of(max(C, 3) * voxels),
    }


warp3d_op = torch.library.custom_op(
    "flow3d::warp3d",
    forward,
    mutates_args=(),
    schema="(Tensor volume, Tensor flow, Tensor? mask, bool border, bool deterministic) -> Tensor",
)
warp3d_backward_op = torch.library.custom_op(
    "flow3d::warp3d_backward",
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
    wanted = ctx.needs_input_grad[:3]
    grads = warp3d_backward_op(grad, *ctx.saved_tensors, ctx.border, ctx.deterministic, *wanted)
    return (*(each if wants else None for each, wants in zip(grads, wanted, strict=True)), None, None)


warp3d_op.register_autograd(differentiate, setup_context=keep_for_backward)
