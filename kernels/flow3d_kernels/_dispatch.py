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

from . import _triton, fast_adain, fast_warp, reference
from .cpp_kernels import adain_op, build, warp_op

VARIABLE = "FLOW3D_BACKEND"
REQUESTS = ("auto", "torch", "cpp", "triton", "reference")

# backend -> operation -> function on checked arguments; "triton" joins when it is first chosen
OPERATIONS: dict[str, dict[str, Callable[..., Tensor]]] = {
    "reference": {"warp3d": reference.warp3d, "adain3d": reference.adain3d},
    "torch": {"warp3d": fast_warp.warp3d, "adain3d": fast_adain.adain3d},
    "cpp": {"warp3d": warp_op.warp3d, "adain3d": adain_op.adain3d},
}

_forced: ContextVar[str | None] = ContextVar("flow3d_backend", default=None)
_log = logging.getLogger("flow3d_kernels")


@dataclass(frozen=True)
class Backend:
    """Who works on a tensor ("reference", "torch", "cpp" or "triton"), and a sentence that says why."""

    name: str
    reason: str


def backend(tensor: Tensor | None = None) -> Backend:
    """Tell which backend works on ``tensor``, or on this machine's default device, and why.

    ``use_backend`` decides first, then the environment variable FLOW3D_BACKEND (auto, torch, cpp, triton or
    reference). C++ works on CPU tensors where it is asked for, never by itself: a result shall not depend on whether
    there is a compiler. Triton works on GPU tensors, and on CPU tensors where it is asked for and TRITON_INTERPRET=1
    was set before Python started. Where it cannot, PyTorch does, and the log of "flow3d_kernels" says once why.

    Raises:
        TypeError: ``tensor`` is neither a tensor nor None.
        ValueError: FLOW3D_BACKEND holds an unknown name.
        RuntimeError: C++ is asked for, and there is no compiler or it fails.

    Example:
        >>> backend(torch.zeros(1)).name
        'torch'
    """
    if tensor is not None and not isinstance(tensor, Tensor):
        raise TypeError(f"tensor must be a torch.Tensor or None; got {type(tensor).__name__}")
    return _choose(tensor.device.type if tensor is not None else "cuda" if torch.cuda.is_available() else "cpu")


@contextmanager
def use_backend(name: str) -> Generator[None]:
    """Ask for a backend within a block: "auto", "torch", "cpp", "triton" or "reference"; it overrules FLOW3D_BACKEND.

    A function that torch.compile has compiled keeps the backend that it was compiled with.

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
    return OPERATIONS[_name(tensor.device.type)][operation]


def _name(device: str) -> str:
    return _chosen(device, _forced.get(), os.environ.get(VARIABLE)).name


# What torch.compiler.assume_constant_result does: torch.compile takes the answer and does not look inside. Calling it
# would import the compiler, which takes longer than the rest of this package.
_name.__dict__["_dynamo_marked_constant"] = True


def _choose(device: str) -> Backend:
    """The backend for tensors on a device, loaded."""
    return _choice(device, _forced.get(), os.environ.get(VARIABLE))


def _choice(device: str, forced: str | None, variable: str | None) -> Backend:
    """The same, of what ``use_backend`` and the environment ask for."""
    request, asked_by = _request(forced, variable)
    if request == "reference":
        return Backend("reference", f"{asked_by} asks for the readable reference.")
    if request == "torch":
        return Backend("torch", f"{asked_by} asks for PyTorch's own operations.")
    if request == "cpp":
        if device == "cpu":
            build.library()
            return Backend("cpp", f"{asked_by} asks for C++.")
        instead = _choice(device, "auto", None)
        reason = f"{asked_by} asks for C++, which works on the CPU only. {instead.reason}"
        _say_once(reason)
        return Backend(instead.name, reason)
    if request == "auto" and device == "cpu":
        return Backend("torch", "The tensor is on the CPU, where PyTorch's own operations work until C++ is asked for.")
    obstacle = _triton.obstacle(device)
    if not obstacle:
        OPERATIONS["triton"], _ = _triton.load()
        reason = "The tensor is on a GPU." if request == "auto" else f"{asked_by} asks for Triton."
        return Backend("triton", reason)
    if request == "triton":
        obstacle = f"{asked_by} asks for Triton, but {obstacle}"
    if not _triton.has_grid_sample(device):
        lacking = f"{obstacle} PyTorch has no 3D grid_sample for {device} tensors either."
        _say_once(f"{lacking} The readable reference is used.")
        return Backend("reference", lacking)
    _say_once(f"{obstacle} PyTorch's own operations are used.")
    return Backend("torch", obstacle)


_chosen = cache(_choice)  # for each call of an operation: what may be used here is looked at once for each request


def _request(forced: str | None, variable: str | None) -> tuple[str, str]:
    """What is asked for, and by whom."""
    if forced is not None:
        return forced, f'use_backend("{forced}")'
    request = _known(VARIABLE, (variable or "").strip().lower() or "auto")
    return request, f"{VARIABLE}={request}"


def _known(source: str, request: object) -> str:
    if request not in REQUESTS:
        raise ValueError(f"{source} must be one of {', '.join(REQUESTS)}; got {request!r}")
    return str(request)


@cache
def _say_once(sentence: str) -> None:
    _log.warning(sentence)
