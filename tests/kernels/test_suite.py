"""The suite for a card: rehearsed on a CPU with an abort, a hang and a wrong result planted in it.

Tests: bench.suite_report, bench.checks, bench.worker, bench.ladder, bench.machine, bench.setting.
"""

import json
import pathlib
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest

import checks
import plan
import suite
import suite_report
import worker
from setting import REHEARSAL
from supervisor import Row

SUITE = pathlib.Path(suite.__file__)


@pytest.fixture(scope="module")
def rehearsal(tmp_path_factory):
    """The finished process of a dry run, and its folder."""
    out = tmp_path_factory.mktemp("suite") / "out"
    command = [sys.executable, str(SUITE), "--out", str(out), "--device", "cpu", "--dry-run", "--commit", "0123456789"]
    return subprocess.run(command, capture_output=True, text=True, check=False), out


@pytest.fixture(scope="module")
def lines(rehearsal):
    return suite_report.read(rehearsal[1])[1]


@pytest.mark.slow
def test_a_dry_run_ends_well_with_four_files(rehearsal):
    done, out = rehearsal
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert sorted(file.name for file in out.iterdir()) == sorted(suite.FILES)
    about, _ = suite_report.read(out)
    assert about["commit"] == "0123456789"
    assert about["rehearsal"] is True
    assert about["seconds"] < suite.MOST


@pytest.mark.slow
def test_rows_that_abort_or_hang_are_noted_with_their_reason_and_cost_nothing_else(lines):
    attempts = [line for line in lines if line["status"] != "again"]
    rows = plan.flatten(plan.rehearsal_steps())
    assert list(dict.fromkeys(line["row"] for line in attempts)) == [row.name for row in rows]
    lost = {line["row"]: line["reason"] for line in attempts if line["status"] == "lost"}
    assert set(lost) == {"planted abort", "planted hang"}
    assert lost["planted abort"].startswith("the worker ended with signal SIGABRT: Fatal Python error: Aborted")
    assert lost["planted hang"].startswith("no end within 2.0 s")
    assert all("checks.py" in reason and "in planted" in reason for reason in lost.values()), "it says where"
    others = {line["row"]: line["status"] for line in attempts if line["kind"] != "planted"}
    absent = {"racecheck", "memcheck", "a compiled block"}
    assert others == {name: "absent" if name in absent else "measured" for name in others}


@pytest.mark.slow
def test_a_row_that_strays_is_not_timed(lines):
    (stray,) = [line for line in lines if line["row"] == "planted stray"]
    assert stray["status"] == "failed"
    assert stray["reason"].startswith("Stray: warp3d contiguous, smooth flow, against contiguous: ours off by 1.00e-03")
    assert not any(name.endswith("_ms") for name in stray)


@pytest.mark.slow
def test_lost_rows_are_tried_once_more_and_never_count_as_measured(lines):
    again = [line for line in lines if line["status"] == "again"]
    assert [(line["row"], line["outcome"]) for line in again] == [("planted abort", "lost"), ("planted hang", "lost")]


@pytest.mark.slow
def test_every_comparison_has_both_passes_and_both_sides(lines):
    passes: dict[str, set[str]] = {}
    for line in lines:
        if line["kind"] == "compare":
            passes.setdefault(line["row"], set()).add(line["passes"])
            assert line["rival_ms"]["p50"] > 0
            assert line["ours_ms"]["p50"] > 0
            assert line["error"]["ours"] < 0.1
    assert all(both == {"forward", "backward"} for both in passes.values())


@pytest.mark.slow
def test_the_tables_say_what_they_are(rehearsal, lines):
    _, out = rehearsal
    text = (out / "suite.md").read_text(encoding="utf-8")
    assert "A rehearsal on a CPU, of small tensors: no figure here is a result." in text
    assert [part for part in suite_report.SECTIONS if f"\n## {part}\n" not in text] == []
    tiles = json.loads((out / "tiles.json").read_text(encoding="utf-8"))
    assert tiles["card"].startswith("rehearsal on ")
    assert set(tiles["tiles"]) == {line["entry"] for line in lines if line["kind"] == "tile"}


@pytest.mark.slow
def test_tables_can_be_made_of_what_a_run_that_was_cut_off_left(rehearsal, tmp_path):
    folder = tmp_path / "cut"
    shutil.copytree(rehearsal[1], folder)
    rows = (folder / "rows.jsonl").read_text(encoding="utf-8").splitlines()[:30]
    (folder / "rows.jsonl").write_text("\n".join(rows) + '\n{"row": "cut off in the mid', encoding="utf-8")
    for name in ("suite.md", "tiles.json"):
        (folder / name).unlink()
    suite_report.write(folder)
    text = (folder / "suite.md").read_text(encoding="utf-8")
    assert "## Parity" in text
    assert "## Whole frames" not in text


def test_a_line_is_on_the_disk_before_the_next_row_begins(tmp_path):
    record = suite.Record(tmp_path / "rows.jsonl", 0)
    record.note(Row("first", "step", "kind", 1), {"status": "measured"})
    assert json.loads((tmp_path / "rows.jsonl").read_text(encoding="utf-8"))["row"] == "first"
    record.close()


