"""What every training shares: rates by hand, averaged weights, loops that agree to end, a log that ends no training."""

import csv
import errno
import math
import os
import signal
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from flow3d.training.loop import AveragedWeights, CsvLog, Loop, Timer, half_cosine, or_warn, warmed_up

COLUMNS = ("step", "seconds", "loss", "other")
ALL = ["1", "2", "3"]


def test_the_rate_grows_in_a_line_and_falls_as_half_a_cosine():
    assert [warmed_up(step, 4) for step in range(6)] == [0.25, 0.5, 0.75, 1, 1, 1]
    assert warmed_up(0, 0) == 1
    assert [half_cosine(share) for share in (0, 0.5, 1, 2)] == pytest.approx([1, 0.5, 0, 0])
    assert half_cosine(1 / 3) == pytest.approx(0.75)


def test_averaged_weights_are_the_formula_s_and_integers_stay():
    network = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    averaged = AveragedWeights(network.state_dict(), 0.6)
    mean = {name: value.clone() for name, value in network.state_dict().items()}
    for step in range(1, 30):
        for value in network.state_dict().values():
            value += 1
        averaged.update(network.state_dict(), step)
        decay = min(0.6, step / (step + 10))
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                mean[name].lerp_(value, 1 - decay)
    assert all(torch.equal(value, averaged.state[name]) for name, value in mean.items())
    assert int(averaged.state["1.num_batches_tracked"]) == 0


def test_averaged_weights_are_a_copy():
    weights = torch.zeros(2)
    averaged = AveragedWeights({"w": weights}, 0.9)
    weights += 1
    assert not averaged.state["w"].any()


def test_a_timer_is_due_once_in_its_minutes(monkeypatch):
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    timer = Timer(2)
    due = []
    for now in (60.0, 120.0, 121.0, 180.0, 242.0):  # noqa: B007
        due.append(timer.due())
    assert due == [False, False, True, False, True]


@pytest.mark.parametrize(
    ("options", "steps", "outcome"),
    [
        ({}, [0, 1, 2, 3], "finished"),
        ({"done": 2}, [2, 3], "finished"),
        ({"done": 4}, [], "finished"),
        ({"until": 3}, [0, 1, 2], "paused"),
        ({"until": 9}, [0, 1, 2, 3], "finished"),
        ({"done": 2, "until": 1}, [], "paused"),
        ({"minutes": 0.0}, [0], "paused"),
        ({"done": 3, "minutes": 0.0}, [3], "finished"),
        ({"minutes": 100.0}, [0, 1, 2, 3], "finished"),
    ],
    ids=str,
)
def test_a_loop_ends_where_it_should_and_says_why(options, steps, outcome):
    with Loop(4, **options) as loop:
        assert list(loop) == steps
    assert loop.outcome == outcome


def test_ctrl_c_ends_a_loop_after_its_step_and_the_handler_comes_back():
    handler, steps = signal.getsignal(signal.SIGINT), []
    with Loop(4) as loop:
        for step in loop:
            if step == 1:
                os.kill(os.getpid(), signal.SIGINT)
            steps.append(step)
    assert (steps, loop.outcome) == ([0, 1], "interrupted")
    assert signal.getsignal(signal.SIGINT) is handler


def test_an_error_in_a_step_gives_the_handler_back():
    def fail() -> None:
        raise FloatingPointError

    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(FloatingPointError), Loop(4) as loop:
        next(fail() for _ in loop)
    assert signal.getsignal(signal.SIGINT) is handler


@pytest.mark.parametrize(("wish", "outcome"), [(0, "finished"), (1, "paused"), (2, "interrupted")])
def test_a_loop_ends_when_another_process_wishes_so(wish, outcome):
    def gather(own: torch.Tensor) -> torch.Tensor:
        return torch.cat([own, torch.tensor([wish])])

    others = SimpleNamespace(num_processes=2, is_main_process=False, device="cpu", gather=gather)
    with Loop(3, accelerator=others) as loop:
        assert len(list(loop)) == (3 if wish == 0 else 1)
    assert loop.outcome == outcome


def test_seconds_go_on_from_those_spent_before(monkeypatch):
    now = 5.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    loop = Loop(3, spent=100.0)
    now = 12.0
    assert loop.seconds == 107.0


def test_a_failure_becomes_a_warning_and_a_result_comes_through():
    def fails() -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    assert or_warn(lambda: 7, "nothing") == 7
    with pytest.warns(UserWarning, match=r"step 3: no picture \(.*No space left on device\)"):
        assert or_warn(fails, "step 3: no picture") is None


def log_of(path: Path, step: int = 0) -> CsvLog:
    log = CsvLog(path, COLUMNS, step)
    for k in range(step, step + 3):
        log.add({"loss": float(k), "other": 1.0})
        log.write(k + 1, 10.0 * k)
    return log


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_row_is_the_mean_of_what_was_added_and_the_rest_is_empty(tmp_path):
    log = CsvLog(tmp_path / "log.csv", COLUMNS)
    log.add({"loss": 1.0})
    log.add({"loss": 2.0})
    assert log.means() == {"loss": 1.5}
    assert log.write(2, 3.25) == {"loss": 1.5}
    assert log.means() == {}
    assert (tmp_path / "log.csv").read_text() == "step,seconds,loss,other\n2,3.2,1.5,\n"


