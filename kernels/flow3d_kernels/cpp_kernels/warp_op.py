"""warp3d in C++: layouts, calls, and the function that autograd knows."""

from typing import Any

import torch
from torch import Tensor

from .. import fast_warp, reference
from .._autograd import Function, gradients_of, wanted
from .._layout import channels_innermost, laid_out, typed
from .library import address, function, readable

FEW = 4  # channels up to which C++ reads a volume as it lies; of more it wants rows, the values of a voxel side by side


def warp3d(volume: Tensor, flow: Tensor, mask: Tensor | None, padding: str, deterministic: bool | None) -> Tensor:
    """The operation on checked arguments, as the dispatch calls it; its gradients always repeat bit for bit."""
    if not readable(volume, flow, mask):
        followed = fast_warp if torch.compiler.is_compiling() else reference
        return followed.warp3d(volume, flow, mask, padding, deterministic)
    dtype = torch.promote_types(volume.dtype, flow.dtype)  # flow is float32 at least
    rows = channels_innermost(volume)
    given = laid_out(typed(volume, dtype), rows)
    flow = laid_out(typed(flow, dtype), channels_innermost(flow))
    dimmer = None if mask is None else typed(mask, dtype).contiguous()
    work = Warp.of if wanted(given, flow, dimmer) else _warped
    return typed(work(given, flow, dimmer, padding == "border"), volume.dtype)


def _warped(volume: Tensor, flow: Tensor, mask: Tensor | None, border: bool) -> Tensor:
    """The result, in the layout of the volume."""
    given = _as_read(volume)
    out = torch.empty_like(given)
    call = function("warp3d_forward", volume.dtype)
    call(*_job(given, flow, mask, border), address(given), address(out))
    return _as_laid(out, volume)


class Warp(Function):
    """A warp and its written-out gradients; the second ones are the reference's."""

    @staticmethod
    def forward(ctx: Any, volume: Tensor, flow: Tensor, mask: Tensor | None, border: bool) -> Tensor:
        """Volume (B, C, D, H, W), contiguous or channels-last, flow and mask of its type."""
        ctx.border = border
        ctx.save_for_backward(volume, flow, mask)
        return _warped(volume, flow, mask, border)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients that somebody wants."""
        (grad,) = grads
        tensors = ctx.saved_tensors
        if torch.is_grad_enabled():  # somebody differentiates again
            padding = "border" if ctx.border else "zeros"
            return *gradients_of(lambda *given: reference.warp3d(*given, padding=padding), tensors, grad), None
        volume, flow, mask = tensors
        wants_volume, wants_flow, wants_mask, _ = ctx.needs_input_grad
        given = _as_read(volume)
        grad = laid_out(grad, channels_innermost(given))
        grad_volume = torch.zeros_like(given) if wants_volume else None
        grad_flow = torch.empty_like(flow) if wants_flow else None
        grad_mask = torch.empty_like(mask) if wants_mask and mask is not None else None
        found = (address(each) for each in (given, grad, grad_volume, grad_flow, grad_mask))
        function("warp3d_backward", volume.dtype)(*_job(given, flow, mask, ctx.border), *found)
        return None if grad_volume is None else _as_laid(grad_volume, volume), grad_flow, grad_mask, None


def _as_read(volume: Tensor) -> Tensor:
    """The volume as C++ reads it."""
    return laid_out(volume, True) if volume.shape[1] > FEW else volume


def _as_laid(made: Tensor, volume: Tensor) -> Tensor:
    """What C++ made of ``_as_read(volume)``, in the layout of the volume."""
    if channels_innermost(made) == channels_innermost(volume):
        return made
    out = torch.empty_like(volume)
    B, C, *space = volume.shape
    sizes = (B, C, space[0] * space[1] * space[2], torch.get_num_threads())
    function("planes", volume.dtype)(address(made), address(out), *sizes)
    return out


def _job(volume: Tensor, flow: Tensor, mask: Tensor | None, border: bool) -> tuple[int | None, ...]:
    """What each of the library's warps begins with; sizes of dense tensors say more than strides do."""
    _, C, D, H, W = volume.shape
    voxels = D * H * W
    of_flow = (1, 3) if channels_innermost(flow) else (voxels, 1)
    of_volume = (C, 1) if channels_innermost(volume) else (1, voxels)
    threads = torch.get_num_threads()
    return *volume.shape, address(flow), *of_flow, address(mask), border, *of_volume, threads
