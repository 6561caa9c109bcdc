"""The benchmark of the whole renderer: every row on a CPU, and nothing written where there is no card."""

import sys

import pytest

from flow3d.evaluation import throughput


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(throughput, "CALLS", 1)
    monkeypatch.setattr(throughput, "BATCH", 2)


@pytest.mark.usefixtures("small")
def test_frames_and_steps_are_measured_for_both_paths():
    models = (("micro", "strict"),)
    frames = list(throughput.frame_rows("cpu", 1, models))
    steps = list(throughput.step_rows("cpu", 1, models))
    assert {(row["dtype"], row["batch"], row["path"]) for row in frames} == {
        (dtype, batch, path)
        for dtype in ("float32", "bfloat16")
        for batch in (1, 16)
        for path in ("triton", "reference")
    }
    assert {(row["phase"], row["path"]) for row in steps} == {(p, x) for p in (1, 2) for x in ("triton", "reference")}
    assert all(row["rate"] > 0 for row in frames + steps)
    about = dict.fromkeys(("device", "torch", "triton", "driver", "date", "commit", "repetitions"), "x")
    table = throughput.markdown({"about": about, "frames": frames, "steps": steps})
    assert table.count("| micro | strict |") == (len(frames) + len(steps)) / 2


def test_a_row_that_does_not_fit_says_why():
    def too_large():
        raise RuntimeError("CUDA out of memory. Tried to allocate 80 GiB\nand more")

    row = throughput.measured({"preset": "paper"}, too_large, "cpu")
    assert row["rate"] is None
    assert row["reason"] == "CUDA out of memory. Tried to allocate 80 GiB"


def test_without_a_card_nothing_is_written(monkeypatch, tmp_path):
    monkeypatch.setattr(throughput.torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["throughput", "--out", str(tmp_path / "results")])
    with pytest.raises(SystemExit, match="nothing is written: this measures our kernels on a card"):
        throughput.main()
    assert not (tmp_path / "results").exists()
