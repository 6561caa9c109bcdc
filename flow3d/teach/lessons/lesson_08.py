"""Notebook 08's helpers: the package's kernels as text or with a planted mistake; values, addresses, reads checked."""

import ast
import importlib.util
import tempfile
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
import torch.nn.functional as F
from IPython.display import Markdown, display
from jaxtyping import Float
from torch import Tensor

import flow3d_kernels
from flow3d_kernels import backend, use_backend, warp3d
from flow3d_kernels.triton_kernels import address_check

KERNELS = Path(flow3d_kernels.__file__).parent / "triton_kernels"


def kernel_text(name: str) -> str:
    """Return the source of a kernel such as ``warp_forward.warp3d_forward``; it is read, not imported.

    Raises:
        ValueError: there is no such module or function.
    """
    module, _, function = name.partition(".")
    path = KERNELS / f"{module}.py"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef) and node.name == function:
            lines, note = text.splitlines(), node.body[0]
            body = range(node.lineno - 1, node.end_lineno or node.lineno)
            docstring = range(note.lineno - 1, note.end_lineno or note.lineno) if ast.get_docstring(node) else ()
            kept = [lines[i] for i in body if i not in docstring]
            return "\n".join(["@triton.jit", *kept])
    raise ValueError(f"name: expected module.function of {KERNELS.name}, got {name!r}")


def show_kernel(*names: str) -> None:
    """Display kernels of the package, as ``show_source`` does with functions, whether or not Triton is there."""
    for name in names:
        place = f"flow3d_kernels/{KERNELS.name}/{name.partition('.')[0]}.py"
        display(Markdown(f"```python\n# {place}\n{kernel_text(name)}\n```"))


@contextmanager
def planted(right: str, wrong: str) -> Generator[None]:
    """Let the package's forward warp run, within a block, as if its source said ``wrong`` instead of ``right``.

    Raises:
        ValueError: the source does not say ``right`` exactly once.
    """
    from flow3d_kernels.triton_kernels import warp_op

    source = (KERNELS / "warp_forward.py").read_text(encoding="utf-8")
    if source.count(right) != 1:
        raise ValueError(
            f"right: expected text that warp_forward.py has once, got {right!r}, {source.count(right)} times"
        )
    kernels: Any = warp_op
    whole = kernels.warp3d_forward
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "spoilt_warp_forward.py")
        file.write_text(source.replace(right, wrong), encoding="utf-8")
        spec = importlib.util.spec_from_file_location(f"{kernels.__package__}.{file.stem}", file)
        assert spec is not None
        assert spec.loader is not None
        spoilt = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(spoilt)
        kernels.warp3d_forward = spoilt.warp3d_forward
        try:
            yield
        finally:
            kernels.warp3d_forward = whole


def stray(run: Callable[[], object], finder: Callable[..., Any] | None = None) -> str:
    """Run a kernel under an address checker; return what it says of lanes outside of every tensor, "" if none is.

    The package's checker looks at every access of Triton's interpreter; without Triton the stand-in's own does. On a
    card neither works: ``compute-sanitizer --tool memcheck`` does there.

    Args:
        run: starts the kernel.
        finder: looks for stray lanes in place of ``address_check.stray_lanes``.
    """
    if importlib.util.find_spec("triton") is None:
        from flow3d.teach.lessons.lesson_08_stand_in import checked_addresses
    else:
        from flow3d_kernels.triton_kernels.address_check import checked_addresses
    try:
        with mock.patch.object(address_check, "stray_lanes", finder or address_check.stray_lanes), checked_addresses():
            run()
    except Exception as error:  # the interpreter wraps what a kernel raises
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        if not isinstance(cause, IndexError):
            raise
        return str(cause)
    return ""


def error_of(
    warp: Callable[[Tensor, Tensor], Tensor], channels_last: bool = True, shape: Sequence[int] = (2, 32, 3, 6, 6)
) -> float:
    """The largest error of a warp of a small volume (B, C, D, H, W) against the reference in float64.

    It gets volume and flow on the card, if there is one; the flow leaves the volume on all sides.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    draw = torch.Generator().manual_seed(0)
    volume = torch.randn(tuple(shape), generator=draw)
    volume = volume.to(memory_format=torch.channels_last_3d) if channels_last else volume
    flow = 3 * torch.randn((shape[0], 3, *shape[2:]), generator=draw)
    with use_backend("reference"):
        expected = warp3d(volume.double(), flow.double())
    with use_backend("triton"):
        return float((warp(volume.to(device), flow.to(device)).cpu() - expected).abs().max())


def volumes_read(run: Callable[[], object], volume: Float[Tensor, "B C D H W"]) -> float:
    """How often interpreted kernels load a volume, in its own size, with the tiles of an H200; NaN without interpreter.

    Every load counts, wherever a card would find what it asks for.
    """
    if backend(volume).name != "triton" or volume.device.type != "cpu":
        return float("nan")
    from flow3d_kernels.triton_kernels.tiles import tiles_of

    with tiles_of("sm_90"), address_check.checked_addresses() as seen:
        run()
    return seen.loaded / (volume.numel() * volume.element_size())


def smooth_flow(sizes: Sequence[int], seed: int = 0) -> Float[np.ndarray, "3 D H W"]:
    """Displacements (dx, dy, dz) in voxels that change over eight voxels, 2 long in the quadratic mean on each axis."""
    D, H, W = sizes
    coarse = torch.randn(1, 3, *(max(2, size // 8) for size in sizes), generator=torch.Generator().manual_seed(seed))
    flow = F.interpolate(coarse, (D, H, W), mode="trilinear", align_corners=True)[0]
    return (flow * 2 / flow.square().mean().sqrt()).numpy()
