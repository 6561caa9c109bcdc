"""The weights that the package ships re-enact people that no training saw, and a wrong driver shows.

Tests: renderer, perception.regressor.
"""

import json

import pytest
import torch

from flow3d import FlowRenderer, assets
from flow3d.datasets import make_clip, make_pair
from flow3d.evaluation.measure.method import renderer_method
from flow3d.evaluation.scores.metrics import end_point_error, psnr
from flow3d.morphable.coefficients import index
from flow3d.perception import CoefficientRegressor
from tolerances import SHIPPED

MEGABYTES = 12  # what a clone can bear for one renderer


@pytest.fixture(scope="module")
def answers() -> dict[str, torch.Tensor]:
    """Decibels of the output, of the source and of a stranger's motion, and the flow's error over the zero flow's."""
    method = renderer_method(FlowRenderer.from_pretrained("tiny"))
    pairs = [make_pair(1_000_000 + k, 64) for k in range(8)]
    rows, zero = [], torch.zeros(1, 64, 64)  # depth is not scored
    for k, pair in enumerate(pairs):
        wrong = pairs[k - 1].driving_window
        windows = torch.stack([pair.driving_window, wrong])
        made = method(pair.source, pair.source_alpha, pair.source_window, windows)
        where = torch.maximum(pair.source_alpha, pair.target_alpha)[0] > 0
        seen = (pair.visible[0] > 0.5) & (pair.target_alpha[0] > 0.5)
        assert made.flow is not None
        decibels = [psnr(picture, pair.target, where) for picture in (*made.output, pair.source)]
        rows.append([*decibels, *end_point_error(torch.cat([made.flow[0], zero]), pair.flow, seen)])
    columns = torch.tensor(rows).T
    return dict(zip(("output", "wrong", "copy", "error", "zero"), columns, strict=True))


def test_the_output_is_far_nearer_to_the_answer_than_the_source(answers):
    assert (answers["output"] - answers["copy"]).mean() > SHIPPED["decibels over the copy"][0]


def test_another_motion_gives_another_picture(answers):
    assert (answers["output"] - answers["wrong"]).mean() > SHIPPED["decibels over a stranger's motion"][0]


def test_the_flow_is_found(answers):
    assert answers["error"].sum() < SHIPPED["flow error"][0] * answers["zero"].sum()


def test_the_folder_is_small_and_says_what_it_is():
    folder = assets.path("weights/tiny")
    assert sum(file.stat().st_size for file in folder.iterdir()) < MEGABYTES * 2**20
    assert json.loads((folder / "config.json").read_text())["recipe"] == "extended"
    card = (folder / "README.md").read_text()
    for said in ("extended", "Seed 0", "python -m flow3d train", "python -m flow3d evaluate", "procedural heads only"):
        assert said in card, said


def test_who_scores_never_saw_whom_the_others_trained_on():
    training, scoring = (CoefficientRegressor.from_pretrained(name).config for name in ("regressor", "scorer"))
    assert (training.purpose, scoring.purpose) == ("training", "scoring")
    assert training.seeds is not None
    assert scoring.seeds is not None
    assert training.seeds[1] < scoring.seeds[0] or scoring.seeds[1] < training.seeds[0]


@pytest.mark.parametrize("name", ["regressor", "scorer"])
def test_the_regressors_know_pose_and_mouth(name):
    regressor = CoefficientRegressor.from_pretrained(name)
    clip = make_clip(1_300_000, 40, 64)
    said, truth = regressor.predict(clip.frames).values, clip.coefficients.values
    for column in ("yaw", "jaw_open", "blink_right"):
        pair = torch.stack([said[:, index(column)], truth[:, index(column)]])
        assert torch.corrcoef(pair)[0, 1] > SHIPPED["correlation of a coefficient"][0], column
