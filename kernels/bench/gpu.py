"""A comparison of the suite: its inputs from its description, its rivals, and its lines of the record."""

import contextlib
import itertools
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

import cases
from cases import Row
from clock import Work, milliseconds, ready, spread
from flow3d_kernels import adain3d, warp3d
from gate import judged
from limits import floor_of
from setting import Setting

PASSES = ("forward", "backward")
LATTICE = 2**12  # positions of flows in a voxel


def eager_warp(volume: Tensor, flow: Tensor, mask: Tensor | None = None, *, scale: Tensor) -> Tensor:
    """As autocast runs it: F.grid_sample wants the grid's type, and a grid in half precision would be useless."""
    return cases.plain_warp(volume.to(flow.dtype), flow, mask, scale=scale).to(volume.dtype)


def folded_adain(x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
    """A style per channel as group_norm's own scale and shift: the fastest that PyTorch has without a compiler."""
    B, C = x.shape[:2]
    rows = x.reshape(1, B * C, *x.shape[2:])
    out = F.group_norm(rows, B * C, (1 + gamma).reshape(-1).to(x.dtype), beta.reshape(-1).to(x.dtype))
    return F.leaky_relu(out.view(x.shape), cases.SLOPE)


def residual_adain(x: Tensor, gamma: Tensor, beta: Tensor, residual: Tensor) -> Tensor:
    space = (1,) * (5 - gamma.ndim)
    out = F.instance_norm(x) * (1 + gamma.view(gamma.shape + space)) + beta.view(beta.shape + space) + residual
    return F.leaky_relu(out, cases.SLOPE)


def styled_residual(x: Tensor, gamma: Tensor, beta: Tensor, residual: Tensor) -> Tensor:
    return adain3d(x, gamma, beta, negative_slope=cases.SLOPE, residual=residual)


def row_of(
    setting: Setting,
    operation: str,
    layout: str,
    variant: str,
    dtype: str,
    batch: int,
    rival: str,
    targets: dict[str, Any] | None = None,
) -> Row:
    """The comparison that a description names; every rival gets its tensors contiguous."""
    kind, shape = getattr(torch, dtype), setting.shape(batch)
    if operation == "warp3d":
        inputs = warp_inputs(shape, kind, variant, setting.device)
        plain = compiled(eager_warp, setting) if rival == "compiled" else eager_warp
        plain = partial(plain, scale=cases.grid_scale(inputs[0]))
        ours = partial(warp3d, deterministic="deterministic" in variant)
        return Row(operation, layout, "contiguous", variant, plain, ours, inputs, {}, rival, dtype)
    inputs = adain_inputs(shape, kind, variant, setting.device)
    residual = "residual" in variant
    plain = folded_adain if rival == "folded" else residual_adain if residual else cases.plain_adain
    plain = compiled(plain, setting) if rival == "compiled" else plain
    ours = styled_residual if residual else cases.styled
    return Row(operation, layout, "contiguous", variant, plain, ours, inputs, {}, rival, dtype)


def compiled(function: Callable[..., Tensor], setting: Setting) -> Callable[..., Tensor]:
    """What torch.compile makes of it, for these shapes alone."""
    return torch.compile(function, dynamic=False) if setting.compiles else function


def warp_inputs(shape: tuple[int, ...], dtype: torch.dtype, variant: str, device: str) -> tuple[Tensor, ...]:
    """Volume, a smooth flow (rms 2 voxels) or a white one (1.5), and a mask where the variant has one."""
    B, _, *space = shape
    generator = torch.Generator(device).manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, device=device)

    flow = 1.5 * normal(B, 3, *space)
    if "smooth" in variant:
        coarse = normal(B, 3, *(max(2, size // 8) for size in space))
        flow = F.interpolate(coarse, size=space, mode="trilinear", align_corners=True)
        flow = flow * (2 / flow.square().mean().sqrt())
    mask = (normal(B, 1, *space).sigmoid(),) if "mask" in variant else ()
    return normal(*shape).to(dtype), off_the_lattice(flow), *mask


def off_the_lattice(flow: Tensor) -> Tensor:
    """The flow rounded between 2^-12ths of a voxel: float32 then holds every position exactly, and none is whole.

    Otherwise a position near a lattice plane may lie on one side in float32 and on the other in float64, where the
    gradient is another.
    """
    return ((flow * LATTICE).floor() + 0.5) / LATTICE


def adain_inputs(shape: tuple[int, ...], dtype: torch.dtype, variant: str, device: str) -> tuple[Tensor, ...]:
    """x, gamma, beta, and a residual where the variant has one."""
    generator = torch.Generator(device).manual_seed(0)
    style = shape if "map" in variant else shape[:2]
    shapes = (shape, style, style, *[shape] * ("residual" in variant))
    return tuple(torch.randn(each, generator=generator, device=device).to(dtype) for each in shapes)


def work_of(function: Callable[..., Tensor], row: Row, layout: str, passes: str, cache: int) -> Work:
    """One call on inputs that rotate, so that the cache never holds them from the last time."""
    size, shape = row.inputs[0].element_size(), tuple(row.inputs[0].shape)
    moved = floor_of(row.operation, "forward", size, row.variant, shape).bytes
    copies = [cases.laid_out(tuple(each.clone() for each in row.inputs), layout) for _ in range(1 + 2 * cache // moved)]
    if passes == "forward":
        turns = itertools.cycle(copies)

        def forward() -> None:
            with torch.no_grad():
                function(*next(turns))

        return forward
    results = [(inputs, function(*inputs)) for inputs in copies]
    gradients = itertools.cycle([(out, inputs, torch.randn_like(out)) for inputs, out in results])

    def backward() -> None:
        out, inputs, gradient = next(gradients)
        torch.autograd.grad(out, inputs, gradient, retain_graph=True)

    return backward


def few(row: Row) -> Row:
    """The row on its first two samples, which the float64 reference can hold."""
    return replace(row, inputs=tuple(each[:2] for each in row.inputs))


def parity(setting: Setting, **description: Any) -> Iterator[dict[str, Any]]:
    """How far both sides are off."""
    yield description | {"error": judged(few(row_of(setting, **description)))}


def compare(setting: Setting, **description: Any) -> Iterator[dict[str, Any]]:
    """A line for each pass, in a CUDA graph and launched from Python; a rival that cannot be timed leaves a gap."""
    row = row_of(setting, **description)
    with compilers_settings() if row.rival == "compiled" else contextlib.nullcontext():
        error = judged(few(row), ("ours",) if row.rival == "compiled" else ("plain", "ours"))
        for graph, passes in itertools.product((True, False)[not setting.graphs :], PASSES):
            yield description | {"passes": passes, "graph": graph, "error": error} | timed(row, passes, graph, setting)


def timed(row: Row, passes: str, graph: bool, setting: Setting) -> dict[str, Any]:
    """Both sides' milliseconds, measured in turn."""
    makes = {
        "rival": partial(work_of, row.plain, row, row.plain_layout, passes, setting.cache),
        "ours": partial(work_of, row.ours, row, row.layout, passes, setting.cache),
    }
    runs, line = {}, {}
    for side, make in makes.items():
        try:
            run = ready(make, graph, setting)
            run()
            runs[side] = run
        except Exception as error:
            line[f"{side}_reason"] = f"{type(error).__name__}: {error}"[:300]
    line |= {f"{side}_ms": spread(times) for side, times in milliseconds(runs, setting).items()}
    if len(runs) == 2:
        line["ratio"] = round(line["rival_ms"]["p50"] / line["ours_ms"]["p50"], 3)
    return line if "ours" in runs else line | {"status": "failed", "reason": line["ours_reason"]}


@contextlib.contextmanager
def compilers_settings() -> Generator[None]:
    """A compiled function is differentiated more than once here, and forgotten afterwards."""
    from torch._functorch import config

    torch.compiler.reset()
    with config.patch(donated_buffer=False):
        yield