def test_a_number_without_a_column_is_a_mistake_that_shows(tmp_path):
    log = CsvLog(tmp_path / "log.csv", COLUMNS)
    log.add({"lost": 1.0})
    with pytest.raises(ValueError, match="lost"):
        log.write(1, 0.0)


def test_a_new_training_begins_a_new_log_and_a_resumed_one_goes_on(tmp_path):
    path = tmp_path / "log.csv"
    log_of(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        log_of(path, 3)
    assert [row["step"] for row in rows(path)] == ["1", "2", "3", "4", "5", "6"]
    log_of(path)
    assert [row["step"] for row in rows(path)] == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("damage", "dropped", "kept"),
    [
        (lambda t: t + b"\0" * 8, 1, ALL),
        (lambda t: t + b"step,seconds,loss,other\n", 1, ALL),
        (lambda t: t + b"3,2", 1, ALL),
        (lambda t: t + b"3,20.0,2.5,", 1, ALL),  # whole but for its end, which might be missing a digit
        (lambda t: t + b"3,20.0,2\n", 1, ALL),
        (lambda t: t + b"3,20.0,2,,\n", 1, ALL),
        (lambda t: t + b",20.0,2,\n", 1, ALL),
        (lambda t: t + b"nan,20.0,2,\n", 1, ALL),
        (lambda t: t + b"4,20.0,2,\n\xff\xfe\n", 2, ALL),
        (lambda t: t.replace(b"1,0.0", b"1,\0\0\0"), 1, ["2", "3"]),
        (lambda t: t.partition(b"\n")[2], 0, ALL),
        (lambda t: t.replace(b"\n", b"\r\n"), 0, ALL),
    ],
    ids=[
        "zero bytes", "second header", "torn row", "torn at its end", "too few cells", "too many cells", "no step",
        "no number of a step", "rows behind and bytes", "zeros in the middle", "no header", "other line ends",
    ],
)  # fmt: skip
def test_what_is_no_row_is_dropped_and_said_once(tmp_path, damage, dropped, kept):
    path = tmp_path / "log.csv"
    log_of(path)
    path.write_bytes(damage(path.read_bytes()))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        CsvLog(path, COLUMNS, 3)
    assert [(row["step"], row["other"]) for row in rows(path)] == [(step, "1") for step in kept]
    assert [str(warning.message) for warning in said] == (
        [f"{path}: dropped {dropped} rows, damaged or after step 3"] if dropped else []
    )


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 4096, b"step", b"\x89PNG\r\n\x1a\n"], ids=["empty", "zeros", "torn", "other"]
)
def test_a_log_of_which_nothing_is_left_is_begun_anew(tmp_path, content):
    (tmp_path / "log.csv").write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        log_of(tmp_path / "log.csv", 3)
    assert [row["step"] for row in rows(tmp_path / "log.csv")] == ["4", "5", "6"]


def test_columns_that_came_or_went_since_do_not_lose_the_rows(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("step,seconds,gone,loss\n1,0.0,7,1.5\n")
    CsvLog(path, COLUMNS, 1)
    assert rows(path) == [{"step": "1", "seconds": "0.0", "loss": "1.5", "other": ""}]


def test_a_log_that_cannot_be_written_warns_and_goes_on(tmp_path):
    path = tmp_path / "log.csv"
    path.mkdir()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        log = CsvLog(path, COLUMNS, 1)
    unread, unwritten = (str(warning.message) for warning in said)
    assert unread.startswith(f"{path}: cannot be read, a new one is begun (")
    assert unwritten.startswith(f"{path}: cannot be written (")
    log.add({"loss": 1.0})
    with pytest.warns(UserWarning, match=r"step 2: no row in .*log.csv"):
        assert log.write(2, 0.0) == {"loss": 1.0}
    path.rmdir()
    log.add({"loss": 3.0})
    log.write(3, 0.0)
    assert path.read_text() == "step,seconds,loss,other\n3,0.0,3,\n"


def test_a_row_that_was_half_written_is_taken_back(tmp_path, monkeypatch):
    path = tmp_path / "log.csv"
    log, real = log_of(path), Path.open
    before = path.read_bytes()

    class Full:
        def __init__(self, file) -> None:
            self.file = file

        def __enter__(self) -> "Full":
            return self

        def __exit__(self, *_: object) -> None:
            self.file.close()

        def __getattr__(self, name: str):
            return getattr(self.file, name)

        def write(self, content: bytes) -> int:
            return self.file.write(content[: len(content) // 2])

    log.add({"loss": 1.0})
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", lambda self, *a, **k: Full(real(self, *a, **k)))
        with pytest.warns(UserWarning, match="No space left"):
            log.write(4, 0.0)
    assert path.read_bytes() == before
    assert math.isfinite(float(rows(path)[-1]["loss"]))
