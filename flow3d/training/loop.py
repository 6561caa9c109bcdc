"""What every training shares: its learning rate, averaged weights, counted steps and log."""

from __future__ import annotations

import csv
import errno
import io
import math
import os
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor
from tqdm import tqdm

from ..files import write_whole
from .interrupts import interrupts

Outcome = Literal["finished", "paused", "interrupted"]
WISHES: tuple[Outcome, ...] = ("finished", "paused", "interrupted")  # several processes follow the last of theirs
Result = TypeVar("Result")


def half_cosine(share: float) -> float:
    """The factor of a learning rate when ``share`` of the training is done; it falls from 1 to 0 as half a cosine."""
    return 0.5 * (1 + math.cos(math.pi * min(1.0, share)))


def warmed_up(step: int, warmup: int) -> float:
    """The factor of a learning rate at ``step``, counted from 0; it grows linearly to 1 over ``warmup`` steps."""
    return min(1.0, (step + 1) / warmup) if warmup else 1.0


class AveragedWeights:
    """A running mean of a network's weights, m <- d m + (1 - d) w; a trained network gets the mean.

    The decay d grows as step / (step + 10), so that the first weights are soon forgotten. Integers are not averaged.

    Args:
        state: the weights to begin with, by name; they are copied.
        decay: the largest d.
        device: of the mean; None means that of the weights.
    """

    def __init__(self, state: Mapping[str, Tensor], decay: float, device: torch.device | str | None = None) -> None:
        self.state = {name: value.detach().to(device or value.device, copy=True) for name, value in state.items()}
        self.decay = decay

    @torch.no_grad()
    def update(self, state: Mapping[str, Tensor], step: int) -> None:
        """Take in the weights that a network has after step number ``step``, counted from 1."""
        decay = min(self.decay, step / (step + 10))
        names = [name for name, value in state.items() if value.is_floating_point()]
        torch._foreach_lerp_([self.state[n] for n in names], [state[n] for n in names], 1 - decay)  # one launch


class Timer:
    """A timer that is due once every ``minutes``."""

    def __init__(self, minutes: float) -> None:
        self.seconds, self.last = 60 * minutes, time.monotonic()

    def due(self) -> bool:
        """Whether the minutes have passed; if so, the timer starts again."""
        now = time.monotonic()
        if now - self.last <= self.seconds:
            return False
        self.last = now
        return True


class Loop:
    """The steps of a training, until all are done, ``until`` are done, ``minutes`` have passed, or Ctrl-C comes.

    Several processes stop after the same step: if one stopped alone, the others would wait for its gradients.

    Example:
        >>> with Loop(3) as loop:
        ...     steps = list(loop)
        >>> steps, loop.outcome
        ([0, 1, 2], 'finished')

    Args:
        steps: of the whole training.
        done: how many of them are done already. ``spent``: the seconds that they took.
        until: stop when so many are done.
        minutes: stop after this time.
        accelerator: the Accelerator of a training of several processes; None means one process.
    """

    def __init__(
        self, steps: int, *, done: int = 0, spent: float = 0.0, until: int | None = None,
        minutes: float | None = None, accelerator: Any = None,
    ) -> None:  # fmt: skip
        self.steps, self.done, self.spent, self.accelerator = steps, done, spent, accelerator
        self.last = steps if until is None else min(steps, until)
        self.limit = math.inf if minutes is None else 60 * minutes
        self.begun = time.monotonic()
        self.outcome: Outcome = "finished"
        self._open = ExitStack()

    def __enter__(self) -> Loop:
        first = self.accelerator is None or self.accelerator.is_main_process
        self._stop = self._open.enter_context(interrupts())
        bar = tqdm(total=self.steps, initial=self.done, disable=not first, unit="step", leave=False)
        self.bar = self._open.enter_context(bar)
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def __iter__(self) -> Iterator[int]:
        """The steps' numbers, counted from 0. Do each step before taking the next number."""
        while self.done < self.last:
            yield self.done
            self.done += 1
            self.bar.update()
            self.outcome = self._agree()
            if self.outcome != "finished":
                return
        if self.done < self.steps:
            self.outcome = "paused"

    @property
    def seconds(self) -> float:
        """How long the training has taken, including the seconds spent before."""
        return self.spent + time.monotonic() - self.begun

    def _agree(self) -> Outcome:
        """The outcome that all processes follow: the last in ``WISHES`` of those that they wish."""
        late = self.done < self.steps and time.monotonic() - self.begun > self.limit
        wish = 2 if self._stop.is_set() else int(late)
        if self.accelerator is not None and self.accelerator.num_processes > 1:
            wish = int(self.accelerator.gather(torch.tensor([wish], device=self.accelerator.device)).max())
        return WISHES[wish]


