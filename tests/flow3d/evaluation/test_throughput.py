"""The benchmark of the whole renderer: every row on a CPU, answers to the kernels' benchmark, no file otherwise.

Tests: measure.rates.
"""

import json

import pytest

from fake_graphs import Held, fake_graphs
from flow3d.evaluation import throughput
from flow3d.evaluation.measure import rates

MICRO = (("micro", "strict"),)
FRAMES = {"work": "frames", "preset": "micro", "recipe": "strict", "dtype": "float32", "batch": 1}
ROW = FRAMES | {"graph": False, "layout": "channels-last", "path": "kernels"}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(throughput, "BATCH", 2)


def test_frames_and_steps_are_measured_for_both_sides_and_layouts():
    planned = [*throughput.frame_rows("cpu", MICRO), *throughput.step_rows(MICRO)]
    rows = [rates.measured(row, throughput.REHEARSAL) for row in planned]
    assert all(row["rate"] > 0 for row in rows)
    frames, steps = ([row for row in rows if row["work"] == work] for work in ("frames", "steps"))
    keys = ("dtype", "batch", "layout", "path")
    assert len({tuple(row[key] for key in keys) for row in frames}) == 2 * 2 * 2 * 2
    assert {(row["phase"], row["path"]) for row in steps} == {(p, x) for p in (1, 2) for x in ("kernels", "PyTorch")}
    about = dict.fromkeys(("device", "torch", "triton", "driver", "date", "commit", "repetitions", "calls"), "x")
    table = throughput.markdown(about, rows)
    assert table.count("| micro | strict |") == len(rows) / 2


def test_a_card_also_replays_graphs():
    rows = list(throughput.frame_rows("cuda", MICRO))
    assert {row.batch for row in rows if row.graph} == {1}


def test_pytorchs_side_is_the_fallback_not_the_readable_reference():
    assert rates.SIDES["PyTorch"] == "torch"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"preset": "paper"}, "CUDA out of memory. Tried to allocate 80 GiB"), ({"graph": True}, "graph: expected False")],
    ids=["too large", "no graphs on a CPU"],
)
def test_a_row_that_cannot_be_measured_says_why(changes, reason, monkeypatch):
    def too_large(name, recipe):
        raise RuntimeError("CUDA out of memory. Tried to allocate 80 GiB\nand more")

    monkeypatch.setattr(rates, "renderer_of", too_large)
    fields = {name: value for name, value in (ROW | changes).items() if name != "work"}
    answer = rates.measured(rates.Frames(**fields), throughput.REHEARSAL)
    assert answer["rate"] is None
    assert answer["reason"].startswith(reason)
    assert "\n" not in answer["reason"]


def test_rows_are_answered_one_by_one():
    learning = {"work": "steps", "preset": "micro", "recipe": "strict", "phase": 1, "batch": 2, "path": "PyTorch"}
    asked: list[dict] = [ROW, ROW | {"graph": True}, learning]
    answers: list[dict] = []
    throughput.serve(throughput.REHEARSAL, [json.dumps({"given": row}) for row in asked], answers.append)
    ready, *rest = answers
    assert ready == {"ready": True}
    assert rest[1::2] == [{"over": True, "healthy": True}] * 3
    frames, refused, steps = rest[::2]
    assert frames["rate"] > 0
    assert steps["rate"] > 0
    assert (refused["rate"], refused["status"]) == (None, "failed")


def test_where_the_cards_context_is_lost_another_process_must_go_on(monkeypatch):
    def lost(*shape, device):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(throughput.torch, "zeros", lost)
    monkeypatch.setattr(throughput, "measured", lambda row, clock: {"rate": None, "reason": "lost"})
    answers: list[dict] = []
    throughput.serve(throughput.REHEARSAL, [json.dumps({"given": ROW})] * 2, answers.append)
    assert [answer for answer in answers if "over" in answer] == [{"over": True, "healthy": False}]


def test_a_captured_graph_holds_what_it_reads(monkeypatch):
    """Freed inputs ended the first run on a card: their memory was unmapped before the replay."""
    kept, streams = Held(), fake_graphs(monkeypatch)
    replay = rates.captured(kept.work())
    assert kept.alive(), "the graph reads freed memory"
    assert streams == ["warmed up on side", "captured on side"]
    del replay
    assert not kept.alive(), "held for ever"


def test_without_a_card_nothing_is_written(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(throughput.torch.cuda, "is_available", lambda: False)
    assert throughput.main(["--out", str(tmp_path / "results")]) == 2
    assert capsys.readouterr().err == "error: --device: expected a card that runs our kernels, got none\n"
    assert not (tmp_path / "results").exists()
