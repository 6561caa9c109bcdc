"""Sheets, close-ups and scores of notebook 05."""

import math

import pytest
import torch

from flow3d.datasets import make_pair
from flow3d.evaluation.measure.pair_rows import regions
from flow3d.evaluation.scores.metrics import blur
from flow3d.morphable import PARTS
from flow3d.synthesis import cut_out
from flow3d.teach.lessons.lesson_05 import close_up, scores, sheet, table
from flow3d.training import Perceptual, PyramidFeatures

GREY = torch.zeros(3, 8, 8)
JUDGE = Perceptual(PyramidFeatures())


def test_a_sheet_writes_the_same_titles_once():
    row, other = [("a", GREY), ("b", GREY)], [("a", GREY), ("a", GREY)]  # titles may repeat
    figure = sheet([("one", row), ("two", other), ("two", row)])
    assert [cell.get_title() for cell in figure.axes] == ["a", "b", "a", "a", "", ""]
    assert [text.get_text() for cell in figure.axes for text in cell.texts] == ["one", "two", "two"]


@pytest.mark.parametrize("rows", [[], [("one", [])], [("one", [("a", GREY)]), ("two", [("a", GREY), ("b", GREY)])]])
def test_a_ragged_sheet_is_refused(rows):
    with pytest.raises(ValueError, match="rows: expected rows of one length"):
        sheet(rows)


def labelled(y: int, x: int) -> torch.Tensor:
    """Labels of a frame whose mouth is one pixel."""
    labels = torch.zeros(1, 16, 16, dtype=torch.int64)
    labels[0, y, x] = PARTS["mouth"]
    return labels


@pytest.mark.parametrize(("y", "x", "top", "left"), [(8, 7, 6, 5), (0, 15, 0, 12), (15, 0, 12, 0)])
def test_a_close_up_is_centred_and_stays_inside(y, x, top, left):
    picture = torch.arange(256.0).view(1, 16, 16)
    cut = close_up(picture, labelled(y, x), side=4)
    assert torch.equal(cut, picture[:, top : top + 4, left : left + 4])


@pytest.mark.parametrize(
    ("part", "side", "words"),
    [
        ("beak", 4, "part: expected one of"),
        ("eyes", 4, "labels: expected pixels of the eyes"),
        ("mouth", 17, "side: expected 1 to 16"),
        ("mouth", 0, "side: expected 1 to 16"),
    ],
)
def test_a_close_up_of_nothing_is_refused(part, side, words):
    with pytest.raises(ValueError, match=words):
        close_up(torch.zeros(1, 16, 16), labelled(8, 8), part, side)


def test_scores_know_the_truth_from_its_blur_and_from_its_shift():
    pair = make_pair(1_000_000, size=32)
    truth, areas = cut_out(pair.target[None], pair.target_alpha[None])[0], regions(pair)
    whole, face, sharp, style = scores(truth, truth, areas, JUDGE)
    assert whole == face > 90  # the error is clamped, so that a perfect picture has a number
    assert (sharp, style) == (1.0, 0.0)
    blurred, shifted = (scores(p, truth, areas, JUDGE) for p in (blur(truth, 1.0), truth.roll(1, 2)))
    assert blurred[0] > shifted[0] + 1  # the lesson: PSNR forgives blur,
    assert blurred[2] < 0.8
    assert blurred[3] > 10 * shifted[3]  # and style forgives place


def test_a_face_without_features_has_no_score_for_them():
    pair = make_pair(1_000_000, size=32)
    areas = regions(pair) | {"features": torch.zeros(32, 32, dtype=torch.bool)}
    assert math.isnan(scores(pair.target, pair.target, areas, JUDGE)[1])


def test_a_table_leaves_nan_out_of_its_means():
    lines = table({"first": [(1.0, 2.0), (3.0, float("nan"))]}, ("mean", "kept")).splitlines()
    assert lines[0].split() == ["mean", "kept"]
    assert lines[1].split() == ["first", "2.00", "2.00"]
