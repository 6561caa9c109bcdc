"""The one place that chooses who works on a tensor: each backend offers both operations with one signature."""

import logging
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from flow3d_kernels import fast_adain, fast_warp, reference

VARIABLE = "FLOW3D_BACKEND"
REQUESTS = ("auto", "torch", "triton", "reference")

# backend -> operation -> function on checked arguments
OPERATIONS: dict[str, dict[str, Callable[..., Tensor]]] = {
    "reference": {"warp3d": reference.warp3d, "adain3d": reference.adain3d},
    "torch": {"warp3d": fast_warp.warp3d, "adain3d": fast_adain.adain3d},
}

_forced: ContextVar[str | None] = ContextVar("flow3d_backend", default=None)
_log = logging.getLogger("flow3d_kernels")


@dataclass(frozen=True)
class Backend:
    """Who works on a tensor ("reference", "torch" or "triton"), and a sentence that says why."""

    name: str
    reason: str


def backend(tensor: Tensor | None = None) -> Backend:
    """Tell which backend works on ``tensor``, or on this machine's default device, and why.

    ``use_backend`` decides first, then the environment variable FLOW3D_BACKEND (auto, torch, triton or reference).
    A request for Triton that cannot be met falls back to PyTorch and says so once, in the log of "flow3d_kernels".

    Raises:
        TypeError: ``tensor`` is neither a tensor nor None.
        ValueError: FLOW3D_BACKEND holds an unknown name.

    Example:
        >>> backend(torch.zeros(1)).name
        'torch'
    """
    if tensor is not None and not isinstance(tensor, Tensor):
        raise TypeError(f"tensor must be a torch.Tensor or None; got {type(tensor).__name__}")
    request, asked_by = _request()
    if request == "reference":
        return Backend("reference", f"{asked_by} asks for the readable reference.")
    if request == "torch":
        return Backend("torch", f"{asked_by} asks for PyTorch's own operations.")
    obstacle = _why_not_triton(tensor)
    if request == "triton":
        obstacle = f"{asked_by} asks for Triton, but {obstacle}"
        _say_once(f"{obstacle} PyTorch's own operations are used.")
    return Backend("torch", obstacle[0].upper() + obstacle[1:])


@contextmanager
def use_backend(name: str) -> Generator[None]:
    """Ask for a backend within a block: "auto", "torch", "triton" or "reference"; it overrules FLOW3D_BACKEND.

    Raises:
        ValueError: ``name`` is none of these.

    Example:
        >>> with use_backend("reference"):
        ...     backend().name
        'reference'
    """
    token = _forced.set(_known("name", name))
    try:
        yield
    finally:
        _forced.reset(token)


def implementation(operation: str, tensor: Tensor) -> Callable[..., Tensor]:
    """The function that works on ``tensor``."""
    return OPERATIONS[backend(tensor).name][operation]


def _request() -> tuple[str, str]:
    """What is asked for, and by whom."""
    forced = _forced.get()
    if forced is not None:
        return forced, f'use_backend("{forced}")'
    request = _known(VARIABLE, os.environ.get(VARIABLE, "").strip().lower() or "auto")
    return request, f"{VARIABLE}={request}"


def _known(source: str, request: object) -> str:
    if request not in REQUESTS:
        raise ValueError(f"{source} must be one of {', '.join(REQUESTS)}; got {request!r}")
    return str(request)


def _why_not_triton(tensor: Tensor | None) -> str:
    """What keeps Triton from ``tensor``, as the end of a sentence."""
    device = tensor.device.type if tensor is not None else "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu":
        return "the tensor is on the CPU, where PyTorch's own operations are the fast ones."
    return f"this version has no Triton kernel for {device} tensors, so PyTorch's own operations do the work."


@cache
def _say_once(sentence: str) -> None:
    _log.warning(sentence)
