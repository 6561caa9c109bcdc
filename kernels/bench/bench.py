"""Time both operations against PyTorch's plain composition of them, check them, and record the ratios.

    python kernels/bench/bench.py --out kernels/bench/results/

Every row runs the plain composition and ours in turn, repetition after repetition in one process, and compares medians.
On the CPU the clock is the processor time of one thread, so that a busy neighbour counts little. A row whose values or
gradients stray from the float64 reference stops the run, and nothing is written.
"""

import argparse
import datetime
import json
import pathlib
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from flow3d_kernels import adain3d, backend, use_backend, warp3d

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
from tolerances import BENCH  # noqa: E402

SHAPE = (1, 32, 16, 64, 64)  # the paper's warp volume
SLOPE = 0.1
COLUMNS = (
    *("operation", "our layout", "inputs", "plain layout", "passes"),
    *("plain ms", "ours ms", "ratio", "target", "error", "plain error"),
)
LAYOUTS = {"contiguous": torch.contiguous_format, "channels-last": torch.channels_last_3d}


@dataclass
class Row:
    """One comparison: what both sides compute, and in which layout each of them gets its volume."""

    operation: str
    layout: str
    plain_layout: str
    variant: str
    plain: Callable[..., Tensor] = field(repr=False)
    ours: Callable[..., Tensor] = field(repr=False)
    inputs: tuple[Tensor, ...] = field(repr=False)
    targets: dict[str, float] = field(default_factory=dict)  # passes -> largest ratio wanted

    def __str__(self) -> str:
        return f"{self.operation} {self.layout}, {self.variant}, against {self.plain_layout}"


def plain_warp(volume: Tensor, flow: Tensor, mask: Tensor | None = None) -> Tensor:
    """The usual way: identity grid, flow scaled to [-1, 1], F.grid_sample, mask."""
    B, _, D, H, W = volume.shape
    identity = torch.eye(3, 4, device=flow.device).expand(B, 3, 4)
    scale = torch.tensor([2 / (W - 1), 2 / (H - 1), 2 / (D - 1)], device=flow.device)
    grid = F.affine_grid(identity, list(volume.shape), align_corners=True) + flow.movedim(1, -1) * scale
    out = F.grid_sample(volume, grid, padding_mode="border", align_corners=True)
    return out if mask is None else out * mask


