"""Time both operations against PyTorch's plain composition of them, check them, and record the ratios.

    python kernels/bench/operations.py --out kernels/bench/results/
    python kernels/bench/operations.py --out kernels/bench/results/ --device cuda

Every row runs the rival and ours in turn, repetition after repetition in one process, and compares medians. On the CPU
the clock is the processor time of one thread, so that a busy neighbour counts little; on a card it is the card's own. A
row whose values or gradients stray from the float64 reference stops the run, and nothing is written.
"""

import argparse
import datetime
import json
import pathlib
import platform
import sys
import time
from collections.abc import Callable

import torch

import cases
import gpu
import report
from flow3d_kernels import backend
from gate import GATE

COMMAND = "python kernels/bench/operations.py --out kernels/bench/results/"


def processor_seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def measure_cpu(repetitions: int) -> list[dict]:
    """Check every row, then time all of them in turn."""
    table = list(cases.rows("cpu"))
    results = [cases.refuse_strays(row, GATE) for row in table]
    work = [cases.works(row) for row in table]
    spent: dict[tuple[int, str, str], list[float]] = {}
    for repetition in range(repetitions + 1):
        for index, passes in enumerate(work):
            for name, sides in passes.items():
                for side, task in sides.items():
                    seconds = processor_seconds(task)
                    if repetition:  # the first run only warms up
                        spent.setdefault((index, name, side), []).append(1000 * seconds)
    return [
        cases.summary(row, found, name, spent[index, name, "plain"], spent[index, name, "ours"])
        for index, (row, found) in enumerate(zip(table, results, strict=True))
        for name in ("forward", "forward+backward")
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder for DEVICE.json and DEVICE.md")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--commit", default=None, help="commit to record; default: the checked-out one")
    parser.add_argument("--repetitions", type=int, default=25)
    parser.add_argument("--batches", type=int, nargs="+", default=gpu.BATCHES, help="on a card")
    parser.add_argument(
        "--keep-going", action="store_true", help="on a card: leave a row that fails empty, say why, and exit with 1"
    )
    parser.add_argument("--empty", action="store_true", help="write the card's table with no number in it")
    options = parser.parse_args()
    if options.repetitions < 2:
        parser.error("--repetitions must be at least 2")
    if options.empty:
        write(options.out / "cuda.md", report.card_markdown(None))
        return
    failed: list[dict] = []
    about = {
        "shape": cases.SHAPE,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "date": datetime.date.today().isoformat(),
        "commit": options.commit or report.head_commit(),
        "repetitions": options.repetitions,
        "backend": backend(torch.zeros(1, device=options.device)).name,
    }
    if options.device == "cpu":
        torch.set_num_threads(1)
        about |= {"device": f"CPU: {report.processor()}", "clock": "processor time of one thread", "dtype": "float32"}
        record = {"about": about | {"command": COMMAND}, "rows": measure_cpu(options.repetitions)}
        text = report.cpu_markdown(record)
    else:
        rows, bandwidth = gpu.measure(
            "cuda", options.repetitions, batches=tuple(options.batches), failed=failed if options.keep_going else None
        )
        about |= report.card() | {"command": f"{COMMAND} --device cuda", "copy_bandwidth": bandwidth}
        record = {"about": about, "rows": rows, "failed": failed}
        text = report.card_markdown(record)
    write(options.out / f"{options.device}.json", json.dumps(record, indent=2) + "\n")
    write(options.out / f"{options.device}.md", text)
    print(text)
    for each in failed:
        print(f"not measured: {each}", file=sys.stderr)
    if failed:
        sys.exit(1)


def write(file: pathlib.Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
