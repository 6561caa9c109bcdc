"""Time both operations on a CPU against PyTorch's plain composition of them, check them, and record the ratios.

    python kernels/bench/operations.py --out kernels/bench/results/

Every row runs the plain side and ours in turn, repetition after repetition in one process, and compares medians. The
clock is the processor time of one thread, so that a busy neighbour counts little. A row whose values or gradients stray
from the float64 reference stops the run, and nothing is written. A card has a command of its own: suite.py.
"""

import argparse
import datetime
import json
import pathlib
import platform
import sys
import time
from collections.abc import Callable, Sequence

import torch

import about
import cases
import report
from cases import Row
from clock import spread
from flow3d_kernels import backend
from gate import Stray, judged

COMMAND = "python kernels/bench/operations.py --out kernels/bench/results/"


def processor_seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def measure(repetitions: int) -> list[dict]:
    """Check every row, then time all of them in turn.

    Raises:
        Stray: a row is further from the reference than the gate allows.
    """
    rows = list(cases.rows("cpu"))
    errors = [judged(row) for row in rows]
    work = [cases.works(row) for row in rows]
    spent: dict[tuple[int, str, str], list[float]] = {}
    for repetition in range(repetitions + 1):
        for index, passes in enumerate(work):
            for name, sides in passes.items():
                for side, task in sides.items():
                    seconds = processor_seconds(task)
                    if repetition:  # the first run only warms up
                        spent.setdefault((index, name, side), []).append(1000 * seconds)
    return [
        summary(row, error, name, spread(spent[index, name, "plain"]), spread(spent[index, name, "ours"]))
        for index, (row, error) in enumerate(zip(rows, errors, strict=True))
        for name in ("forward", "forward+backward")
    ]


def summary(row: Row, error: dict[str, float], passes: str, plain: dict[str, float], ours: dict[str, float]) -> dict:
    """One line of the record, from milliseconds."""
    return row.described() | {
        "passes": passes,
        "plain_ms": plain,
        "ours_ms": ours,
        "ratio": round(ours["p50"] / plain["p50"], 3),
        "target": row.targets.get(passes),
        "error": error,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder for cpu.json and cpu.md")
    parser.add_argument("--commit", default=None, help="commit to record; default: the checked-out one")
    parser.add_argument("--repetitions", type=int, default=25)
    options = parser.parse_args(arguments)
    if options.repetitions < 2:
        parser.error("--repetitions must be at least 2")
    torch.set_num_threads(1)
    try:
        rows = measure(options.repetitions)
    except Stray as reason:
        sys.exit(f"{reason}: nothing is written")
    named = {
        "shape": cases.SHAPE,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "date": datetime.date.today().isoformat(),
        "commit": options.commit or about.head_commit(),
        "repetitions": options.repetitions,
        "backend": backend(torch.zeros(1)).name,
        "device": f"CPU: {about.processor()}",
        "clock": "processor time of one thread",
        "dtype": "float32",
        "command": COMMAND,
    }
    record = {"about": named, "rows": rows}
    text = report.cpu_markdown(record)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "cpu.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    (options.out / "cpu.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
