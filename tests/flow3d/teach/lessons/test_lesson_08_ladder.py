"""Notebook 08's ladder predicts, counts and reads what a card measured, each under its own name."""

import json
import math
from math import prod

import numpy as np
import pytest
import torch

from flow3d.teach.lessons import lesson_08_ladder as ladders
from flow3d.teach.lessons.lesson_08_ladder import Card, Ladder, Rung, card_of, corners_of, measured_rungs, touched
from flow3d.teach.lessons.lesson_08_machine import Machine
from flow3d_kernels import warp3d
from flow3d_kernels.triton_kernels.counts import rows_per_voxel

SIZES = (4, 8, 32)
MEASURED = {"kind": "rung", "status": "measured", "rung": "bricks", "batch": 16, "ms": {"p50": 0.25}}


class Whole:
    """A kernel that computes the package's warp, whatever it is told."""

    def __getitem__(self, programs):
        def start(volume, flow, out, *sizes, **constants):
            out.copy_(warp3d(volume, flow))

        return start


@pytest.fixture
def results(tmp_path):
    """The lines that a run on a card left, with one of a rung that failed."""
    lines = [MEASURED, MEASURED | {"rung": "lines", "status": "failed"}, {"kind": "copy", "status": "measured"}]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    (tmp_path / "environment.json").write_text(json.dumps({"card": "some card"}), encoding="utf-8")
    return tmp_path / "rows.jsonl"


@pytest.fixture
def ladder(results, monkeypatch):
    """Two rungs on a card of round numbers; what is compiled issues 100 instructions a warp."""
    machine = Machine([("FFMA", 60), ("IMAD", 40)], "", 32, 0, 4)
    monkeypatch.setattr(
        ladders, "machine_code", lambda kernels, channels, variants: (dict.fromkeys(kernels, machine), "")
    )
    made = Ladder(Card(slots=1e9, l2=1e12, dram=2e12), (2, 32, *SIZES), lambda rung: (50.0, 132.0), results)
    made.rungs["bricks"] = Rung(Whole(), (2, 4, 4), 16, {"TZ": 2, "TY": 4, "TX": 4, "BLOCK_C": 16})
    made.rungs["lines"] = Rung(Whole(), (1, 1, 32), 32, {"BLOCK_P": 32, "BLOCK_C": 32, "CHANNELS_LAST": True})
    return made


def test_a_rung_is_predicted_counted_and_measured(ladder, capsys):
    ladder.climb("bricks", "lines")
    programs = 2 * 4 * 8 * 32 // 32
    assert ladder.warps("bricks") == ladder.warps("lines") == 4 * programs
    assert ladder.predicted["bricks"].slots == pytest.approx(50 * 4 * programs / 1e9 * 1e6)
    assert ladder.counted["bricks"].slots == pytest.approx(100 * 4 * programs / 1e9 * 1e6)
    assert ladder.predicted["lines"].l2 == pytest.approx(132 * programs * 32 * 4 / 1e12 * 1e6)
    assert ladder.counted["bricks"].l2 < ladder.counted["lines"].l2
    assert ladder.dram == pytest.approx(2 * 1024 * (32 + 3 + 32) * 4 / 2e12 * 1e6)
    assert ladder.least("lines") == max(ladder.counted["lines"].slots, ladder.counted["lines"].l2, ladder.dram)
    text = capsys.readouterr().out
    assert "on a card, µs                         250" in text
    assert "on a card, µs                not measured" in text
    assert ladder.measured_on == "some card"


def test_without_a_compiler_a_rung_is_only_predicted(ladder, monkeypatch, capsys):
    monkeypatch.setattr(ladders, "machine_code", lambda kernels, channels, variants: ({}, "no compiler"))
    ladder.climb("bricks")
    assert math.isnan(ladder.counted["bricks"].instructions)
    assert ladder.least("bricks") == max(ladder.predicted["bricks"].slots, ladder.predicted["bricks"].l2, ladder.dram)
    assert "Nothing is counted in machine code: no compiler." in capsys.readouterr().out


def test_a_rung_that_computes_something_else_is_refused(ladder):
    class Nothing(Whole):
        def __getitem__(self, programs):
            return lambda volume, flow, out, *sizes, **constants: out.zero_()

    ladder.rungs["nothing"] = Rung(Nothing(), (2, 4, 4), 16, {})
    with pytest.raises(AssertionError, match="nothing is off by"):
        ladder.climb("nothing")


def test_rungs_of_a_card_are_read_and_what_failed_is_not(results, tmp_path):
    assert measured_rungs(results) == {"bricks": 250.0}
    assert card_of(results) == "some card"
    assert measured_rungs(tmp_path / "nothing" / "rows.jsonl") == {}
    assert card_of(tmp_path / "nothing" / "rows.jsonl") == ""


def test_rows_are_shared_by_what_lies_near():
    half = np.full((3, *SIZES), 0.5, np.float32)
    assert touched(corners_of(half), (1, 1, 32))[0] == 32 * 2 * 2, "the last position is held at the edge"
    assert touched(corners_of(half), (2, 4, 4))[0] == 3 * 5 * 5
    assert touched(corners_of(half), (1, 1, 32), group=8)[0] == 4 * 2 * 2


def test_the_ladder_counts_rows_as_the_package_does():
    """Where no position is held at the edge: there the package's kernel leaves a neighbour without weight out."""
    centre = np.reshape(SIZES, (3, 1, 1, 1)) / 2 - 0.4
    inward = (0.37 * (centre - np.indices(SIZES)))[::-1].astype(np.float32)
    for brick in ((1, 1, 32), (2, 4, 4)):
        ours = touched(corners_of(inward), brick).sum() / prod(SIZES)
        assert ours == pytest.approx(rows_per_voxel(torch.from_numpy(inward.copy())[None], brick))


def test_every_voxel_reads_eight_rows():
    still = np.zeros((3, *SIZES), np.float32)
    assert ladders.readers_of(still).sum() == 8 * 4 * 8 * 32
    assert ladders.readers_of(still)[1, 3, 3] == 8
    assert ladders.readers_of(still - 40)[0, 0, 0] == 4 * 8 * 32, "all of them look beyond one corner"
