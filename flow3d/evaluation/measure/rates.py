"""Frames and training steps a second: one row of the throughput's tables, measured."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, Literal

import torch
from torch import Tensor

from flow3d_kernels import use_backend

from ...config import Recipe, preset
from ...datasets.batch import Batch
from ...morphable.coefficients import POSE
from ...morphable.volume_flow import LAYERS, Surfaces, volume_side
from ...renderer import FlowRenderer
from ...sizes import RADIUS, WINDOW_SHAPE
from ...training.config import training
from ...training.losses import loss_total
from ...training.perceptual import perceptual
from ...training.steps import TrainingStep
from ...weights import shipped

Phase = Literal[1, 2]
Layout = Literal["contiguous", "channels-last"]
Path = Literal["kernels", "PyTorch"]
Work = Callable[[], object]

SIDES = {"kernels": "auto", "PyTorch": "torch"}  # path -> backend: the fallback, not the readable reference
FORMATS = {"contiguous": (torch.contiguous_format,) * 2, "channels-last": (torch.channels_last, torch.channels_last_3d)}


@dataclass(frozen=True)
class Frames:
    """Frames a second of a renderer whose source is prepared."""

    preset: str
    recipe: Recipe
    dtype: Literal["float32", "bfloat16"]
    batch: int
    graph: bool  # one CUDA graph
    layout: Layout
    path: Path


@dataclass(frozen=True)
class Steps:
    """Training steps a second, with every term and the optimiser, in float32."""

    preset: str
    recipe: Recipe
    phase: Phase
    batch: int
    path: Path


KINDS = {"frames": Frames, "steps": Steps}


@dataclass(frozen=True)
class Clock:
    """Where and how often a row is timed: the median of so many repetitions of so many calls."""

    device: str
    repetitions: int = 3
    calls: int = 5

    def seconds_of(self, run: Work) -> float:
        """Median seconds of a call; the first repetition is not counted."""
        passed = []
        for repetition in range(self.repetitions + 1):
            self._wait()
            begun = time.perf_counter()
            for _ in range(self.calls):
                run()
            self._wait()
            if repetition:
                passed.append((time.perf_counter() - begun) / self.calls)
        return statistics.median(passed)

    def _wait(self) -> None:
        if self.device == "cuda":
            torch.cuda.synchronize()


def measured(row: Frames | Steps, clock: Clock) -> dict[str, Any]:
    """The row with its rate a second and the peak of the card's memory, or with the reason why it has none."""
    record: dict[str, Any] = {"work": "frames" if isinstance(row, Frames) else "steps"} | asdict(row)
    if clock.device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    try:
        if isinstance(row, Frames):
            record["rate"] = frame_rate(row, clock)
        else:
            with use_backend(SIDES[row.path]):
                record["rate"] = 1 / clock.seconds_of(learning(row, clock.device))
    except (RuntimeError, ValueError) as error:
        record |= {"rate": None, "reason": str(error).partition("\n")[0][:300]}
    return record | {"peak_bytes": torch.cuda.max_memory_allocated() if clock.device == "cuda" else None}


def frame_rate(row: Frames, clock: Clock) -> float:
    """Frames a second.

    Raises:
        ValueError: a CUDA graph is asked for where there is no card.
    """
    device = clock.device
    if row.graph and device != "cuda":
        raise ValueError(f"graph: expected False on {device}, which has no CUDA graphs, got True")
    renderer = laid_out(renderer_of(row.preset, row.recipe), row.layout).to(device)
    low = torch.autocast(device, torch.bfloat16, cache_enabled=not row.graph) if row.dtype == "bfloat16" else None
    with torch.no_grad(), low or contextlib.nullcontext(), use_backend(SIDES[row.path]):
        work = rendering(renderer, row.batch, device)
        return row.batch / clock.seconds_of(captured(work) if row.graph else work)