def plain_adain(x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
    """The usual way: instance_norm, scale, shift, leaky_relu, each a pass over the volume."""
    space = (1,) * (5 - gamma.ndim)
    scale, shift = 1 + gamma.view(gamma.shape + space), beta.view(beta.shape + space)
    return F.leaky_relu(F.instance_norm(x) * scale + shift, SLOPE)


def styled(x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
    return adain3d(x, gamma, beta, negative_slope=SLOPE)


def rows(device: str) -> Iterator[Row]:
    """Every comparison, on random inputs that are the same for every device."""
    B, _, D, H, W = SHAPE
    generator = torch.Generator().manual_seed(0)
    volume = torch.randn(SHAPE, generator=generator)
    # White noise is the hardest flow for every cache; off whole positions, where the gradient has one value.
    flow = torch.randint(-2, 2, (B, 3, D, H, W), generator=generator) + 0.1
    flow = flow + 0.8 * torch.rand(flow.shape, generator=generator)
    mask = torch.rand(B, 1, D, H, W, generator=generator)
    volume, flow, mask = volume.to(device), flow.to(device), mask.to(device)
    for layout, targets in (("channels-last", {"forward": 0.5, "forward+backward": 0.9}), ("contiguous", {})):
        yield Row("warp3d", layout, "contiguous", "flow", plain_warp, warp3d, (volume, flow), targets)
        yield Row("warp3d", layout, "contiguous", "flow and mask", plain_warp, warp3d, (volume, flow, mask))
    for variant, axes in (("style per channel", 2), ("style per depth", 3), ("full style map", 5)):
        gamma, beta = (torch.randn(SHAPE[:axes], generator=generator).to(device) for _ in range(2))
        inputs = (volume + 0.5, 0.3 * gamma, beta)
        targets = {"forward": 0.4} if axes == 2 else {}
        yield Row("adain3d", "contiguous", "contiguous", variant, plain_adain, styled, inputs, targets)
        yield Row("adain3d", "channels-last", "contiguous", variant, plain_adain, styled, inputs)
        yield Row("adain3d", "channels-last", "channels-last", variant, plain_adain, styled, inputs)


def laid_out(inputs: tuple[Tensor, ...], layout: str) -> tuple[Tensor, ...]:
    """Inputs as one side gets them: its tensors of many channels in its layout, ready to be differentiated."""
    first, *rest = (t.contiguous(memory_format=LAYOUTS[layout]) if t.shape[1:] == SHAPE[1:] else t for t in inputs)
    return tuple(tensor.detach().requires_grad_() for tensor in (first, *rest))


def works(row: Row) -> dict[str, dict[str, Callable[[], object]]]:
    """passes -> side -> the work to time."""
    work: dict[str, dict[str, Callable[[], object]]] = {"forward": {}, "forward+backward": {}}
    for side, function, layout in (("plain", row.plain, row.plain_layout), ("ours", row.ours, row.layout)):
        inputs = laid_out(row.inputs, layout)
        gradient = torch.ones(SHAPE, device=inputs[0].device).contiguous(memory_format=LAYOUTS[layout])

        def forward(function=function, inputs=inputs) -> None:
            with torch.no_grad():
                function(*inputs)

        def both(function=function, inputs=inputs, gradient=gradient) -> None:
            torch.autograd.grad(function(*inputs), inputs, gradient)

        work["forward"][side], work["forward+backward"][side] = forward, both
    return work


def processor_seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


# device -> (clock, what it tells); another device brings its own clock and its own rows in the results
CLOCKS = {"cpu": (processor_seconds, "processor time of one thread")}


def errors(row: Row) -> dict[str, float]:
    """Largest errors against the float64 reference: absolute for values, relative to the largest for gradients."""

    def run(function: Callable[..., Tensor], inputs: tuple[Tensor, ...]) -> list[Tensor]:
        out = function(*inputs)
        projection = torch.linspace(-1, 1, out.numel(), dtype=torch.float64).view(out.shape).to(out)
        return [out.detach(), *torch.autograd.grad(out, inputs, projection)]

    with use_backend("reference"):
        exact = run(row.ours, tuple(tensor.double().requires_grad_() for tensor in row.inputs))
    found = {}
    for side, function, layout in (("plain", row.plain, row.plain_layout), ("ours", row.ours, row.layout)):
        out, *gradients = run(function, laid_out(row.inputs, layout))
        found[side] = (out - exact[0]).abs().max().item()
        found[f"{side} gradients"] = max(
            ((got - want).abs().max() / want.abs().max()).item() for got, want in zip(gradients, exact[1:], strict=True)
        )
    return found


def measure(device: str, repetitions: int) -> list[dict]:
    """Check every row, then time all of them in turn."""
    clock, _ = CLOCKS[device]
    table = list(rows(device))
    results = []
    for row in table:
        found = errors(row)
        for name, tolerance in (("ours", f"{row.operation} {row.layout}"), ("ours gradients", "gradients")):
            limit, _ = BENCH[tolerance]
            if not found[name] <= limit:
                sys.exit(f"{row}: {name} off by {found[name]:.2e}, more than {limit:.0e}: nothing is written")
        results.append(found)
    work = [works(row) for row in table]
    spent: dict[tuple[int, str, str], list[float]] = {}
    for repetition in range(repetitions + 1):
        for index, passes in enumerate(work):
            for name, sides in passes.items():
                for side, task in sides.items():
                    seconds = clock(task)
                    if repetition:  # the first run only warms up
                        spent.setdefault((index, name, side), []).append(1000 * seconds)
    return [
        summary(row, found, name, spent[index, name, "plain"], spent[index, name, "ours"])
        for index, (row, found) in enumerate(zip(table, results, strict=True))
        for name in ("forward", "forward+backward")
    ]


def summary(row: Row, found: dict[str, float], passes: str, plain: list[float], ours: list[float]) -> dict:
    def spread(values: list[float]) -> dict[str, float]:
        deciles = statistics.quantiles(values, n=10)
        return {"p20": round(deciles[1], 3), "p50": round(statistics.median(values), 3), "p80": round(deciles[7], 3)}

    described = {key: value for key, value in asdict(row).items() if isinstance(value, str)}
    return described | {
        "passes": passes,
        "plain_ms": spread(plain),
        "ours_ms": spread(ours),
        "ratio": round(statistics.median(ours) / statistics.median(plain), 3),
        "target": row.targets.get(passes),
        "error": found,
    }


def processor() -> str:
    info = pathlib.Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor()
    )


def head_commit() -> str:
    answer = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    return answer.stdout.strip() or "unknown"


def markdown(record: dict) -> str:
    about = record["about"]
    lines = [
        f"# {about['device']}",
        "",
        f"(B, C, D, H, W) = {tuple(about['shape'])}, {about['dtype']}, {about['clock']}; torch {about['torch']}, "
        f"{about['date']}, commit {about['commit'][:12]}, {about['repetitions']} repetitions.",
        f"Command: `{about['command']}`. Backend: {about['backend']}.",
        "",
        "Ratio: ours over plain, medians. Error: largest of the values, against float64. The plain side is identity",
        "grid and F.grid_sample, or instance_norm, scale, shift, leaky_relu, in the layout named.",
        "",
        f"| {' | '.join(COLUMNS)} |",
        "|---" * len(COLUMNS) + "|",
    ]
    for row in record["rows"]:
        target = (
            "" if row["target"] is None else f"{row['target']} {'met' if row['ratio'] <= row['target'] else 'missed'}"
        )
        error = (f"{row['error'][side]:.1e}" for side in ("ours", "plain"))
        cells = (row["operation"], row["layout"], row["variant"], row["plain_layout"], row["passes"])
        times = (f"{row['plain_ms']['p50']:.2f}", f"{row['ours_ms']['p50']:.2f}", f"**{row['ratio']:.2f}**")
        lines.append(f"| {' | '.join((*cells, *times, target, *error))} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder for DEVICE.json and DEVICE.md")
    parser.add_argument("--device", choices=sorted(CLOCKS), default="cpu")
    parser.add_argument("--commit", default=None, help="commit to record; default: the checked-out one")
    parser.add_argument("--repetitions", type=int, default=25)
    options = parser.parse_args()
    if options.repetitions < 2:
        parser.error("--repetitions must be at least 2")
    torch.set_num_threads(1)
    measured = measure(options.device, options.repetitions)
    about = {
        "device": f"CPU: {processor()}",
        "clock": CLOCKS[options.device][1],
        "shape": SHAPE,
        "dtype": "float32",
        "torch": torch.__version__,
        "python": platform.python_version(),
        "date": datetime.date.today().isoformat(),
        "commit": options.commit or head_commit(),
        "repetitions": options.repetitions,
        "backend": backend(torch.zeros(1, device=options.device)).name,
        "command": "python kernels/bench/bench.py --out kernels/bench/results/",
    }
    record = {"about": about, "rows": measured}
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / f"{options.device}.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    (options.out / f"{options.device}.md").write_text(markdown(record), encoding="utf-8")
    print(markdown(record))


if __name__ == "__main__":
    main()
