"""Timing: calls that follow one another, launched from Python or replayed as one CUDA graph, and their spread."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence

import torch

from setting import Setting

Work = Callable[[], object]


def seconds(run: Work, device: str) -> float:
    """Seconds of a call, by the card's own clock where there is one."""
    if device != "cuda":
        begun = time.perf_counter()
        run()
        return time.perf_counter() - begun
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    run()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) / 1000


def repeated(make: Callable[[], Work], calls: int) -> Work:
    """So many calls that follow one another, launched from Python."""
    work = make()

    def run() -> None:
        for _ in range(calls):
            work()

    return run


def captured(make: Callable[[], Work], calls: int) -> Work:
    """The calls as one CUDA graph: what is left when launching costs nothing.

    A graph reads its inputs at the addresses that they had and keeps nothing alive, so the call holds them. A backward
    pass runs on the stream of its forward pass: both belong to the stream that is captured, and warm up there.
    """
    stream, graph = torch.cuda.Stream(), torch.cuda.CUDAGraph()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        run = repeated(make, calls)
        run()
    torch.cuda.current_stream().wait_stream(stream)
    with torch.cuda.graph(graph, stream=stream):
        run()

    def replay(held: Work = run) -> None:
        graph.replay()

    return replay


def ready(make: Callable[[], Work], graph: bool, setting: Setting) -> Work:
    """The work as it is timed."""
    return captured(make, setting.calls) if graph else repeated(make, setting.calls)


def milliseconds(runs: Mapping[str, Work], setting: Setting) -> dict[str, list[float]]:
    """Milliseconds of one call of each run, in turn, repetition after repetition."""
    passed: dict[str, list[float]] = {name: [] for name in runs}
    for repetition in range(setting.warm_ups + setting.repetitions):
        for name, run in runs.items():
            each = 1000 * seconds(run, setting.device) / setting.calls
            if repetition >= setting.warm_ups:
                passed[name].append(each)
    return passed


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, and the deciles between which three fifths lie."""
    deciles = statistics.quantiles(values, n=10, method="inclusive")
    three = {"p20": deciles[1], "p50": statistics.median(values), "p80": deciles[7]}
    return {name: float(f"{value:.5g}") for name, value in three.items()}
