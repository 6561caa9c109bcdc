"""The same comparisons on a card: batches, both precisions, smooth and white flows, and what else there is to beat."""

import importlib
import itertools
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor
from torch._dynamo import config as dynamo
from torch._functorch import config as functorch

import cases
from cases import Row
from flow3d_kernels import adain3d, backend, warp3d
from gate import GATE
from limits import floor_of

BATCHES = (1, 4, 16, 64)
CACHE = 64 * 2**20  # bytes of the largest L2 cache in sight; inputs rotate through twice as much
COPIED = 2**29  # bytes that the measured copy moves
CALLS = 10  # between two readings of the card's clock
PASSES = ("forward", "backward")


def eager_warp(volume: Tensor, flow: Tensor, mask: Tensor | None = None) -> Tensor:
    """As autocast runs it: F.grid_sample wants the grid's type, and a grid in half precision would be useless."""
    return cases.plain_warp(volume.to(flow.dtype), flow, mask).to(volume.dtype)


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


def flaggems_warp() -> Callable[..., Tensor] | None:
    """FlagGems' Triton grid_sample, where its wheel is installed."""
    with suppress(ImportError):
        gems = importlib.import_module("flag_gems")

        def warp(volume: Tensor, flow: Tensor, mask: Tensor | None = None) -> Tensor:
            with gems.use_gems():
                return eager_warp(volume, flow, mask)

        return warp
    return None


def compiled(function: Callable[..., Tensor], device: str) -> Callable[..., Tensor]:
    """What torch.compile makes of it, for each shape anew; a row that is only planned needs no compiler."""
    return function if device == "meta" else torch.compile(function, dynamic=False)


def rows(device: str, batches: tuple[int, ...] = BATCHES) -> Iterator[Row]:
    """Every comparison; the costly ones (the compiler's, the variants) for a single batch and for one of 16."""
    for batch, dtype in itertools.product(batches, (torch.float32, torch.bfloat16)):
        wide = batch in (1, 16)
        warps: dict[str, Callable[..., Tensor]] = {"eager": eager_warp}
        if wide:
            warps["compiled"] = compiled(eager_warp, device)
        gems = flaggems_warp()
        if gems is not None and dtype == torch.float32:
            warps["FlagGems"] = gems
        for layout in ("channels-last", "contiguous")[: 2 if wide else 1]:
            for variant in ("smooth flow", "smooth flow and mask", "white flow")[: 3 if wide else 1]:
                yield from against(warps, "warp3d", layout, variant, warp3d, warp_inputs(batch, dtype, variant, device))
        for layout in ("channels-last", "contiguous"):
            styled: dict[str, Callable[..., Tensor]] = {"eager": cases.plain_adain, "folded": folded_adain}
            if wide:
                styled["compiled"] = compiled(cases.plain_adain, device)
            inputs = adain_inputs(batch, dtype, device)
            yield from against(styled, "adain3d", layout, "style per channel", cases.styled, inputs[:3])
            if batch == 16:
                x, _, _, residual, full = inputs
                eager, also = {"eager": cases.plain_adain}, {"eager": residual_adain}
                yield from against(eager, "adain3d", layout, "full style map", cases.styled, (x, full, full))
                variant = "style per channel and residual"
                yield from against(also, "adain3d", layout, variant, styled_residual, (*inputs[:3], residual))


def against(
    rivals: Mapping[str, Callable[..., Tensor]],
    operation: str,
    layout: str,
    variant: str,
    ours: Callable[..., Tensor],
    inputs: tuple[Tensor, ...],
) -> Iterator[Row]:
    """One row for each rival, which gets its tensors contiguous."""
    dtype = str(inputs[0].dtype)[6:]
    for rival, plain in rivals.items():
        yield Row(operation, layout, "contiguous", variant, plain, ours, inputs, {}, rival, dtype)


