"""The paper's scores of answers that are known: perfect for the truth, bad for a stranger and for another driver.

Tests: flow3d.evaluation.report.score_tables.
"""

import dataclasses
import math

import pytest
import torch

from flow3d.datasets import Pair, make_pair
from flow3d.datasets.pairs import identity_of
from flow3d.evaluation.measure.score_rows import HEADS, ScoredFrames, score_rows
from flow3d.evaluation.report.score_tables import absent_note, score_table, truth_table
from flow3d.evaluation.scores.backbones import Backbones, load_backbones
from flow3d.evaluation.scores.metrics import blur
from flow3d.evaluation.scores.supplied_networks import ArcFace
from tolerances import EVALUATION

MOTION = ("aed", "aed_read", "apd_rot", "apd_rt", "pose_distance")


@pytest.fixture(scope="module")
def backbones() -> Backbones:
    return load_backbones()


@pytest.fixture(scope="module")
def pairs() -> dict[int, Pair]:
    """Three pairs of 64 px: in each of their pictures a face is found."""
    return {seed: make_pair(seed, 64) for seed in range(1_000_000, 1_000_003)}


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
        assert all(row[f"{name} shuffled"] > 0 for name in (*MOTION, "akd"))
        assert all(row[f"{name} scorer"] > 0 for name in MOTION if name != "aed")
        assert row["akd output"] == 0 < row["akd floor"] < row["akd copy"]
        assert 0 < row["aed floor"] < row["aed copy"]
        assert row["faceless output"] == row["faceless copy"] == row["faceless truth"] == 0
        assert (row["csim output"], row["csim truth"], row["ssim output"]) == pytest.approx((1, 1, 1))
        assert row["csim stranger"] < 0.6
        assert row["ssim copy"] < 0.95
        assert row["frame output"] > 100 > row["frame copy"]


def test_another_drivers_answer_scores_worse_in_everything(pairs, backbones):
    target = stacked(pairs, "target")
    soft = torch.stack([blur(image, 0.5) for image in target])
    (good, _), (bad, _) = (score_rows(scored(pairs, out), backbones) for out in (soft, soft.roll(1, 0)))
    for right, wrong in zip(good, bad, strict=True):
        assert all(right[f"{name} output"] < wrong[f"{name} output"] for name in (*MOTION, "akd"))
        assert all(right[f"{name} output"] > wrong[f"{name} output"] for name in ("csim", "ssim", "frame"))


def test_distances_of_sets_need_four_frames_and_the_truth_is_nearest(pairs, backbones):
    target = stacked(pairs, "target")
    assert score_rows(scored(pairs, target), backbones)[1] == {}
    twice = {number: pair for number, pair in enumerate([*pairs.values()] * 2)}
    found = score_rows(scored(twice, stacked(twice, "target")), backbones)[1]
    assert set(found) == {HEADS}
    assert found[HEADS]["output"] == pytest.approx(0, abs=EVALUATION["Fréchet"][0])
    assert found[HEADS]["copy"] > 0.01


def test_a_frame_without_a_face_is_counted_and_has_no_score_of_faces(pairs, backbones):
    output = stacked(pairs, "target")
    output[1] = stacked(pairs, "background")[1]
    rows, _ = score_rows(scored(pairs, output), backbones)
    assert [row["faceless output"] for row in rows] == [0, 1, 0]
    for name in ("akd output", "aed output", "akd shuffled"):
        assert [math.isnan(row[name]) for row in rows] == [False, True, False], name
    assert all(
        math.isfinite(rows[1][name]) for name in ("akd copy", "csim copy", "pose_distance output", "ssim output")
    )
    table = {line.what: line for line in score_table(rows, {})}
    assert table["frames without a face"].estimate.value == pytest.approx(1 / 3)
    assert table["frames without a face"].beside == "copy 0.0 %; true answer 0.0 %"
    for label in ("AKD (478 detected landmarks)", "AED (52 detected scores)"):
        assert table[label].estimate.count == 2
        assert table[label].beside.endswith("; of 2 of 3")


def test_where_no_face_is_anywhere_the_share_says_so_and_the_scores_are_left_out(pairs, backbones):
    walls = stacked(pairs, "background")
    rows, _ = score_rows(ScoredFrames(walls, {"copy": walls}, walls, walls, walls), backbones)
    table = {line.what: line for line in score_table(rows, {})}
    assert table["frames without a face"].estimate.value == 1
    assert not [label for label in table if label.startswith(("AKD", "AED (52"))]


def test_without_the_detectors_files_faces_are_not_looked_for(pairs, backbones):
    rows, _ = score_rows(scored(pairs, stacked(pairs, "target")), dataclasses.replace(backbones, detects=False))
    assert not [name for name in rows[0] if name.startswith(("akd", "aed ", "faceless"))]
    assert rows[0]["csim output"] == pytest.approx(1)


def test_arcface_is_shown_faces_where_the_detector_sees_them(pairs, backbones):
    class Watcher(ArcFace):
        """Embeds a frame as its detected points, and counts its calls."""

        def __init__(self) -> None:
            self.calls = 0

        def embed(self, frames, points):
            self.calls += 1
            return points.flatten(1)

    watcher = Watcher()
    output = stacked(pairs, "target")
    output[1] = stacked(pairs, "background")[1]
    rows, _ = score_rows(scored(pairs, output), dataclasses.replace(backbones, arcface=watcher))
    assert watcher.calls == 3  # output, copy and truth: driving frames and identity are the truth
    assert [math.isnan(row["arcface output"]) for row in rows] == [False, True, False]
    assert rows[0]["arcface output"] == pytest.approx(1)


def test_tables_name_the_judges_and_leave_out_what_is_not_there(pairs, backbones):
    rows, _ = score_rows(scored(pairs, stacked(pairs, "source")), backbones)
    table = score_table(rows, {HEADS: {"output": 2.0, "copy": 3.0, "half": 1.0}})
    names = [line.what for line in table]
    assert names == [
        "PSNR, whole frame", "SSIM, whole frame", "AKD (478 detected landmarks)", "AED (52 detected scores)",
        "frames without a face", "AED (scorer, 5 coefficients)", "APD rot (scorer)", "APD rot + trans (scorer)",
        "pose distance (scorer)", "CSIM (heads)", HEADS,
    ]  # fmt: skip
    assert table[-1].estimate.value == 2.0
    assert math.isnan(table[-1].estimate.low)
    assert table[-1].beside.endswith("half of the true answers from the other half 1.000")
    useless = score_table(rows, {HEADS: {"output": 0.1, "copy": 0.2, "half": 0.3}})[-1]
    assert useless.beside.endswith("half 0.300, so it says next to nothing")
    assert truth_table(rows) == []
    assert absent_note({"FID": "no file"}) == "Not measured: FID (no file)."
