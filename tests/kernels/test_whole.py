"""The benchmark of the whole renderer: every row on a CPU, and nothing written where there is no card."""

import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture
def whole(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(ROOT / "kernels"), str(ROOT / "tests"), *sys.path])
    from bench import whole

    monkeypatch.setattr(whole, "CALLS", 1)
    monkeypatch.setattr(whole, "BATCH", 2)
    return whole


def test_frames_and_steps_are_measured_for_both_paths(whole):
    models = (("micro", "strict"),)
    frames = list(whole.frame_rows("cpu", 1, models))
    steps = list(whole.step_rows("cpu", 1, models))
    assert {(row["dtype"], row["batch"], row["path"]) for row in frames} == {
        (dtype, batch, path)
        for dtype in ("float32", "bfloat16")
        for batch in (1, 16)
        for path in ("triton", "reference")
    }
    assert {(row["phase"], row["path"]) for row in steps} == {(p, x) for p in (1, 2) for x in ("triton", "reference")}
    assert all(row["rate"] > 0 for row in frames + steps)
    about = dict.fromkeys(("device", "torch", "triton", "driver", "date", "commit", "repetitions"), "x")
    table = whole.markdown({"about": about, "frames": frames, "steps": steps})
    assert table.count("| micro | strict |") == (len(frames) + len(steps)) / 2


def test_a_row_that_does_not_fit_says_why(whole):
    def too_large():
        raise RuntimeError("CUDA out of memory. Tried to allocate 80 GiB\nand more")

    row = whole.measured({"preset": "paper"}, too_large, "cpu")
    assert row["rate"] is None
    assert row["reason"] == "CUDA out of memory. Tried to allocate 80 GiB"


def test_without_a_card_nothing_is_written(whole, monkeypatch, tmp_path):
    monkeypatch.setattr(whole.torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["whole.py", "--out", str(tmp_path / "results")])
    with pytest.raises(SystemExit, match="nothing is written: these rows are about our kernels on a card"):
        whole.main()
    assert not (tmp_path / "results").exists()
