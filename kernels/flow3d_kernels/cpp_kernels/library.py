"""The library's functions as ctypes calls them: one copy for float32, one for float64."""

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from .._autograd import eager
from . import build

POINTER, INDEX, NUMBER = ctypes.c_void_p, ctypes.c_int64, ctypes.c_double
# B, C, D, H, W; flow, its strides of an axis and of a voxel; mask; border; a volume's strides of a voxel and a channel;
# threads
WARP = (*[INDEX] * 5, POINTER, INDEX, INDEX, POINTER, *[INDEX] * 4)
# B, C, D, voxels of a slice, channels innermost; x; gamma, its axes; beta, its axes; residual; slope; moments; threads
ADAIN = (*[INDEX] * 5, POINTER, POINTER, INDEX, POINTER, INDEX, POINTER, NUMBER, POINTER, INDEX)
SIGNATURES = {
    "warp3d_forward": (*WARP, *[POINTER] * 2),  # volume, out
    "warp3d_backward": (*WARP, *[POINTER] * 5),  # volume, grad, grad_volume, grad_flow, grad_mask
    "planes": (*[POINTER] * 2, *[INDEX] * 4),  # rows, planes, B, C, voxels, threads
    "adain3d_forward": (*ADAIN, NUMBER, POINTER),  # eps, out
    "adain3d_backward": (*ADAIN, *[POINTER] * 5),  # grad, grad_x, grad_gamma, grad_beta, grad_value
}
TYPES = {torch.float32: "float", torch.float64: "double"}


@cache
def function(name: str, dtype: torch.dtype) -> Callable[..., Any]:
    """A function of the library for float32 or float64; it takes addresses and integers, and holds no lock of Python.

    Raises:
        RuntimeError: the library cannot be had.
    """
    found = getattr(build.library(), f"{name}_{TYPES[dtype]}")
    found.argtypes, found.restype = SIGNATURES[name], None
    return found


def address(tensor: Tensor | None) -> int | None:
    """Where a tensor's values lie; None for none."""
    return None if tensor is None else tensor.data_ptr()


def readable(*tensors: Tensor | None) -> bool:
    """Whether tensors are plain memory, and nobody follows what is done with them but autograd: C++ leaves no trace."""
    return eager(*tensors) and not torch.jit.is_tracing() and getattr(forward_ad, "_current_level", 0) < 0
