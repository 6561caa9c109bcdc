"""What this machine can do: whether Triton works, and why not; whether PyTorch has the operation that stands in.

Nothing else outside triton_kernels/ knows that Triton exists.
"""

import importlib.util
import os
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

VARIABLE = "TRITON_INTERPRET"


@cache
def load() -> tuple[dict[str, Callable[..., Tensor]], str]:
    """The two operations, or none and what keeps them away; never an error, whatever ails the installation."""
    if importlib.util.find_spec("triton") is None:
        return {}, "Triton is not installed."
    try:
        from .triton_kernels import adain_op, warp_op
    except Exception as error:
        return {}, f"Triton cannot be imported ({type(error).__name__}: {error})."
    return {"warp3d": warp_op.warp3d, "adain3d": adain_op.adain3d}, ""


def obstacle(device: str) -> str:
    """What keeps Triton from tensors on ``device``, as the end of a sentence; empty where nothing does."""
    if device == "cpu":
        if os.environ.get(VARIABLE) != "1":
            return f"the tensor is on the CPU, where Triton runs only as an interpreter: set {VARIABLE}=1 for that."
    elif device != "cuda":  # ROCm's tensors are "cuda" too
        return f"Triton has no kernel here for {device} tensors."
    operations, fault = load()
    if not operations:
        return fault
    if device == "cpu" and not interpreted():
        return f"{VARIABLE}=1 was set after Triton had been imported: set it before Python starts."
    return ""


def interpreted() -> bool:
    """Whether the interpreter runs both these kernels and Triton's own library: both bind when they are imported."""
    from triton import language
    from triton.runtime.interpreter import InterpretedFunction

    from .triton_kernels.warp_forward import warp3d_forward

    return isinstance(warp3d_forward, InterpretedFunction) and isinstance(language.sum, InterpretedFunction)


def has_grid_sample(device: str) -> bool:
    """Whether PyTorch samples volumes on such a device, gradients too; a release that does not tell is taken to do so.

    CPU and CUDA always had it, XPU has it; MPS got the forward pass in 2025 and the backward pass in 2026.
    """
    if device in ("cpu", "cuda", "meta"):
        return True
    tell = getattr(torch._C, "_dispatch_has_kernel_for_dispatch_key", None)
    names = ("aten::grid_sampler_3d", "aten::grid_sampler_3d_backward")
    return tell is None or all(tell(name, device.upper()) for name in names)
