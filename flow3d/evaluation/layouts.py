"""Which layout each volume of a frame likes on a CPU: ``python -m flow3d.evaluation.layouts --out runs/layouts``.

A frame calls the two operations some sixty times. Each distinct call is timed, one thread, in both layouts, with and
without the copies that another layout costs; layouts.json and layouts.md say what gains.
"""

from __future__ import annotations

import argparse
import datetime
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from flow3d_kernels import adain3d, backend, warp3d

from ..config import preset
from ..files import write_whole
from ..provenance import head_commit
from ..renderer import FlowRenderer
from ..sizes import WINDOW_SHAPE
from ..threads import one_thread

PRESETS = ("tiny", "small")  # paper's frame takes seconds
ROUNDS, CALLS = 30, 5  # calls are timed together, sides in turn; the lowest fifth of the rounds is taken
COMMAND = "python -m flow3d.evaluation.layouts --out runs/layouts"
COLUMNS = ("operation", "volume", "calls", "contiguous, ms", "channels-last", "and copied in", "and copied out too")


@dataclass(frozen=True)
class Call:
    """An operation and the shapes of its tensors."""

    operation: str
    shapes: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Row:
    """One distinct call: milliseconds in the contiguous layout, and channels-last's share of them.

    ``copied_in`` adds the copy of the volume to channels-last, ``copied_out`` the result's copy back too.
    """

    preset: str
    operation: str
    volume: tuple[int, ...]
    calls: int
    contiguous: float
    channels_last: float
    copied_in: float
    copied_out: float


class Watcher(TorchFunctionMode):
    """Counts the calls of both operations, and lets them work."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[Call] = Counter()

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Count, and go on."""
        if func in (warp3d, adain3d):
            shapes = tuple(tuple(a.shape) for a in args if isinstance(a, Tensor))
            self.calls[Call("warp3d" if func is warp3d else "adain3d", shapes)] += 1
        return func(*args, **(kwargs or {}))


@torch.no_grad()
def calls_of(renderer: FlowRenderer) -> Counter[Call]:
    """The calls of both operations in one frame whose source is prepared."""
    size = renderer.config.size
    windows = torch.zeros(1, *WINDOW_SHAPE)
    ready = renderer.prepare(torch.zeros(3, size, size), torch.ones(1, size, size), windows[0])
    with Watcher() as watcher:
        renderer.stages(ready, windows)
    return watcher.calls


@torch.no_grad()
def measured(name: str, call: Call, count: int) -> Row:
    """Time one call in both layouts."""
    generator = torch.Generator().manual_seed(0)
    volume, *rest = (torch.randn(shape, generator=generator) for shape in call.shapes)
    other = volume.contiguous(memory_format=torch.channels_last_3d)
    run = warp3d if call.operation == "warp3d" else adain3d

    def copied(back: bool) -> Tensor:
        made = run(volume.contiguous(memory_format=torch.channels_last_3d), *rest)
        return made.contiguous() if back else made

    sides: tuple[Callable[[], Tensor], ...] = (
        lambda: run(volume, *rest), lambda: run(other, *rest), lambda: copied(False), lambda: copied(True),
    )  # fmt: skip
    seconds: list[list[float]] = [[] for _ in sides]
    for _ in range(ROUNDS):
        for side, times in zip(sides, seconds, strict=True):
            start = time.process_time()
            for _ in range(CALLS):
                side()
            times.append((time.process_time() - start) / CALLS)
    plain, *others = (sorted(times)[ROUNDS // 5] for times in seconds)
    return Row(name, call.operation, tuple(volume.shape), count, 1000 * plain, *(other / plain for other in others))


def markdown(about: Mapping[str, Any], rows: Sequence[Row]) -> str:
    """The page: a table for each preset, and how much of a frame's calls would gain."""
    lines = [
        "# Layouts of a frame's volumes on a CPU",
        "",
        f"One thread, processor time, torch {about['torch']}, backend {about['backend']}, {about['date']}, commit "
        f"{about['commit'][:12]}. Command: `{COMMAND}`.",
        "Shares are of the contiguous time: below 1 channels-last is faster. `extended`.",
        "",
    ]
    for name in dict.fromkeys(row.preset for row in rows):
        lines += [f"## {name}", "", f"| {' | '.join(COLUMNS)} |", "|" + "---|" * len(COLUMNS)]
        for row in (r for r in rows if r.preset == name):
            shares = (row.channels_last, row.copied_in, row.copied_out)
            numbers = (f"{row.contiguous:.3f}", *(f"{share:.2f}" for share in shares))
            lines.append(f"| {row.operation} | {row.volume} | {row.calls} | {' | '.join(numbers)} |")
        lines.append("")
    return "\n".join(lines)


@one_thread()
def run_layouts(out: Path) -> str:
    """Measure every preset; write layouts.json and layouts.md."""
    rows = []
    for name in PRESETS:
        renderer = FlowRenderer(preset(name, "extended")).eval()
        rows += [measured(name, call, count) for call, count in sorted(calls_of(renderer).items(), key=str)]
    about = {
        "torch": torch.__version__, "backend": backend(torch.zeros(1)).name, "date": str(datetime.date.today()),
        "commit": head_commit(), "rounds": ROUNDS, "calls": CALLS,
    }  # fmt: skip
    page = markdown(about, rows)
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / "layouts.json", json.dumps({"about": about, "rows": [asdict(r) for r in rows]}).encode())
    write_whole(out / "layouts.md", page.encode())
    return page


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    print(run_layouts(parser.parse_args().out))


if __name__ == "__main__":
    main()
