"""Argument checks of the public operations: every refusal names the argument, what was expected and what came."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

PADDINGS = ("border", "zeros")
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
STYLES = ("(B, C)", "(B, C, D)", "(B, C, D, H, W)")

# Whether torch.vmap has hidden an axis; a release that keeps this elsewhere is taken to have hidden none.
_is_mapped: Callable[[Tensor], bool] = getattr(
    getattr(torch._C, "_functorch", None), "is_batchedtensor", lambda _: False
)


def check_warp3d(volume: object, flow: object, mask: object, padding: object, deterministic: object) -> None:
    """Refuse whatever warp3d cannot work on."""
    volume = _volume("volume", volume)
    B, _, D, H, W = volume.shape
    flow = _companion("flow", flow, "(B, 3, D, H, W)", (B, 3, D, H, W), "volume", volume)
    if flow.dtype not in (torch.float32, torch.float64):
        raise TypeError(
            f"flow must be float32, since it holds positions in voxels; got {flow.dtype}: pass flow.float()"
        )
    if mask is not None:
        _companion("mask", mask, "(B, 1, D, H, W)", (B, 1, D, H, W), "volume", volume)
    if padding not in PADDINGS:
        raise ValueError(f'padding must be "border" or "zeros"; got {padding!r}')
    if deterministic is not None and not isinstance(deterministic, bool):
        raise TypeError(f"deterministic must be True, False or None; got {deterministic!r}")


def check_adain3d(
    x: object, gamma: object, beta: object, eps: object, negative_slope: object, residual: object
) -> None:
    """Refuse whatever adain3d cannot work on."""
    x = _volume("x", x)
    shape = x.shape
    if shape[2] * shape[3] * shape[4] == 1:
        raise ValueError(
            f"x must have more than one voxel in (D, H, W); got {tuple(shape)}: "
            "a single voxel is its own mean, and the result would forget it"
        )
    for name, style in (("gamma", gamma), ("beta", beta)):
        style = _floating(name, style)
        if style.ndim not in (2, 3, 5) or style.shape != shape[: style.ndim]:
            shapes = [tuple(shape[:axes]) for axes in (2, 3, 5)]
            expected = " or ".join(f"{letters} = {fits}" for letters, fits in zip(STYLES, shapes, strict=True))
            raise ValueError(f"{name} must be {expected} to match x; got {tuple(style.shape)}")
        _same_device(name, style, "x", x)
    if residual is not None:
        _companion("residual", residual, "(B, C, D, H, W)", shape, "x", x)
    if not _number("eps", eps) > 0:
        raise ValueError(f"eps must be positive; got {eps!r}")
    if negative_slope is not None and not _number("negative_slope", negative_slope) >= 0:
        raise ValueError(f"negative_slope must be None or at least 0; got {negative_slope!r}")


def _floating(name: str, value: object) -> Tensor:
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} must be a torch.Tensor; got {type(value).__name__}")
    if not torch.compiler.is_compiling() and _is_mapped(value):
        raise ValueError(f"{name} must not be under torch.vmap: make the mapped axis part of B instead")
    if value.dtype not in FLOATS:
        expected = "float16, bfloat16, float32 or float64" if value.is_floating_point() else "a floating-point tensor"
        raise TypeError(f"{name} must be {expected}; got {value.dtype}")
    return value


def _volume(name: str, value: object) -> Tensor:
    tensor = _floating(name, value)
    if tensor.ndim != 5:
        raise ValueError(f"{name} must be (B, C, D, H, W); got {tensor.ndim} axes: {tuple(tensor.shape)}")
    if tensor.numel() == 0:
        raise ValueError(f"{name} must have no empty axis in (B, C, D, H, W); got {tuple(tensor.shape)}")
    return tensor


def _companion(name: str, value: object, letters: str, shape: tuple[int, ...], host_name: str, host: Tensor) -> Tensor:
    tensor = _floating(name, value)
    if tensor.shape != shape:
        raise ValueError(f"{name} must be {letters} = {tuple(shape)} to match {host_name}; got {tuple(tensor.shape)}")
    _same_device(name, tensor, host_name, host)
    return tensor


def _same_device(name: str, tensor: Tensor, host_name: str, host: Tensor) -> None:
    if tensor.device != host.device:
        raise ValueError(f"{name} must be on the device of {host_name}, {host.device}; got {tensor.device}")


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):  # torch 2.8 compiles no union
        raise TypeError(f"{name} must be a number; got {type(value).__name__}")
    if not -math.inf < value < math.inf:  # a comparison, which a compiler can take for granted
        raise ValueError(f"{name} must be finite; got {value!r}")
    return value
