"""One command for a card: everything that is worth measuring there, in the order of its worth, within 560 seconds.

    python kernels/bench/suite.py --out runs/suite
    python kernels/bench/suite.py --out runs/rehearsal --device cpu --dry-run

writes rows.jsonl, one line of JSON for each measurement as soon as it is known, environment.json, and at the end
suite.md, tables to read, and tiles.json, the tiles that were fastest on this card. Rows are worked on by processes of
their own: one that aborts or hangs costs its row. A dry run does the same on a CPU, on small tensors, with an abort, a
hang and a wrong result planted; its times mean nothing.
"""

import argparse
import contextlib
import datetime
import json
import os
import pathlib
import sys
import time
from collections.abc import Sequence
from typing import Any, NoReturn

import about
import plan
import suite_report
from setting import CARD, REHEARSAL, Setting
from supervisor import Command, Row, Supervisor, run

MOST = 560  # seconds in all
CLOSING = 15  # of them for ending a worker that hangs, and for the tables
FILES = ("rows.jsonl", "environment.json", "suite.md", "tiles.json")
HERE = pathlib.Path(__file__).parent


class Parser(argparse.ArgumentParser):
    """Bad options end with one line and exit code 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message}\n")


class Record:
    """rows.jsonl: one line for each answer, on the disk before the next row begins."""

    def __init__(self, file: pathlib.Path, begun: float) -> None:
        self._file, self._begun = file.open("w", encoding="utf-8"), begun
        self.failed: set[str] = set()

    def note(self, row: Row, answer: dict[str, Any]) -> None:
        at = round(time.monotonic() - self._begun, 1)
        line: dict[str, Any] = {"row": row.name, "step": row.step, "kind": row.kind, "at": at} | answer
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        if line["status"] in ("failed", "lost", "not reached"):
            self.failed.add(row.name)
            print(f"{at:6.1f} s  {line['status']}: {row.name}: {' '.join(line['reason'].split())[:200]}", flush=True)

    def note_again(self, row: Row, answer: dict[str, Any]) -> None:
        """The second attempt at a lost row only tells what happens: with blocking launches its times mean nothing."""
        self.note(row, {"status": "again", "outcome": answer["status"], "reason": answer.get("reason", "")})

    def close(self) -> None:
        self._file.close()


def commands(setting: Setting, **environment: str) -> dict[str, Command]:
    """How the two workers are started: that of the kernels, and flow3d's own for whole frames."""
    rehearse = setting.device == "cpu"
    kernels = [sys.executable, str(HERE / "worker.py"), *["--rehearse"] * rehearse]
    frames = [sys.executable, "-m", "flow3d.evaluation.throughput", "--serve", "--device", setting.device]
    interpreter = {"TRITON_INTERPRET": "1"} if rehearse else {}
    return {
        "kernels": Command(kernels, environment | interpreter),
        "frames": Command(frames, environment),
    }


def environment(setting: Setting, supervisor: Supervisor) -> dict[str, Any]:
    """The card and the versions, from the first worker; it exits where no card runs our kernels."""
    answers: list[dict[str, Any]] = []
    supervisor.note = lambda row, answer: answers.append(answer)
    supervisor.attempt(Row("environment", "environment", "environment", 60), time.monotonic() + 120)
    answer = answers[-1]
    reason = answer.get("reason") or answer["backend_reason"]
    if setting.device == "cuda" and answer.get("backend") != "triton":
        Parser().error(f"--device: expected a card that runs our kernels, got none: {reason.strip().splitlines()[-1]}")
    return answer


def described(options: argparse.Namespace, setting: Setting, found: dict[str, Any]) -> dict[str, Any]:
    """What environment.json holds from the start."""
    named = {"triton": "none", "card": f"rehearsal on {about.processor()}"} | found
    return named | {
        "rehearsal": options.dry_run,
        "date": datetime.date.today().isoformat(),
        "commit": options.commit or about.head_commit(),
        "command": "python kernels/bench/suite.py " + " ".join(options.given),
        "shape": setting.volume,
        "repetitions": setting.repetitions,
        "calls": setting.calls,
        "driver_before": about.driver(),
    }


def chosen_steps(options: argparse.Namespace) -> list[Any]:
    """The steps that were asked for."""
    steps = plan.rehearsal_steps() if options.dry_run else plan.card_steps()
    return [step for step in steps if not options.steps or step.name in options.steps]


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """Options, checked."""
    parser = Parser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, required=True, help=f"folder for {', '.join(FILES)}")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--dry-run", action="store_true", help="rehearse on a CPU, with planted faults")
    parser.add_argument("--seconds", type=float, default=MOST, help=f"in all; at most {MOST}")
    parser.add_argument("--steps", nargs="+", metavar="STEP", help="only these steps of the plan")
    parser.add_argument("--commit", default=None, help="commit to record; default: the checked-out one")
    options = parser.parse_args(arguments)
    options.given = list(arguments)
    if (options.device == "cpu") != options.dry_run:
        parser.error(f"--device: expected cuda, or cpu together with --dry-run, got {options.device}")
    if not 2 * CLOSING <= options.seconds <= MOST:
        parser.error(f"--seconds: expected {2 * CLOSING} to {MOST}, got {options.seconds:g}")
    if options.out.exists() and not options.out.is_dir():
        parser.error(f"--out: expected a folder, got the file {options.out}")
    known = [step.name for step in (plan.rehearsal_steps() if options.dry_run else plan.card_steps())]
    for name in options.steps or ():
        if name not in known:
            parser.error(f"--steps: expected any of {', '.join(known)}, got {name}")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; 0 where every row was measured or could not be on this machine, 1 where one failed, 2 for bad input."""
    begun = time.monotonic()
    options = parsed(sys.argv[1:] if arguments is None else arguments)
    setting = REHEARSAL if options.dry_run else CARD
    with contextlib.closing(Supervisor(commands(setting))) as supervisor:
        machine = described(options, setting, environment(setting, supervisor))
        options.out.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            (options.out / name).unlink(missing_ok=True)
        save_environment(options.out, machine)
        with contextlib.closing(Record(options.out / "rows.jsonl", begun)) as record:
            work(options, setting, supervisor, record, begun + options.seconds - CLOSING)
    spent = round(time.monotonic() - begun, 1)
    save_environment(options.out, machine | {"driver_after": about.driver(), "seconds": spent})
    suite_report.write(options.out)
    failed = record.failed - {row.name for row in plan.planted()}
    print(f"{spent:.0f} s; {len(failed)} rows failed; {options.out / 'suite.md'}")
    return 1 if failed else 0


def work(options: argparse.Namespace, setting: Setting, supervisor: Supervisor, record: Record, until: float) -> None:
    """Every row; and what was lost once more where there is time, so that the driver names the launch that failed."""
    supervisor.note = record.note
    lost = run(chosen_steps(options), supervisor, until)
    supervisor.close()
    with contextlib.closing(Supervisor(commands(setting, CUDA_LAUNCH_BLOCKING="1"), record.note_again)) as again:
        for row in lost:
            if time.monotonic() + row.seconds < until:
                again.attempt(row, until)


def save_environment(folder: pathlib.Path, content: dict[str, Any]) -> None:
    (folder / "environment.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
