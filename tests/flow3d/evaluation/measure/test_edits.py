"""Responses of methods whose answers to an edit are known."""

import pytest
import torch

from flow3d.evaluation.measure.edits import EDITS, measure_edits, summarise, true_edits
from flow3d.evaluation.measure.method import Reenacted
from flow3d.morphable import PARTS

SEEDS = (1_000_000, 1_000_001)


def answering(share: float, constant: float = 0.0):
    """A method whose picture changes by ``share`` of the true change, and by a constant beside it."""
    people = [true_edits(seed, 32) for seed in SEEDS]

    def method(source, alpha, source_window, windows) -> Reenacted:
        assert torch.equal(source_window, windows[0])
        assert torch.equal(windows, windows[..., :1].expand(-1, -1, 27))  # constant
        edits = next(one for one in people if torch.equal(one.images[0], source))
        images = edits.images[:1] + share * (edits.images - edits.images[:1])
        images[1:] += constant
        on_black = edits.images - (1 - edits.alphas) * (edits.background + 1)
        return Reenacted(images, layers={"warped pixels": (on_black, edits.alphas)})

    return method


def test_half_the_truth_is_half_a_response_of_full_likeness():
    sums = measure_edits(answering(0.5), SEEDS, 32)
    for name in EDITS:
        half, whole = summarise(sums["output"][name]), summarise(sums["warped pixels"][name])
        for kind, value in {"response": 0.5, "gain": 0.5, "correlation": 1.0}.items():
            assert half[kind].value == pytest.approx(value)
            assert whole[kind].value == pytest.approx(1.0)
        assert half["gain"].count == 2


def test_the_wrong_way_and_noise_do_not_correlate(copy):
    back = summarise(measure_edits(answering(-1.0), SEEDS, 32)["output"]["jaw"])
    assert back["response"].value == pytest.approx(1.0)
    assert back["correlation"].value == pytest.approx(-1.0)
    bright = summarise(measure_edits(answering(0.0, 0.3), SEEDS, 32)["output"]["smile"])
    assert bright["response"].value > 0.5
    assert abs(bright["correlation"].value) < 0.5
    still = summarise(measure_edits(copy, SEEDS, 32)["output"]["blink"])
    assert still["response"].value == still["correlation"].value == still["gain"].value == 0


def test_an_edit_changes_its_region_and_little_else():
    edits = true_edits(SEEDS[0], 32)
    for number, (name, edit) in enumerate(EDITS.items(), 1):
        region = edits.region(number)
        change = (edits.images[number] - edits.images[0]).square().sum(0)
        inside = float(change[region].sum() / change.sum())
        assert inside > (0.98 if not edit.parts else 0.25), name
        assert int(region.sum()) < (32 * 32 if not edit.parts else 150), name
        for part in edit.parts:
            assert region[(edits.labels[number][0] == PARTS[part])].all()


def test_the_exact_flow_turns_a_head_but_opens_no_mouth(copy):
    exact = measure_edits(copy, SEEDS, 32)["exact-flow warp"]
    assert summarise(exact["pitch"])["correlation"].value > 0.8
    assert summarise(exact["jaw"])["gain"].value < summarise(exact["pitch"])["gain"].value - 0.2
