"""Time both operations on a CPU against PyTorch's plain composition of them, check them, and record the ratios.

    python kernels/bench/operations.py --out kernels/bench/results/

Every row runs the plain side and ours in turn, repetition after repetition in one process, and compares medians; where
there is a compiler, ours in C++ too. The clock is the processor time of one thread, so that a busy neighbour counts
little. A row whose values or gradients stray from the float64 reference stops the run, and nothing is written. A card
has a command of its own: suite.py.
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
from flow3d_kernels import backend, use_backend
from flow3d_kernels.cpp_kernels import build
from gate import Stray, judged

COMMAND = "python kernels/bench/operations.py --out kernels/bench/results/"


def processor_seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def cpp_is_here() -> bool:
    """Whether there is a compiler for the backend "cpp"; without one its columns stay empty."""
    with use_backend("cpp"):
        try:
            return backend(torch.zeros(1)).name == "cpp"
        except RuntimeError as reason:
            print(f"C++ is not measured: {reason}", file=sys.stderr)
            return False


def compiler() -> str:
    """What built the backend "cpp"."""
    return about.output_of(*build.compiler(), "--version").partition("\n")[0]


def measure(rows: Sequence[Row], cpp: bool, repetitions: int) -> list[dict]:
    """Check every row, then time all of them in turn.

    Raises:
        Stray: a row is further from the reference than the gate allows.
    """
    errors = [checked(row, cpp) for row in rows]
    work = [cases.works(row, cpp) for row in rows]
    spent: dict[tuple[int, str, str], list[float]] = {}
    for repetition in range(repetitions + 1):
        for index, passes in enumerate(work):
            for name, sides in passes.items():
                for side, task in sides.items():
                    seconds = processor_seconds(task)
                    if repetition:  # the first run only warms up
                        spent.setdefault((index, name, side), []).append(1000 * seconds)
    return [
        summary(row, error, name, {side: spread(spent[index, name, side]) for side in work[index][name]})
        for index, (row, error) in enumerate(zip(rows, errors, strict=True))
        for name in ("forward", "forward+backward")
    ]


def checked(row: Row, cpp: bool) -> dict[str, float]:
    """The errors of every side."""
    found = judged(row)
    if not cpp:
        return found
    with use_backend("cpp"):
        try:
            of_cpp = judged(row, ("ours",))
        except Stray as reason:
            raise Stray(f"C++: {reason}") from None
    return found | {name.replace("ours", "cpp"): error for name, error in of_cpp.items()}


def summary(row: Row, error: dict[str, float], passes: str, times: dict[str, dict[str, float]]) -> dict:
    """One line of the record, from milliseconds."""
    line = row.described() | {"shape": list(row.inputs[0].shape), "passes": passes, "error": error}
    for side, spread_of in times.items():
        line[f"{side}_ms"] = spread_of
    for side, name, targets in (("ours", "", row.targets), ("cpp", "cpp_", row.cpp_targets)):
        if side in times:
            line[f"{name}ratio"] = round(times[side]["p50"] / times["plain"]["p50"], 3)
            line[f"{name}target"] = targets.get(passes)
    return line


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder for cpu.json and cpu.md")
    parser.add_argument("--commit", default=None, help="commit to record; default: the checked-out one")
    parser.add_argument("--repetitions", type=int, default=25)
    options = parser.parse_args(arguments)
    if options.repetitions < 2:
        parser.error("--repetitions must be at least 2")
    torch.set_num_threads(1)
    cpp = cpp_is_here()
    try:
        rows = measure(list(cases.rows("cpu")), cpp, options.repetitions)
        frames = measure(list(cases.frame_rows()), cpp, options.repetitions)
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
        "compiler": compiler() if cpp else "not measured",
        "device": f"CPU: {about.processor()}",
        "clock": "processor time of one thread",
        "dtype": "float32",
        "command": COMMAND,
    }
    record = {"about": named, "rows": rows, "frames": frames}
    text = report.cpu_markdown(record)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "cpu.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    (options.out / "cpu.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
