"""How long a frame takes PyTorch and onnxruntime, measured in turns in one process, with one thread each.

    python -m flow3d.export.speed --weights tiny

Frames are asked for one by one, as somebody does who moves a slider, and eight at a time, as ``flow3d reenact`` does.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

import torch

from ..checks import Whole, check_integer
from ..datasets import make_pair
from ..morphable import talking_head
from ..renderer import FlowRenderer
from ..threads import one_thread
from .engines import ENGINES, maker_of

SEED = 1_000_053  # of the pair whose source is driven
TOGETHER = (1, 8)  # frames
Seconds = dict[tuple[str, int], float]  # of an engine's name and how many frames it made together


@one_thread()
@torch.no_grad()
def frame_seconds(renderer: FlowRenderer, repeats: Whole = 40) -> tuple[Seconds, float]:
    """Processor time of a frame, the fifth part of repeats took less; and of making the engine of onnxruntime.

    Raises:
        ValueError: ``repeats`` below 1, or onnxruntime is not installed.
    """
    rounds = check_integer(repeats, "repeats", 1)
    pair = make_pair(SEED, renderer.config.size)
    source = renderer.prepare(pair.source, pair.source_alpha, pair.source_window)
    windows = talking_head(max(TOGETHER), 0).windows()
    began = time.process_time()
    engines = {name: maker_of(name)(renderer, 1) for name in ENGINES}
    start = time.process_time() - began
    spent: dict[tuple[str, int], list[float]] = {(name, count): [] for name in ENGINES for count in TOGETHER}
    for _ in range(rounds + 1):
        for (name, count), seconds in spent.items():
            began = time.process_time()
            engines[name](source, windows[:count])
            seconds.append((time.process_time() - began) / count)
    return {key: sorted(seconds[1:])[rounds // 5] for key, seconds in spent.items()}, start  # the first warms up


def table(seconds: Seconds, start: float) -> str:
    """One line for each number of frames together."""
    lines = ["| frames together | torch, ms | onnx, ms | ratio |", "|---|---|---|---|"]
    for count in TOGETHER:
        torch_s, onnx_s = seconds["torch", count], seconds["onnx", count]
        lines.append(f"| {count} | {1000 * torch_s:.1f} | {1000 * onnx_s:.1f} | {torch_s / onnx_s:.2f} |")
    return "\n".join([*lines, "", f"Processor time of a frame, one thread each; onnx needs {start:.2f} s to start."])


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", default="tiny", help="name of shipped weights, or a folder (default: tiny)")
    parser.add_argument("--repeats", type=int, default=40, help="how often each is measured (default: 40)")
    options = parser.parse_args(arguments)
    try:
        print(table(*frame_seconds(FlowRenderer.from_pretrained(options.weights), options.repeats)))
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
