"""The paper's scores of answers that are known: perfect for the truth, bad for a stranger and for another driver.

Tests: flow3d.evaluation.report.score_tables.
"""

import math

import pytest
import torch

from flow3d.datasets.pairs import identity_of
from flow3d.evaluation.measure.score_rows import HEADS, ScoredFrames, score_rows
from flow3d.evaluation.report.score_tables import absent_note, score_table, truth_table
from flow3d.evaluation.scores.backbones import Backbones, load_backbones
from flow3d.evaluation.scores.metrics import blur
from tolerances import EVALUATION

MOTION = ("aed", "apd_rot", "apd_rt", "akd")


@pytest.fixture(scope="module")
def backbones() -> Backbones:
    return load_backbones()


def stacked(pairs, name: str) -> torch.Tensor:
    return torch.stack([getattr(pair, name) for pair in pairs.values()])


def scored(pairs, output, exact: bool = False) -> ScoredFrames:
    target, source = stacked(pairs, "target"), stacked(pairs, "source")
    known = [torch.cat([pair.driving_window[:, 13], identity_of(seed)]) for seed, pair in pairs.items()]
    return ScoredFrames(output, {"copy": source}, target, target, target, torch.stack(known) if exact else None)


def test_the_truth_is_perfect_and_the_copy_is_not(pairs, backbones):
    rows, _ = score_rows(scored(pairs, stacked(pairs, "target"), exact=True), backbones)
    for row in rows:
        assert all(row[f"{name} output"] == row[f"{name} truth"] == 0 < row[f"{name} copy"] for name in MOTION)
        assert all(row[f"{name} shuffled"] > 0 < row[f"{name} scorer"] for name in MOTION)
        assert (row["csim output"], row["csim truth"], row["ssim output"]) == pytest.approx((1, 1, 1))
        assert row["csim stranger"] < 0.6
        assert row["ssim copy"] < 0.95
        assert row["frame output"] > 100 > row["frame copy"]


def test_another_drivers_answer_scores_worse_in_everything(pairs, backbones):
    target = stacked(pairs, "target")
    soft = torch.stack([blur(image, 0.5) for image in target])
    (good, _), (bad, _) = (score_rows(scored(pairs, out), backbones) for out in (soft, soft.roll(1, 0)))
    for right, wrong in zip(good, bad, strict=True):
        assert all(right[f"{name} output"] < wrong[f"{name} output"] for name in MOTION)
        assert all(right[f"{name} output"] > wrong[f"{name} output"] for name in ("csim", "ssim", "frame"))


def test_distances_of_sets_need_four_frames_and_the_truth_is_nearest(pairs, backbones):
    target = stacked(pairs, "target")
    assert score_rows(scored(pairs, target), backbones)[1] == {}
    twice = {number: pair for number, pair in enumerate([*pairs.values()] * 2)}
    found = score_rows(scored(twice, stacked(twice, "target")), backbones)[1]
    assert set(found) == {HEADS}
    assert found[HEADS]["output"] == pytest.approx(0, abs=EVALUATION["Fréchet"][0])
    assert found[HEADS]["copy"] > 0.01


def test_tables_name_the_judges_and_leave_out_what_is_not_there(pairs, backbones):
    rows, _ = score_rows(scored(pairs, stacked(pairs, "source")), backbones)
    table = score_table(rows, {HEADS: {"output": 2.0, "copy": 3.0, "half": 1.0}})
    names = [line.what for line in table]
    assert names == [
        "PSNR, whole frame", "SSIM, whole frame", "AED (scorer)", "APD rot (scorer)", "APD rot + trans (scorer)",
        "AKD (scorer)", "CSIM (heads)", HEADS,
    ]  # fmt: skip
    assert table[-1].estimate.value == 2.0
    assert math.isnan(table[-1].estimate.low)
    assert "half of the true answers from the other half 1.000" in table[-1].beside
    assert truth_table(rows) == []
    assert absent_note({"FID": "no file"}) == "Not measured: FID (no file)."
