"""One process works, another watches it: a row that aborts or hangs costs itself only.

A worker says ``{"ready": true}`` when it has started. A row is one line of JSON on its stdin; on its stdout follow any
number of answers, one line of JSON each, and at last ``{"over": true, "healthy": ...}``. A worker that is not healthy
has lost its device's context: another takes its place. So does one for a worker that ended or kept silent.
"""

import collections
import contextlib
import json
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

START = 90.0  # seconds that a worker may take to start: imports, the card's context
STARTS = 3  # failures to start after which a worker is given up
LEAST = 3.0  # seconds without which no row is begun
LAST_WORDS = 600  # characters of a reason


@dataclass(frozen=True)
class Row:
    """One thing to measure, as data: who works on it, what it is told, and how many seconds it may take."""

    name: str
    step: str
    kind: str  # which function of the worker
    seconds: float
    given: Mapping[str, Any] = field(default_factory=dict)
    worker: str = "kernels"


@dataclass(frozen=True)
class Step:
    """Rows that belong together, and the seconds after which the rest of them waits until all steps had their turn."""

    name: str
    seconds: float
    rows: Sequence[Row]


@dataclass(frozen=True)
class Command:
    """How a worker is started."""

    words: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)


Note = Callable[[Row, dict[str, Any]], None]


class Lost(Exception):
    """A worker ended or kept silent, and its row is lost; the message says how."""


class Worker:
    """A process that answers rows. Raises Lost where it does not start."""

    def __init__(self, command: Command, until: float) -> None:
        self._process = subprocess.Popen(
            command.words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            env=os.environ | command.environment,
            process_group=0 if os.name == "posix" else None,  # so that what it starts can be ended with it
        )
        self.healthy = True
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._complaints: collections.deque[str] = collections.deque(maxlen=200)
        self._readers = [
            threading.Thread(target=self._read, args=each, daemon=True)
            for each in ((self._process.stdout, self._lines.put), (self._process.stderr, self._complaints.append))
        ]
        for reader in self._readers:
            reader.start()
        try:
            self._next(until, "start in time")
        except Lost:
            self.end()
            raise

    @staticmethod
    def _read(lines: Iterator[str], put: Callable[[str], None]) -> None:
        for line in lines:
            put(line)

    def answers(self, row: Row, until: float) -> Iterator[dict[str, Any]]:
        """What it answers to a row, as it comes. Raises Lost."""
        self._complaints.clear()
        try:
            print(json.dumps(asdict(row)), file=self._process.stdin, flush=True)
        except OSError:
            raise Lost(self._last_words()) from None
        allowed = until - time.monotonic()
        while "over" not in (answer := self._next(until, f"end within {allowed:.1f} s")):
            yield answer
        self.healthy = answer["healthy"]

    def _next(self, until: float, awaited: str) -> dict[str, Any]:
        while True:
            ended = self._process.poll() is not None
            try:
                line = self._lines.get(timeout=0.1)
            except queue.Empty:
                if ended:
                    raise Lost(self._last_words()) from None
                if time.monotonic() > until:
                    raise Lost(f"no {awaited}{self._where()}") from None
                continue
            try:
                return json.loads(line)
            except json.JSONDecodeError:
                raise Lost(f"expected a line of JSON, got {line[:200]!r}") from None

    def _where(self) -> str:
        """Where a silent worker is: it writes its traceback when it is told to abort."""
        if os.name != "posix":
            return ""
        self._process.send_signal(signal.SIGABRT)
        return f"; {self._last_words()}"

    def _last_words(self) -> str:
        """How the process ended, and what it wrote to stderr."""
        try:
            code = self._process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            return "and it does not answer to a signal"
        self._readers[1].join(timeout=1)
        text = "".join(self._complaints).strip()
        fatal = text.rfind("Fatal Python error")  # Python's own last words begin there, and end with a long list
        text = text[fatal : fatal + LAST_WORDS] if fatal >= 0 else text[-LAST_WORDS:]
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return f"the worker ended with {how}: {text or 'it said nothing'}"

    def end(self) -> None:
        """End the process and all that it started."""
        if os.name == "posix":
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        else:
            self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):  # a driver that hangs may hold it for ever
            self._process.wait(timeout=5)
        for reader in self._readers:
            reader.join(timeout=1)
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            with contextlib.suppress(OSError):  # what was not read is lost with it
                if pipe is not None and not any(reader.is_alive() for reader in self._readers):
                    pipe.close()


class Supervisor:
    """Hands rows to workers, one worker at a time, and notes every answer.

    ``note(row, answer)`` gets each answer with its ``status``: "measured" where the worker says nothing else, "lost"
    where the worker took the row along, "not reached" where the time was over.
    """

    def __init__(self, commands: Mapping[str, Command], note: Note = lambda row, answer: None) -> None:
        self._commands, self.note = commands, note
        self._worker: Worker | None = None
        self._kind = ""
        self._failures: collections.Counter[str] = collections.Counter()  # worker -> starts in a row that failed

    def attempt(self, row: Row, deadline: float) -> str:
        """Have one row worked on; the status of its last answer."""
        status = "lost"
        try:
            worker = self._ready(row.worker, min(deadline, time.monotonic() + START))
            for answer in worker.answers(row, min(deadline, time.monotonic() + row.seconds)):
                answer = {"status": "measured"} | answer
                status = answer["status"]
                self.note(row, answer)
            if not worker.healthy:
                self.close()
        except Lost as reason:
            self.close()
            status = "lost"
            self.note(row, {"status": status, "reason": str(reason)})
        return status

    def _ready(self, kind: str, until: float) -> Worker:
        if self._worker is None or self._kind != kind:
            self.close()
            if self._failures[kind] == STARTS:
                raise Lost(f"its worker did not start {STARTS} times")
            self._failures[kind] += 1
            self._worker, self._kind = Worker(self._commands[kind], until), kind
            self._failures[kind] = 0
        return self._worker

    def close(self) -> None:
        """End the worker, if there is one."""
        if self._worker is not None:
            self._worker.end()
            self._worker = None


def run(steps: Sequence[Step], supervisor: Supervisor, deadline: float) -> list[Row]:
    """Every step in turn, each for its seconds; then what had to wait. Returns the rows that were lost."""
    waiting, lost = [], []
    for step in steps:
        until = min(time.monotonic() + step.seconds, deadline)
        for row in step.rows:
            if time.monotonic() >= min(until, deadline - LEAST):
                waiting.append(row)
            elif supervisor.attempt(row, deadline) == "lost":
                lost.append(row)
    for row in waiting:
        if deadline - time.monotonic() < LEAST:
            supervisor.note(row, {"status": "not reached", "reason": "the time was over"})
        elif supervisor.attempt(row, deadline) == "lost":
            lost.append(row)
    return lost
