"""The whole renderer on a card: frames a second, training steps a second, and the memory that they need.

    python -m flow3d.evaluation.throughput --out kernels/bench/results/

It measures batches of 1 (eager, and as a CUDA graph) and 16, in float32 and bfloat16, with our kernels and with
PyTorch's own operations. tiny has its shipped weights; the other presets have random ones, so their flow is near zero.
A row that does not fit into the card's memory stays empty, with the reason.
"""

import argparse
import contextlib
import datetime
import itertools
import json
import pathlib
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

from flow3d_kernels import backend, use_backend

from ..config import Recipe, preset
from ..datasets.batch import Batch
from ..provenance import card, head_commit
from ..renderer import FlowRenderer
from ..sizes import WINDOW_SHAPE
from ..training.config import training
from ..training.losses import loss_total
from ..training.perceptual import perceptual
from ..training.steps import TrainingStep
from ..weights import shipped

COMMAND = "python -m flow3d.evaluation.throughput --out kernels/bench/results/"
Phase = Literal[1, 2]
Models = tuple[tuple[str, Recipe], ...]
MODELS: Models = (("tiny", "extended"), ("small", "extended"), ("paper", "strict"))
CALLS, BATCH = 5, 8
BACKENDS = ("triton", "reference")


def seconds_of(run: Callable[[], object], device: str, repetitions: int) -> float:
    """Median seconds of a call; the first repetition is not counted."""
    seconds = []
    for repetition in range(repetitions + 1):
        if device == "cuda":
            torch.cuda.synchronize()
        begun = time.perf_counter()
        for _ in range(CALLS):
            run()
        if device == "cuda":
            torch.cuda.synchronize()
        if repetition:
            seconds.append((time.perf_counter() - begun) / CALLS)
    return statistics.median(seconds)


def renderer_of(name: str, recipe: Recipe, device: str) -> FlowRenderer:
    """The shipped weights of tiny, else random ones of a preset."""
    if name == "tiny":
        return FlowRenderer.from_pretrained(shipped("tiny")).eval().to(device)
    torch.manual_seed(0)
    return FlowRenderer(preset(name, recipe)).eval().to(device)


def rendering(renderer: FlowRenderer, count: int, graph: bool, device: str) -> Callable[[], object]:
    """A function that renders ``count`` frames of a prepared source."""
    size = renderer.config.size
    generator = torch.Generator().manual_seed(0)
    source = torch.rand(3, size, size, generator=generator).to(device) * 2 - 1
    window = torch.zeros(WINDOW_SHAPE, device=device)
    ready = renderer.prepare(source, torch.ones_like(source[:1]), window)
    windows = 0.1 * torch.randn(count, *WINDOW_SHAPE, generator=generator).to(device)
    if not graph:
        return lambda: renderer.stages(ready, windows)
    stream, captured = torch.cuda.Stream(), torch.cuda.CUDAGraph()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        renderer.stages(ready, windows)
    torch.cuda.current_stream().wait_stream(stream)
    with torch.cuda.graph(captured):
        renderer.stages(ready, windows)
    return captured.replay


def random_batch(size: int, count: int, device: str) -> Batch:
    """A batch of noise: the time of a step does not depend on the pictures."""
    generator = torch.Generator().manual_seed(0)

    def noise(*shape: int) -> Tensor:
        return torch.rand(count, *shape, generator=generator).to(device)

    images = [2 * noise(3, size, size) - 1 for _ in range(4)]
    mattes = [(noise(1, size, size) > 0.5).float() for _ in range(3)]
    windows = [0.1 * noise(*WINDOW_SHAPE) for _ in range(2)]
    labels = torch.zeros(count, 1, size, size, dtype=torch.long, device=device)
    return Batch(*images, *mattes[:2], *windows, 4 * noise(3, size, size) - 2, mattes[2], labels)


def learning(name: str, recipe: Recipe, phase: Phase, device: str) -> Callable[[], object]:
    """A function that makes one training step with every term, optimiser included."""
    torch.manual_seed(0)
    renderer = FlowRenderer(preset(name, recipe)).to(device).train()
    config = training(name, recipe, phase).replace(sparse_terms=1)
    step = TrainingStep(renderer, config, perceptual(config.features)).to(device)
    optimiser = torch.optim.Adam(renderer.parameters(), lr=1e-6)
    batch, last = random_batch(renderer.config.size, BATCH, device), config.steps - 1

    def run() -> None:
        terms = loss_total(step(batch, last), config.lambdas, judge=step.judge.name, extensions=config.extensions(last))
        optimiser.zero_grad(set_to_none=True)
        terms.total.backward()
        torch.nn.utils.clip_grad_norm_(renderer.parameters(), config.clip)
        optimiser.step()

    return run


