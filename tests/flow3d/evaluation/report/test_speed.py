"""Speed and memory of a renderer, and of one that keeps what it should not."""

import mmap

import pytest

from flow3d import FlowRenderer, preset
from flow3d.evaluation.report import speed
from flow3d.evaluation.report.speed import frame_seconds, memory_table, speed_table


@pytest.fixture(scope="module")
def renderer() -> FlowRenderer:
    return FlowRenderer(preset("micro", "extended")).eval()


def test_frames_are_timed_one_by_one_and_together(renderer, pairs):
    spent = frame_seconds(renderer, pairs[1_000_000], 16)
    counts = {1: 16, 8: 2}
    assert {name: len(seconds) for name, seconds in spent.items()} == {
        f"{together} at a time, {clock}": counts[together]
        for together in counts
        for clock in ("CPU time", "wall clock")
    }
    assert all(seconds > 0 for some in spent.values() for seconds in some)


def test_frames_a_second_are_the_median():
    cpu, wall = speed_table({"1 at a time, CPU time": [0.1, 0.05, 0.02], "1 at a time, wall clock": [1.0]})
    assert cpu.estimate.value == pytest.approx(20)
    assert cpu.reached is True
    assert wall.reached is None
    assert speed_table({"1 at a time, CPU time": [0.1]})[0].reached is False


@pytest.mark.skipif(speed.resident_bytes() is None, reason="no /proc to read this process's memory from")
def test_memory_stays_where_it_is_unless_frames_are_kept(renderer, pairs, monkeypatch):
    monkeypatch.setattr(speed, "SETTLED", 16)
    monkeypatch.setattr(speed, "LOOKS", 8)
    (line,) = memory_table(renderer, pairs[1_000_000], 64)
    assert line.reached is True
    kept, stages = [], FlowRenderer.stages

    def leaking(self, source, windows):
        kept.append(mmap.mmap(-1, len(windows) << 20))  # 1 MiB a frame, and new: freed memory may be had again
        kept[-1].write(b"1" * len(kept[-1]))
        return stages(self, source, windows)

    monkeypatch.setattr(FlowRenderer, "stages", leaking)
    (line,) = memory_table(renderer, pairs[1_000_000], 64)
    assert line.estimate.value > 40
    assert line.reached is False


def test_too_short_a_run_is_refused(renderer, pairs):
    with pytest.raises(ValueError, match="frames: expected 101 or more, got 100"):
        memory_table(renderer, pairs[1_000_000], 100)
    with pytest.raises(ValueError, match="frames: expected 1 or more"):
        frame_seconds(renderer, pairs[1_000_000], 0)