def warp_inputs(batch: int, dtype: torch.dtype, variant: str, device: str) -> tuple[Tensor, ...]:
    """Volume, a smooth flow (rms 2 voxels) or a white one (1.5), and a mask where the variant has one."""
    _, C, D, H, W = cases.SHAPE
    generator = None if device == "meta" else torch.Generator(device).manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, device=device)

    flow = 1.5 * normal(batch, 3, D, H, W)
    if "smooth" in variant:
        coarse = normal(batch, 3, *(max(2, size // 8) for size in (D, H, W)))
        flow = F.interpolate(coarse, size=(D, H, W), mode="trilinear", align_corners=True)
        flow = flow * (2 / flow.square().mean().sqrt())
    mask = (normal(batch, 1, D, H, W).sigmoid(),) if "mask" in variant else ()
    return normal(batch, C, D, H, W).to(dtype), flow, *mask


def adain_inputs(batch: int, dtype: torch.dtype, device: str) -> tuple[Tensor, ...]:
    """x, gamma and beta per channel, residual, and a full map."""
    shape = (batch, *cases.SHAPE[1:])
    generator = None if device == "meta" else torch.Generator(device).manual_seed(0)
    shapes = (shape, shape[:2], shape[:2], shape, shape)
    return tuple(torch.randn(each, generator=generator, device=device).to(dtype) for each in shapes)


def work_of(function: Callable[..., Tensor], row: Row, layout: str, passes: str) -> Callable[[], object]:
    """One call on inputs that rotate, so that the cache never holds them from the last time."""
    moved = floor_of(
        row.operation, "forward", row.inputs[0].element_size(), row.variant, tuple(row.inputs[0].shape)
    ).bytes
    copies = [cases.laid_out(tuple(each.clone() for each in row.inputs), layout) for _ in range(1 + 2 * CACHE // moved)]
    if passes == "forward":
        turns = itertools.cycle(copies)

        def forward() -> None:
            with torch.no_grad():
                function(*next(turns))

        return forward
    results = [(inputs, function(*inputs)) for inputs in copies]
    gradients = itertools.cycle([(out, inputs, torch.ones_like(out)) for inputs, out in results])

    def backward() -> None:
        out, inputs, gradient = next(gradients)
        torch.autograd.grad(out, inputs, gradient, retain_graph=True)

    return backward


def card_seconds(run: Callable[[], object]) -> float:
    """Seconds by the card's clock."""
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    run()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) / 1000


def repeated(make: Callable[[], Callable[[], object]]) -> Callable[[], object]:
    """CALLS calls that follow one another, launched from Python."""
    work = make()

    def run() -> None:
        for _ in range(CALLS):
            work()

    return run


def captured(make: Callable[[], Callable[[], object]]) -> Callable[[], object]:
    """CALLS calls as one CUDA graph: what is left when launching costs nothing.

    A backward pass runs on the stream of its forward pass, so both belong to the stream that is captured.
    """
    stream, graph = torch.cuda.Stream(), torch.cuda.CUDAGraph()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        run = repeated(make)
        run()
    with torch.cuda.graph(graph, stream=stream):
        run()

    def replay(held: Callable[[], object] = run) -> None:  # the graph reads what run holds, and does not keep it
        graph.replay()

    return replay


def copy_bandwidth(clock: Callable[[Callable[[], object]], float], device: str) -> float:
    """Bytes a second of PyTorch's own copy, read and written: what a kernel can be asked to reach."""
    source = torch.zeros(COPIED, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    clock(lambda: target.copy_(source))
    return 2 * COPIED / statistics.median(clock(lambda: target.copy_(source)) for _ in range(10))


def measure(
    device: str,
    repetitions: int,
    clock: Callable[[Callable[[], object]], float] = card_seconds,
    batches: tuple[int, ...] = BATCHES,
    expected_backend: str = "triton",
    failed: list[dict] | None = None,
) -> tuple[list[dict], float]:
    """Check and time every row; and the copy bandwidth of the same run.

    With a list ``failed``, a row that strays or breaks goes there with its reason, and the others are still measured.
    """
    found = backend(torch.zeros(1, device=device))
    if found.name != expected_backend:
        sys.exit(f"{found.reason} Nothing is written: these rows are about {expected_backend}.")
    bandwidth = copy_bandwidth(clock, device)
    results = []
    for row in rows(device, batches):
        try:
            results += timed(row, device, repetitions, clock)
        except (Exception, SystemExit) as reason:
            if failed is None:
                raise
            failed.append(row.described() | {"reason": f"{type(reason).__name__}: {reason}"[:600]})
    return results, bandwidth


def timed(row: Row, device: str, repetitions: int, clock: Callable[[Callable[[], object]], float]) -> list[dict]:
    """One row's lines: forward and backward, and for a single input both as graphs too."""
    few = tuple(each[:2] for each in row.inputs)
    with dynamo.patch(recompile_limit=64):
        error = cases.refuse_strays(replace(row, inputs=few), GATE)
    graphs = (False, True) if row.inputs[0].shape[0] == 1 and device == "cuda" else (False,)
    lines = []
    for passes, graph in itertools.product(PASSES, graphs):
        sides = ((row.plain, row.plain_layout), (row.ours, row.layout))
        makes = [partial(work_of, function, row, layout, passes) for function, layout in sides]
        # A compiled function is differentiated more than once, and compiled for every shape.
        with functorch.patch(donated_buffer=False), dynamo.patch(recompile_limit=64):
            runs = [captured(make) if graph else repeated(make) for make in makes]
            times = [[1000 * clock(run) / CALLS for run in runs] for _ in range(repetitions + 1)][1:]  # 1 warms up
        plain, ours = zip(*times, strict=True)
        lines.append(cases.summary(row, error, passes + (" (graph)" if graph else ""), plain, ours))
    return lines
