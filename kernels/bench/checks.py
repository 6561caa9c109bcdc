"""What is no timing: the environment, the card's own checker, torch.compile, and faults planted for a rehearsal."""

import contextlib
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

import gpu
from flow3d_kernels import adain3d, backend, warp3d
from gate import judged
from setting import Absent, Setting

LAUNCHES = pathlib.Path(__file__).with_name("launches.py")
CLOSE = 1e-5  # what a compiled block may be off: the same kernels, float32 products in another order


def environment(setting: Setting) -> Iterator[dict[str, Any]]:
    """The card and the versions."""
    found = backend(torch.zeros(1, device=setting.device))
    versions = {"torch": torch.__version__, "python": platform.python_version()}
    for name in ("triton", "numpy"):
        with contextlib.suppress(ImportError):
            versions[name] = __import__(name).__version__
    about: dict[str, Any] = versions | {"backend": found.name, "backend_reason": found.reason}
    if setting.device == "cuda":
        card = torch.cuda.get_device_properties(0)
        about |= {"card": card.name, "capability": f"{card.major}.{card.minor}", "memory_bytes": card.total_memory}
        about |= {"processors": card.multi_processor_count, "l2_bytes": card.L2_cache_size}
        about["toolkit"] = str(torch.version.cuda or torch.version.hip)
    yield about


def sanitizer(setting: Setting, tool: str) -> Iterator[dict[str, Any]]:
    """compute-sanitizer over a few small launches of every kernel.

    Raises:
        Absent: no card, or no compute-sanitizer.
    """
    command = shutil.which("compute-sanitizer")
    if setting.device != "cuda" or command is None:
        raise Absent("compute-sanitizer is not installed" if command is None else "compute-sanitizer needs a card")
    arguments = [command, "--tool", tool, "--error-exitcode", "9", sys.executable, str(LAUNCHES)]
    done = subprocess.run(arguments, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    said = (done.stdout + done.stderr).strip()[-1500:]
    yield {"tool": tool, "said": said} | ({"status": "failed", "reason": said} if done.returncode else {})


def compiled_block(setting: Setting) -> Iterator[dict[str, Any]]:
    """Both operations in one graph of torch.compile, values and gradients against the same block run eagerly."""
    if not setting.compiles:
        raise Absent("a rehearsal compiles nothing")
    inputs = gpu.warp_inputs(setting.shape(1), torch.float32, "smooth flow", setting.device)
    style = torch.zeros(1, setting.volume[0], device=setting.device)

    def block(volume: Tensor, flow: Tensor) -> Tensor:
        return adain3d(warp3d(volume, flow), style, style, negative_slope=0.1) * 2

    def results(function: Callable[..., Tensor]) -> list[Tensor]:
        leaves = [each.detach().requires_grad_() for each in inputs]
        out = function(*leaves)
        return [out.detach(), *torch.autograd.grad(out.square().sum(), leaves)]

    pairs = zip(results(torch.compile(block, fullgraph=True)), results(block), strict=True)
    error = max(((a - b).abs().max() / b.abs().max()).item() for a, b in pairs)
    if not error <= CLOSE:
        raise ArithmeticError(f"a compiled block is off by {error:.1e} of the largest; {CLOSE:.0e} is allowed")
    yield {"error": error}


def planted(setting: Setting, fault: str) -> Iterator[dict[str, Any]]:
    """A row with a fault, for rehearsals."""
    if fault == "abort":
        os.abort()
    if fault == "hang":
        time.sleep(3600)
    row = gpu.row_of(setting, "warp3d", "contiguous", "smooth flow", "float32", 1, "eager")
    yield {"error": judged(replace(row, ours=partial(strays, wrong=row.inputs[0].dtype)))}


def strays(volume: Tensor, flow: Tensor, *, wrong: torch.dtype) -> Tensor:
    """warp3d, a thousandth off in one type: the float64 reference, which is the same function, stays right."""
    return warp3d(volume, flow) + 1e-3 * (volume.dtype == wrong)
