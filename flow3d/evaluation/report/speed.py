"""How fast a renderer is once its source is prepared, and whether a long clip fits into constant memory."""

from __future__ import annotations

import os
import time
from pathlib import Path

import torch

from ...checks import Whole, check_integer
from ...datasets import Pair
from ...morphable import talking_head
from ...renderer import FlowRenderer
from ...threads import one_thread
from ..scores.statistics import largest, median
from .quality_tables import Line, Table

WARM_UP = 5  # frames that are not timed
SETTLED = 100  # frames, after which memory should have stopped growing
TOGETHER = 8  # frames, as FlowRenderer.reenact does
LOOKS = 50  # frames between two looks at the memory


@one_thread()
@torch.no_grad()
def frame_seconds(renderer: FlowRenderer, pair: Pair, frames: Whole = 60) -> dict[str, list[float]]:
    """Seconds a frame with the source prepared, one frame at a time and ``TOGETHER`` at once; CPU time and wall clock.

    Raises:
        ValueError: ``frames`` below 1.
    """
    count = check_integer(frames, "frames", 1)
    windows = talking_head(count, 0).windows()
    ready = renderer.prepare(pair.source, pair.source_alpha, pair.source_window)
    spent: dict[str, list[float]] = {}
    for together in (1, TOGETHER):
        for chunk in windows[:WARM_UP].split(together):
            renderer.stages(ready, chunk)
        for chunk in windows.split(together):
            cpu, wall = time.process_time(), time.perf_counter()
            renderer.stages(ready, chunk)
            passed = {"CPU time": time.process_time() - cpu, "wall clock": time.perf_counter() - wall}
            for name, seconds in passed.items():
                spent.setdefault(f"{together} at a time, {name}", []).append(seconds / len(chunk))
    return spent


def speed_table(spent: dict[str, list[float]]) -> Table:
    """Median frames a second. The target of 15 is for CPU time: wall time would include other processes."""
    table = []
    for name, seconds in spent.items():
        rate = median([1 / s for s in seconds])
        beside = f"{1000 * median(seconds).value:.1f} ms a frame, one thread"
        table.append(Line(f"frames a second, {name}", rate, "", beside, 15.0 if "CPU" in name else None))
    return table


def resident_bytes() -> int | None:
    """Memory that this process holds now; None where the system has no /proc."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return None


@one_thread()
def memory_table(renderer: FlowRenderer, pair: Pair, frames: Whole = 2000) -> Table:
    """Re-enact one clip frame by frame, and measure how memory grows after frame ``SETTLED``. Empty without /proc.

    Raises:
        ValueError: ``frames`` is not above ``SETTLED``.
    """
    count = check_integer(frames, "frames", SETTLED + 1)
    windows = talking_head(count, 0).windows()
    held: list[float] = []
    settled = 0
    output = renderer.reenact(pair.source, windows, alpha=pair.source_alpha, source_window=pair.source_window)
    for number, _ in enumerate(output, 1):
        if number in (SETTLED, count) or (number > SETTLED and number % LOOKS == 0):
            now = resident_bytes()
            if now is None:
                return []
            if number == SETTLED:
                settled = now
            held.append((now - settled) / 2**20)
    beside = f"{settled / 2**20:.0f} MiB held at frame {SETTLED}"
    what = f"memory grown, MiB, from frame {SETTLED} to {count:,}"
    return [Line(what, largest(held), "", beside, most=16.0)]
