"""Timing: what a captured graph holds, on which stream it works, and what is counted."""

from dataclasses import replace

import pytest

import clock
import gpu
from fake_graphs import Held, fake_graphs
from setting import CARD, REHEARSAL


def test_a_captured_graph_holds_what_it_reads(monkeypatch):
    """Freed inputs ended the first run on a card: their memory was unmapped before the replay."""
    kept = Held()
    fake_graphs(monkeypatch)
    replay = clock.captured(kept.work, 2)
    assert kept.alive(), "the graph reads freed memory"
    del replay
    assert not kept.alive(), "held for ever"


def test_forward_and_backward_belong_to_the_captured_stream(monkeypatch):
    """A backward pass runs on the stream of its forward pass: on another one it would leave the capture."""
    noted = fake_graphs(monkeypatch)

    def make():
        noted.append("made")
        return lambda: noted.append("called")

    clock.captured(make, 1)
    assert noted == ["warmed up on side", "made", "called", "captured on side", "called"]


def test_warm_ups_are_not_counted_and_sides_take_turns():
    calls = []
    setting = replace(REHEARSAL, warm_ups=1, repetitions=2)
    passed = clock.milliseconds({side: lambda side=side: calls.append(side) for side in ("rival", "ours")}, setting)
    assert calls == ["rival", "ours"] * 3
    assert {side: len(times) for side, times in passed.items()} == {"rival": 2, "ours": 2}


def test_a_call_is_timed_as_one_of_so_many():
    calls = []
    setting = replace(REHEARSAL, calls=5)
    clock.ready(lambda: lambda: calls.append(1), graph=False, setting=setting)()
    assert len(calls) == 5


@pytest.mark.parametrize("values", [[3.0, 1.0], [1.0, 2.0, 3.0, 4.0, 5.0]], ids=["two", "five"])
def test_the_spread_lies_between_the_values(values):
    spread = clock.spread(values)
    assert min(values) <= spread["p20"] <= spread["p50"] <= spread["p80"] <= max(values)


ROW: dict = {"operation": "warp3d", "layout": "channels-last", "variant": "smooth flow", "dtype": "float32", "batch": 1}


def test_a_comparison_is_timed_in_graphs_and_from_python(monkeypatch):
    fake_graphs(monkeypatch)
    lines = list(gpu.compare(replace(REHEARSAL, graphs=True), **ROW, rival="eager"))
    assert [(line["graph"], line["passes"]) for line in lines] == [
        (graph, passes) for graph in (True, False) for passes in ("forward", "backward")
    ]
    assert all(line["ratio"] > 0 for line in lines)


@pytest.mark.parametrize("side", ["plain", "ours"])
def test_a_side_that_cannot_be_timed_does_not_take_the_other_along(side):
    def breaks(*inputs):
        raise RuntimeError("Cannot copy between CPU and CUDA tensors during CUDA graph capture")

    row = replace(gpu.row_of(REHEARSAL, **ROW, rival="eager"), **{side: breaks})
    line = gpu.timed(row, "forward", False, REHEARSAL)
    assert "ratio" not in line
    if side == "plain":
        assert line["ours_ms"]["p50"] > 0
        assert line["rival_reason"].startswith("RuntimeError: Cannot copy")
        assert "status" not in line
    else:
        assert line["rival_ms"]["p50"] > 0
        assert (line["status"], line["reason"]) == ("failed", line["ours_reason"])


@pytest.mark.gpu
@pytest.mark.parametrize("rival", ["eager", "compiled"])
@pytest.mark.parametrize("operation", ["warp3d", "adain3d"])
def test_both_sides_can_be_captured_on_a_card(operation, rival, no_shape_checks):
    """Forward and backward: whatever copies from the host in a call would be refused."""
    setting = replace(CARD, volume=(8, 4, 16, 16), warm_ups=1, repetitions=2, calls=2, cache=2**16)
    variant = "smooth flow" if operation == "warp3d" else "style per channel"
    row = {"operation": operation, "layout": "channels-last", "variant": variant, "dtype": "float32", "batch": 1}
    lines = list(gpu.compare(setting, **row, rival=rival))
    assert [(line["graph"], line["passes"]) for line in lines] == [
        (graph, passes) for graph in (True, False) for passes in ("forward", "backward")
    ]
    assert all(line["rival_ms"]["p50"] > 0 < line["ours_ms"]["p50"] for line in lines)