def or_warn(action: Callable[[], Result], failure: str) -> Result | None:
    """Return the result of ``action``; if it raises, warn of the ``failure``, so that the training goes on."""
    try:
        return action()
    except Exception as error:
        warnings.warn(f"{failure} ({error})", stacklevel=2)
        return None


class CsvLog:
    """Rows of numbers in a CSV file: each holds the means over the steps since the last one; a missing number is empty.

    A log never ends a training: where it cannot write or read, it warns. A resumed training's first row may average
    fewer steps than the same row of a training that was never stopped; the weights are the same.

    Args:
        path: the file.
        columns: their names; the first two are "step" and "seconds".
        step: 0 begins a new file. Else the rows up to this step stay. Later rows are dropped, since a resumed training
            writes them again. Broken lines, which a crash may leave, are dropped too.
    """

    def __init__(self, path: str | os.PathLike[str], columns: Sequence[str], step: int = 0) -> None:
        self.path, self.columns = Path(path), columns
        kept = or_warn(lambda: self._kept(step), f"{self.path}: cannot be read, a new one is begun") if step else None
        self._start: str | None = self._text([dict(zip(columns, columns, strict=True)), *(kept or [])])
        self._sums: dict[str, list[float]] = {}
        or_warn(lambda: self._append(""), f"{self.path}: cannot be written")

    def add(self, numbers: Mapping[str, float]) -> None:
        """Add one step's numbers to the next row."""
        for name, value in numbers.items():
            self._sums.setdefault(name, []).append(value)

    def means(self) -> dict[str, float]:
        """The means of the numbers added since the last row."""
        return {name: sum(values) / len(values) for name, values in self._sums.items()}

    def write(self, step: int, seconds: float) -> dict[str, float]:
        """Write the row of all numbers added since the last one, and return it."""
        row = self.means()
        self._sums.clear()
        cells = {"step": step, "seconds": f"{seconds:.1f}"} | {name: f"{value:.6g}" for name, value in row.items()}
        text = self._text([cells])
        or_warn(lambda: self._append(text), f"step {step}: no row in {self.path}")
        return row

    def _text(self, rows: Iterable[Mapping[str, Any]]) -> str:
        text = io.StringIO(newline="")
        csv.DictWriter(text, self.columns, restval="", lineterminator="\n").writerows(rows)
        return text.getvalue()

    def _append(self, text: str) -> None:
        if self._start is not None:
            write_whole(self.path, (self._start + text).encode())
            self._start = None
            return
        content = text.encode()
        with self.path.open("ab", buffering=0) as file:
            end = file.tell()
            if file.write(content) < len(content):
                file.truncate(end)  # else the next row would follow half a row
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _kept(self, step: int) -> list[dict[str, str]]:
        """The rows up to ``step`` that the file holds already."""
        if not self.path.exists():
            return []
        text = self.path.read_bytes().decode("utf-8", "replace").replace("\r\n", "\n")
        *lines, torn = text.split("\n")  # text after the last line end is half a row
        names = lines.pop(0).split(",") if lines and lines[0].startswith("step,") else self.columns
        rows = [row for line in lines if (row := _row(names, line)) and float(row["step"]) <= step]
        dropped = len(lines) + bool(torn) - len(rows)
        if dropped:
            warnings.warn(f"{self.path}: dropped {dropped} rows, damaged or after step {step}", stacklevel=5)
        return [{name: row[name] for name in self.columns if name in row} for row in rows]


def _row(names: Sequence[str], line: str) -> dict[str, str] | None:
    """A line's cells by column; None where it is no row of numbers."""
    cells = line.split(",")
    try:
        numbers = [float(cell) for cell in cells if cell]
    except ValueError:
        return None
    whole = len(cells) == len(names) and bool(cells[0]) and math.isfinite(numbers[0])
    return dict(zip(names, cells, strict=True)) if whole else None
