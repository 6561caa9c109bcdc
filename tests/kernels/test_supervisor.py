"""The watching process: a row that aborts, hangs or loses the card costs itself only."""

import json
import os
import pathlib
import sys
import time

import pytest

import supervisor
from supervisor import Command, Row, Step, Supervisor, run

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")

STUB = """
import json, os, signal, subprocess, sys, time

def say(**answer):
    print(json.dumps(answer), flush=True)

say(ready=True)
for line in sys.stdin:
    do = json.loads(line)["given"]["do"]
    say(pid=os.getpid())
    if do == "abort":
        print("before the abort", file=sys.stderr, flush=True)
        os.abort()
    if do == "hang":
        say(child=subprocess.Popen(["sleep", "60"]).pid)
        time.sleep(60)
    if do == "chatter":
        print("a warning on stdout", flush=True)
    say(over=True, healthy=do != "lose the card")
"""


@pytest.fixture
def watched():
    """``watched(*what)``: a supervisor's notes on rows that do these things, as (row, answer)."""
    notes = []
    stub = Command([sys.executable, "-c", STUB])
    broken = Command([sys.executable, "-c", "raise SystemExit('no card')"])
    watcher = Supervisor(
        {"kernels": stub, "frames": stub, "broken": broken}, lambda row, a: notes.append((row.name, a))
    )

    def work(*what, worker="kernels"):
        for number, do in enumerate(what):
            seconds = 0.5 if do == "hang" else 30
            watcher.attempt(Row(f"{number} {do}", "step", "stub", seconds, {"do": do}, worker), time.monotonic() + 60)
        return notes

    yield work
    watcher.close()


def pids(notes):
    return [answer["pid"] for _, answer in notes if "pid" in answer]


def alive(pid):
    status = pathlib.Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().split(")")[1].split()[0] != "Z"


def test_rows_are_answered_by_one_process(watched):
    notes = watched("work", "work")
    assert [name for name, _ in notes] == ["0 work", "1 work"]
    assert all(answer["status"] == "measured" for _, answer in notes)
    assert len(set(pids(notes))) == 1


def test_an_abort_costs_its_row_only(watched):
    notes = watched("work", "abort", "work")
    lost = [(name, answer) for name, answer in notes if answer["status"] == "lost"]
    assert [name for name, _ in lost] == ["1 abort"]
    assert lost[0][1]["reason"] == "the worker ended with signal SIGABRT: before the abort"
    first, second, third = pids(notes)
    assert first == second, "what it had answered before is kept"
    assert third != second


def test_a_hang_costs_its_row_only_and_leaves_no_process(watched):
    notes = watched("hang", "work")
    (reason,) = [answer["reason"] for _, answer in notes if answer["status"] == "lost"]
    assert reason.startswith("no end within 0.5 s; the worker ended with signal SIGABRT")
    assert notes[-1][1]["status"] == "measured"
    hung = pids(notes)[0]
    child = next(answer["child"] for _, answer in notes if "child" in answer)
    assert not alive(hung)
    assert not alive(child), "what the worker started is ended with it"


def test_a_worker_that_lost_its_card_is_replaced_and_its_row_kept(watched):
    notes = watched("lose the card", "work")
    assert [answer["status"] for _, answer in notes] == ["measured", "measured"]
    assert len(set(pids(notes))) == 2


def test_chatter_on_stdout_is_no_answer(watched):
    notes = watched("chatter", "work")
    assert notes[1][1]["reason"] == "expected a line of JSON, got 'a warning on stdout\\n'"
    assert notes[-1][1]["status"] == "measured"


def test_one_worker_at_a_time(watched):
    watched("work")
    notes = watched("work", worker="frames")
    first, second = pids(notes)
    assert not alive(first)
    assert alive(second)


def test_a_worker_that_does_not_start_is_given_up(watched):
    reasons = [answer["reason"] for _, answer in watched(*["work"] * 5, worker="broken")]
    assert reasons[0] == "the worker ended with exit code 1: no card"
    assert reasons[3:] == ["its worker did not start 3 times"] * 2


class Clockwork(Supervisor):
    """A supervisor whose rows take as long as they say."""

    def __init__(self, monkeypatch):
        self.now, self.noted = 0.0, []
        super().__init__({}, lambda row, answer: self.noted.append(f"{row.name}: {answer['status']}"))
        monkeypatch.setattr(supervisor.time, "monotonic", lambda: self.now)

    def attempt(self, row, deadline):
        self.now += row.given["takes"]
        self.noted.append(row.name)
        return "lost" if "lost" in row.name else "measured"

    def run(self, deadline, *steps):
        return run(steps, self, deadline)


def rows(*names, takes=10.0):
    return [Row(name, "step", "stub", 60, {"takes": takes}) for name in names]


def test_a_step_that_takes_too_long_hands_its_rows_to_the_end(monkeypatch):
    clock = Clockwork(monkeypatch)
    clock.run(100, Step("slow", 15, rows("a", "b", "c")), Step("next", 15, rows("d")))
    assert clock.noted == ["a", "b", "d", "c"]


def test_at_the_deadline_the_rest_is_noted_as_not_reached(monkeypatch):
    clock = Clockwork(monkeypatch)
    clock.run(15, Step("one", 100, rows("a", "b", "c")), Step("two", 100, rows("d")))
    assert clock.noted == ["a", "b", "c: not reached", "d: not reached"]


def test_rows_that_were_lost_are_told(monkeypatch):
    clock = Clockwork(monkeypatch)
    lost = clock.run(100, Step("one", 15, rows("a", "b lost", "c lost")))
    assert [row.name for row in lost] == ["b lost", "c lost"]


def test_rows_travel_as_json():
    row = Row("name", "step", "kind", 1, {"voxels": [2, 4, 4]})
    assert json.loads(json.dumps(row.given)) == row.given
