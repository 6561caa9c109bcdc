"""The whole renderer on a card: frames a second, training steps a second, and what they need of its memory.

    python -m flow3d.evaluation.throughput --out runs/throughput

measures every row and writes throughput.json and throughput.md. Each row is measured on our kernels and on PyTorch's
own operations, the backend "torch". tiny has its weights; the other presets' are random, so that their flow is near
zero. A row that the card cannot hold stays empty, with its reason.

``--serve`` is for the kernels' benchmark, which runs this as a process of its own: a row comes as one line of JSON on
stdin, as ``{"given": {"work": "frames", "preset": "tiny", ...}}`` with the fields of :class:`Frames` or :class:`Steps`;
its answer goes to stdout as one line, then ``{"over": true, "healthy": true}``. Unhealthy says that the card's context
is lost: another process must go on.
"""

from __future__ import annotations

import argparse
import datetime
import faulthandler
import itertools
import json
import os
import pathlib
import platform
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, get_args

import torch

from flow3d_kernels import backend

from ..config import Recipe
from ..files import write_whole
from ..provenance import card, head_commit
from .measure.rates import KINDS, SIDES, Clock, Frames, Layout, Path, Phase, Steps, measured

COMMAND = "python -m flow3d.evaluation.throughput --out runs/throughput"
Models = tuple[tuple[str, Recipe], ...]
MODELS: Models = (("tiny", "extended"), ("small", "extended"), ("paper", "strict"))
BATCH = 8  # of a training step
CARD, REHEARSAL = Clock("cuda"), Clock("cpu", 1, 1)
COLUMNS = {
    "frames": ("preset", "recipe", "dtype", "batch", "graph", "layout"),
    "steps": ("preset", "recipe", "phase", "batch"),
}


def frame_rows(device: str, models: Models) -> Iterator[Frames]:
    """Batches of 1 (eager, and as a CUDA graph) and 16, both precisions and layouts, both sides."""
    kinds = [(1, False), (1, True), (16, False)] if device == "cuda" else [(1, False), (16, False)]
    for (name, recipe), dtype in itertools.product(models, ("float32", "bfloat16")):
        for (batch, graph), layout, path in itertools.product(kinds, get_args(Layout), get_args(Path)):
            yield Frames(name, recipe, dtype, batch, graph, layout, path)


def step_rows(models: Models) -> Iterator[Steps]:
    """Both phases, both sides."""
    for (name, recipe), phase, path in itertools.product(models, get_args(Phase), get_args(Path)):
        yield Steps(name, recipe, phase, BATCH, path)


def markdown(about: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    """Both tables."""
    lines = [
        f"# The whole renderer: {about['device']}",
        "",
        f"torch {about['torch']}, triton {about['triton']}, driver {about['driver']}, {about['date']}, commit "
        f"{about['commit'][:12]}; medians of {about['repetitions']} repetitions of {about['calls']} calls.",
        f"Command: `{COMMAND}`.",
        "tiny has its weights; the others' are random, their flow near zero. Every training step has every term.",
        "",
    ]
    for work, title in (("frames", "Frames a second"), ("steps", "Training steps a second")):
        lines += [f"## {title}", "", *table(work, [row for row in rows if row["work"] == work]), ""]
    return "\n".join(lines)


def table(work: str, rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """One line for both sides of a row."""
    sides: dict[tuple[str, ...], dict[str, Mapping[str, Any]]] = {}
    for row in rows:
        sides.setdefault(tuple(str(row[name]) for name in COLUMNS[work]), {})[row["path"]] = row
    heads = (*COLUMNS[work], "kernels", "PyTorch's", "ratio", "GiB, kernels", "GiB, PyTorch's")
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for key, both in sides.items():
        pair = [both[path] for path in SIDES]
        rate = [f"{row['rate']:.1f}" if row["rate"] else row["reason"] for row in pair]
        ratio = f"{pair[0]['rate'] / pair[1]['rate']:.2f}" if pair[0]["rate"] and pair[1]["rate"] else ""
        peak = [f"{row['peak_bytes'] / 2**30:.2f}" if row["peak_bytes"] else "" for row in pair]
        lines.append(f"| {' | '.join((*key, *rate, ratio, *peak))} |")
    return lines


def serve(clock: Clock, asked: Iterable[str], say: Callable[[dict[str, Any]], None]) -> None:
    """Answer rows until there are no more, or until the card's context is lost."""
    say({"ready": True})
    for line in asked:
        given = json.loads(line)["given"]
        row = KINDS[given.pop("work")](**given)
        answer = measured(row, clock)
        if answer["rate"] is None:
            answer["status"] = "failed"
        say(answer)
        well = healthy(clock.device)
        say({"over": True, "healthy": well})
        if not well:
            return


def healthy(device: str) -> bool:
    """Whether the device still answers: after an illegal access no call on a card does."""
    try:
        return torch.zeros(1, device=device).add(1).item() == 1
    except RuntimeError:
        return False


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure on the card and write throughput.json and throughput.md; or answer rows for somebody else."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--out", type=pathlib.Path, help="folder for throughput.json and throughput.md")
    mode.add_argument("--serve", action="store_true", help="answer rows on stdin, one line of JSON each")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="cpu: only with --serve, to rehearse")
    parser.add_argument("--commit", default=None, help="commit to record; default: the checked-out one")
    options = parser.parse_args(arguments)
    if options.serve:
        faulthandler.enable()
        if options.device == "cpu":  # a rehearsal: its times mean nothing
            torch.set_num_threads(1)
        serve(REHEARSAL if options.device == "cpu" else CARD, sys.stdin, private_stdout())
        return 0
    if not torch.cuda.is_available() or backend(torch.zeros(1, device="cuda")).name != "triton":
        print("error: --device: expected a card that runs our kernels, got none", file=sys.stderr)
        return 2
    about = card() | {
        "torch": torch.__version__,
        "python": platform.python_version(),
        "date": datetime.date.today().isoformat(),
        "commit": options.commit or head_commit(),
        "repetitions": CARD.repetitions,
        "calls": CARD.calls,
        "command": COMMAND,
    }
    planned = [*step_rows(MODELS), *frame_rows("cuda", MODELS)]
    rows = [measured(row, CARD) for row in planned]
    text = markdown(about, rows)
    options.out.mkdir(parents=True, exist_ok=True)
    write_whole(options.out / "throughput.json", (json.dumps({"about": about, "rows": rows}, indent=2) + "\n").encode())
    write_whole(options.out / "throughput.md", text.encode())
    print(text)
    return 0


def private_stdout() -> Callable[[dict[str, Any]], None]:
    """Stdout for the answers alone, a line of JSON each: whatever else is printed goes to stderr from now on."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return lambda answer: print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    sys.exit(main())