@lru_cache(maxsize=1)  # rows of one model follow one another
def renderer_of(name: str, recipe: Recipe) -> FlowRenderer:
    """The shipped weights of tiny, else random ones of a preset."""
    if (name, recipe) == ("tiny", "extended"):
        return FlowRenderer.from_pretrained(shipped("tiny")).eval()
    torch.manual_seed(0)
    return FlowRenderer(preset(name, recipe)).eval()


def laid_out(renderer: FlowRenderer, layout: Layout) -> FlowRenderer:
    """The renderer with its convolutions' weights in a layout, which their results then take."""
    planes, volumes = FORMATS[layout]
    for parameter in renderer.parameters():
        if parameter.ndim in (4, 5):
            parameter.data = parameter.data.contiguous(memory_format=planes if parameter.ndim == 4 else volumes)
    return renderer


def rendering(renderer: FlowRenderer, count: int, device: str) -> Work:
    """One call of the renderer with its source prepared; the call holds all that it reads."""
    size = renderer.config.size
    generator = torch.Generator().manual_seed(0)
    source = torch.rand(3, size, size, generator=generator).to(device) * 2 - 1
    ready = renderer.prepare(source, torch.ones_like(source[:1]), torch.zeros(WINDOW_SHAPE, device=device))
    windows = 0.1 * torch.randn(count, *WINDOW_SHAPE, generator=generator).to(device)
    return lambda: renderer.stages(ready, windows)


def captured(work: Work) -> Work:
    """The work as one CUDA graph.

    A graph reads its inputs at the addresses that they had and keeps nothing alive: the call holds ``work``, and
    ``work`` its inputs. It is warmed up on the stream that is captured, where libraries then have their workspace.
    """
    stream, graph = torch.cuda.Stream(), torch.cuda.CUDAGraph()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        work()
    torch.cuda.current_stream().wait_stream(stream)
    with torch.cuda.graph(graph, stream=stream):
        work()

    def replay(held: Work = work) -> None:
        graph.replay()

    return replay


def random_batch(size: int, count: int, device: str) -> Batch:
    """Pictures of noise: a step's time does not depend on what is seen."""
    generator = torch.Generator().manual_seed(0)

    def noise(*shape: int) -> Tensor:
        return torch.rand(count, *shape, generator=generator).to(device)

    images = [2 * noise(3, size, size) - 1 for _ in range(4)]
    mattes = [(noise(1, size, size) > 0.5).float() for _ in range(3)]
    windows = [0.1 * noise(*WINDOW_SHAPE) for _ in range(2)]
    labels = torch.zeros(count, 1, size, size, dtype=torch.long, device=device)
    rays = (LAYERS, volume_side(size), volume_side(size))
    surfaces = Surfaces(noise(*rays) - 0.5, noise(*rays) > 0.5, noise(3, *rays) - 0.5)
    source, target = (window[:, POSE, RADIUS] for window in windows)
    flow = 4 * noise(3, size, size) - 2
    return Batch(
        *images, *mattes[:2], *windows, flow=flow, visible=mattes[2], labels=labels, surfaces=surfaces,
        source_pose=source, target_pose=target,
    )  # fmt: skip


def learning(row: Steps, device: str) -> Work:
    """One training step with every term, optimiser included."""
    torch.manual_seed(0)
    renderer = FlowRenderer(preset(row.preset, row.recipe)).to(device).train()
    config = training(row.preset, row.recipe, row.phase).replace(sparse_terms=1)
    step = TrainingStep(renderer, config, perceptual(config.features)).to(device)
    optimiser = torch.optim.Adam(renderer.parameters(), lr=1e-6)
    batch, last = random_batch(renderer.config.size, row.batch, device), config.steps - 1

    def run() -> None:
        terms = loss_total(step(batch, last), config.lambdas, judge=step.judge.name, extensions=config.extensions(last))
        optimiser.zero_grad(set_to_none=True)
        terms.total.backward()
        torch.nn.utils.clip_grad_norm_(renderer.parameters(), config.largest_norm)
        optimiser.step()

    return run