BAD = {
    "no folder": ([], "the following arguments are required: --out"),
    "a CPU's times": (["--device", "cpu"], "--device: expected cuda, or cpu together with --dry-run, got cpu"),
    "a dry run on a card": (["--dry-run"], "--device: expected cuda, or cpu together with --dry-run, got cuda"),
    "too long": (["--seconds", "600"], "--seconds: expected 30 to 560, got 600"),
    "an unknown step": (["--steps", "speed"], "--steps: expected any of machine, parity, "),
    "a file": (["--out", __file__], f"--out: expected a folder, got the file {__file__}"),
}


@pytest.mark.parametrize(("options", "message"), BAD.values(), ids=list(BAD))
def test_bad_options_end_with_one_line(options, message, tmp_path, capsys):
    folder = [] if not options or "--out" in options else ["--out", str(tmp_path / "out")]
    with pytest.raises(SystemExit) as ended:
        suite.main([*folder, *options])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {message}")
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_without_a_card_nothing_is_written(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(SystemExit) as ended:
        suite.main(["--out", str(tmp_path / "out")])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("error: --device: expected a card that runs our kernels, got none: ")
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


ABOUT: dict = {
    "card": "a card",
    "rehearsal": False,
    "shape": [32, 16, 64, 64],
    "torch": "2",
    "triton": "3",
    "date": "today",
}
ABOUT |= {"driver_before": {}, "commit": "0123", "repetitions": 15, "calls": 10, "command": "suite.py"}


def compared(passes, milliseconds, rival, graph=True, **more):
    """A line as a card would write it."""
    line: dict = {"row": "warp3d", "step": "targets", "kind": "compare", "status": "measured", "operation": "warp3d"}
    line |= {"layout": "channels-last", "variant": "smooth flow", "dtype": "float32", "batch": 16, "rival": "eager"}
    line |= {"targets": plan.TARGETS["warp3d", "eager"], "passes": passes, "graph": graph, "error": {"ours": 1e-6}}
    spread = {"p20": milliseconds, "p50": milliseconds, "p80": milliseconds}
    return line | {"ours_ms": spread, "rival_ms": {"p50": rival}, "ratio": rival / milliseconds} | more


# At 3 TB/s the forward pass's 281.0 MB take 0.0937 ms and the backward pass's 427.8 MB take 0.1426 ms.
@pytest.mark.parametrize(
    ("line", "cells"),
    [
        (compared("forward", 0.11, 0.2), ["**1.82**", "281.0", "0.0937", "85%", "75% of copy: met"]),
        (compared("forward", 0.20, 0.2), ["**1.00**", "281.0", "0.0937", "47%", "75% of copy: missed"]),
        (compared("backward", 0.5, 0.8), ["**1.60**", "427.8", "0.1426", "29%", "1.5x: met"]),
        (compared("backward", 0.5, 0.7), ["**1.40**", "427.8", "0.1426", "29%", "1.5x: missed"]),
    ],
    ids=["forward met", "forward missed", "backward met", "backward missed"],
)
def test_a_target_is_held_against_the_same_runs_copy(line, cells):
    copy = {"row": "copy", "step": "machine", "kind": "copy", "status": "measured", "bytes": 1, "ms": {"p50": 1}}
    python = compared(line["passes"], 0.9, 1.0, graph=False)
    text = suite_report.markdown(ABOUT, [copy | {"bytes_per_second": 3e12}, line, python])
    (row,) = [each for each in text.splitlines() if each.startswith("| warp3d |")]
    shown = [cell.strip() for cell in row.split("|")]
    assert [cell for cell in shown if cell in cells] == cells
    assert "0.9000" in shown, "the same calls launched from Python stand beside"


def test_a_rival_that_cannot_be_timed_leaves_a_gap():
    line = compared("forward", 0.1, 0.2, rival_reason="RuntimeError: cannot be captured")
    del line["rival_ms"], line["ratio"]
    text = suite_report.markdown(ABOUT, [line])
    assert "| RuntimeError: cannot be captured | 0.1000 (0.1000 to 0.1000) |  |" in text


def test_a_row_that_fails_says_why_and_a_lack_is_no_failure(monkeypatch):
    def answer(kind, **given):
        return list(worker.work({"kind": kind, "given": given}, REHEARSAL))

    assert answer("nothing")[-1] == {"status": "failed", "reason": "KeyError: 'nothing'"}
    monkeypatch.setattr(checks.shutil, "which", lambda name: None)
    assert answer("sanitizer", tool="racecheck") == [
        {"status": "absent", "reason": "compute-sanitizer is not installed"}
    ]
    monkeypatch.setitem(worker.WORK, "copy", ("a_module_that_is_missing", "copy"))
    assert answer("copy")[-1]["status"] == "failed"


def test_a_worker_whose_card_is_lost_ends(monkeypatch):
    """The next row would fail for this one's fault."""

    def lost(*shape, device):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(worker.sys, "stdin", ['{"kind": "nothing", "given": {}}'] * 2)
    monkeypatch.setattr(worker.torch, "zeros", lost)
    said: list[dict] = []
    worker.serve(replace(REHEARSAL), said.append)
    assert [answer for answer in said if "over" in answer] == [{"over": True, "healthy": False}]