def frame_rows(device: str, repetitions: int, models: Models) -> Iterator[dict]:
    """Rows of frames a second, with the peak of memory."""
    kinds = [(1, False), (1, True), (16, False)] if device == "cuda" else [(1, False), (16, False)]
    for (name, recipe), dtype in itertools.product(models, ("float32", "bfloat16")):
        renderer = renderer_of(name, recipe, device)
        for (count, graph), path in itertools.product(kinds, BACKENDS):
            row = {"preset": name, "recipe": recipe, "dtype": dtype, "batch": count, "graph": graph, "path": path}
            low = torch.autocast(device, torch.bfloat16, cache_enabled=not graph) if dtype == "bfloat16" else None
            with torch.no_grad(), low or contextlib.nullcontext(), on(path):
                yield measured(
                    row,
                    lambda r=renderer, n=count, g=graph: (
                        n / seconds_of(rendering(r, n, g, device), device, repetitions)
                    ),
                    device,
                )


def step_rows(device: str, repetitions: int, models: Models) -> Iterator[dict]:
    """Rows of training steps a second, with the peak of memory."""
    for (name, recipe), phase, path in itertools.product(models, get_args(Phase), BACKENDS):
        row = {"preset": name, "recipe": recipe, "phase": phase, "batch": BATCH, "dtype": "float32", "path": path}
        with on(path):
            yield measured(
                row,
                lambda n=name, r=recipe, p=phase: 1 / seconds_of(learning(n, r, p, device), device, repetitions),
                device,
            )


def on(path: str) -> contextlib.AbstractContextManager[object]:
    """A context with our kernels, or with PyTorch's operations."""
    return use_backend("reference") if path == "reference" else contextlib.nullcontext()


def measured(row: dict, work: Callable[[], float], device: str) -> dict:
    """The row with its rate and peak memory, or with the reason why it has none."""
    if device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    try:
        row |= {"rate": work()}
    except (RuntimeError, ValueError) as error:
        row |= {"rate": None, "reason": str(error).partition("\n")[0][:300]}
    return row | {"peak_bytes": torch.cuda.max_memory_allocated() if device == "cuda" else None}


def markdown(record: dict) -> str:
    """Both tables as markdown."""
    about = record["about"]
    lines = [
        f"# The whole renderer: {about['device']}",
        "",
        f"torch {about['torch']}, triton {about['triton']}, driver {about['driver']}, {about['date']}, commit "
        f"{about['commit'][:12]}; medians of {about['repetitions']} repetitions of {CALLS} calls. "
        f"Command: `{COMMAND}`.",
        "tiny has its weights; the others' are random, their flow near zero. Every training step has every term.",
        "",
    ]
    for title, rows, columns in (
        ("frames a second", record["frames"], ("preset", "recipe", "dtype", "batch", "graph")),
        ("training steps a second", record["steps"], ("preset", "recipe", "phase", "dtype", "batch")),
    ):
        by: dict[tuple[str, ...], dict[str, dict]] = {}
        for row in rows:
            by.setdefault(tuple(str(row[c]) for c in columns), {})[row["path"]] = row
        cells = []
        for key, paths in by.items():
            ours, plain = paths["triton"], paths["reference"]
            ratio = f"{ours['rate'] / plain['rate']:.2f}" if ours["rate"] and plain["rate"] else ""
            rates = tuple(f"{r['rate']:.1f}" if r["rate"] else r.get("reason", "") for r in (ours, plain))
            peaks = tuple(f"{r['peak_bytes'] / 2**30:.2f}" if r["peak_bytes"] else "" for r in (ours, plain))
            cells.append((*key, *rates, ratio, *peaks))
        heads = (*columns, f"{title}, kernels", "PyTorch's", "ratio", "GiB, kernels", "GiB, PyTorch's")
        lines += [f"## {title.capitalize()}", "", *table(heads, cells), ""]
    return "\n".join(lines)


def table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    """A table in markdown, line by line."""
    return [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|", *(f"| {' | '.join(row)} |" for row in rows)]


def main() -> None:
    """Measure on the card, and write throughput.json and throughput.md."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder for throughput.json and throughput.md")
    parser.add_argument("--commit", default=None, help="commit to record; default: the checked-out one")
    parser.add_argument("--repetitions", type=int, default=5)
    options = parser.parse_args()
    if backend(torch.zeros(1, device="cuda" if torch.cuda.is_available() else "cpu")).name != "triton":
        sys.exit("nothing is written: this measures our kernels on a card, and no card here runs them")
    about = card() | {
        "torch": torch.__version__,
        "python": platform.python_version(),
        "date": datetime.date.today().isoformat(),
        "commit": options.commit or head_commit(),
        "repetitions": options.repetitions,
        "command": COMMAND,
    }
    steps = list(step_rows("cuda", options.repetitions, MODELS))
    frames = list(frame_rows("cuda", options.repetitions, MODELS))
    record = {"about": about, "frames": frames, "steps": steps}
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "throughput.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    text = markdown(record)
    (options.out / "throughput.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
