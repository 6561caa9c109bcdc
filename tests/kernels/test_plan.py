"""The plan of a run on a card: rows as data, in the order of their worth.

Tests: bench.tune.
"""

import json
import pathlib
import subprocess
import sys

import pytest

import plan
import tune
import worker
from flow3d_kernels.triton_kernels.tiles import COMMON

STEPS = {"card": plan.card_steps(), "rehearsal": plan.rehearsal_steps()}
plans = pytest.mark.parametrize("steps", STEPS.values(), ids=list(STEPS))


@plans
def test_a_name_tells_one_row_from_all_others(steps):
    names = [row.name for row in plan.flatten(steps)]
    assert len(names) == len(set(names))


@plans
def test_rows_are_data_that_a_worker_knows(steps):
    for row in plan.flatten(steps):
        assert json.loads(json.dumps(row.given)) == row.given
        assert row.worker == ("frames" if row.kind == "rate" else "kernels")
        assert row.worker == "frames" or row.kind in worker.WORK
    assert all(row.step == step.name for step in steps for row in step.rows)


def test_what_decides_the_targets_comes_first_and_whole_frames_have_their_share():
    names = [step.name for step in STEPS["card"]]
    assert names == ["machine", "parity", "targets", "tiles", "ladder", "compiled", "checkers", "others", "frames"]
    assert sum(step.seconds for step in STEPS["card"]) == 525
    assert STEPS["card"][0].rows[0].name == "copy"


def test_every_batch_is_compared_and_only_a_batch_of_16_has_targets():
    rows = [row.given for row in plan.flatten(STEPS["card"]) if row.kind == "compare"]
    assert {row["batch"] for row in rows} == {1, 4, 16, 64}
    assert {row["rival"] for row in rows} == {"eager", "folded", "compiled"}
    assert {row["batch"] for row in rows if row["targets"]} == {16}


def test_a_rehearsal_holds_every_kind_of_row_and_the_faults():
    card, rehearsal = ({row.kind for row in plan.flatten(steps)} for steps in STEPS.values())
    assert rehearsal == card | {"planted"}


def test_tiles_are_tried_for_entries_of_the_table():
    """Eight candidates for each pass of the channels-last warp, four for each of AdaIN."""
    entries: dict[str, int] = {}
    for row in tune.tile_rows():
        kernel, layout, dtype = row.given["entry"].split()
        assert (kernel, layout, tune.SIZES[dtype]) in COMMON
        entries[row.given["entry"]] = entries.get(row.given["entry"], 0) + 1
    assert entries == {name: 8 if name.startswith("warp3d") else 4 for name in entries}
    assert len(entries) == 12


def line(entry, voxels, milliseconds, status="measured"):
    tile = tune.candidate(voxels, 8)
    return {"kind": "tile", "status": status, "entry": entry, "tile": tile, "ms": {"p50": milliseconds}}


def test_the_fastest_tile_that_was_measured_is_chosen():
    lines = [line("a", 32, 2.0), line("a", [2, 4, 4], 1.0), line("b", 64, 3.0), line("a", 16, 1.5)]
    lines += [{"kind": "tile", "status": "failed", "entry": "a", "reason": "it strayed"}, {"kind": "copy"}]
    about = dict.fromkeys(("card", "torch", "triton", "date", "commit", "python"), "x")
    content = tune.tiles_file(about, lines)
    assert content == {
        **dict.fromkeys(("card", "torch", "triton", "date", "commit"), "x"),
        "tiles": {"a": tune.candidate([2, 4, 4], 8), "b": tune.candidate(64, 8)},
    }


def test_the_watching_process_needs_no_torch():
    """It outlives whatever happens to a card, and starts in no time."""
    script = "import suite, sys; assert not {'torch', 'triton', 'flow3d_kernels'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=pathlib.Path(plan.__file__).parent, check=False)
    assert done.returncode == 0
