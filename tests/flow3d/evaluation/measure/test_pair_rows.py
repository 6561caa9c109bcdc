"""A pair's row, for methods whose scores are known.

Tests: method.
"""

import dataclasses
import math

import pytest
import torch

from flow3d import FlowRenderer, preset
from flow3d.evaluation.measure.method import Reenacted, on_background, renderer_method
from flow3d.evaluation.measure.pair_rows import SIGMAS, baselines, measure_pair, measure_pairs, reenact_pair, regions
from flow3d.evaluation.scores.metrics import psnr
from flow3d.morphable import PARTS
from flow3d.synthesis.projection import hole_of, project
from tolerances import EVALUATION

CEILING = 10 * math.log10(4e10)
DECIBELS = EVALUATION["decibels"][0]


def test_the_truth_scores_as_the_truth(pairs, oracle):
    for row in measure_pairs(oracle, pairs).values():
        assert row["psnr output"] == row["features output"] == pytest.approx(CEILING, abs=DECIBELS)
        assert row["flow error"] == row["bent error"] == 0
        assert row["gradient output"] == row["gradient truth"] > 1.2 * row["gradient blurred truth"]
        assert row["psnr refined foreground"] == pytest.approx(CEILING, abs=DECIBELS)
        assert row["psnr output"] > row["psnr exact-flow warp"] > row["psnr least-squares affine"]


def test_giving_the_source_back_scores_as_the_copy_and_as_no_flow(pairs, copy):
    for row in measure_pairs(copy, pairs).values():
        assert row["psnr output"] == row["psnr copy"] < 25
        assert row["features output"] == row["features copy"]
        assert row["flow error"] == row["flow zero"] > row["flow affine"]
        assert row["bent error"] == pytest.approx(row["bent zero"])
        assert (row["worst"], row["leak"], row["kept"]) == (0, 0, 1)
        assert math.isnan(row["leak unpasted"])


def test_every_picture_is_judged_on_the_same_union(pairs):
    pair = pairs[1_000_001]
    areas = regions(pair)
    assert areas["union"].sum() > (pair.target_alpha > 0).sum()
    row = measure_pair(pair, Reenacted(torch.where(areas["union"], pair.target, -pair.target)[None]))
    assert row["psnr output"] == pytest.approx(CEILING, abs=DECIBELS)  # beyond the union nothing counts
    assert row["psnr copy"] == psnr(pair.source, pair.target, areas["union"])
    assert row["psnr blur 1"] == psnr(baselines(pair)["blur 1"], pair.target, areas["union"])
    assert set(baselines(pair)) >= {f"blur {sigma:g}" for sigma in SIGMAS}


def test_eyes_and_mouth_are_the_targets(pairs):
    pair = pairs[1_000_000]
    elsewhere = (pair.labels != PARTS["eyes"]) & (pair.labels != PARTS["mouth"])
    row = measure_pair(pair, Reenacted(torch.where(elsewhere, -1.0, pair.target)[None]))
    assert row["features output"] == pytest.approx(CEILING, abs=DECIBELS)
    assert row["psnr output"] < 15
    none = dataclasses.replace(pair, labels=torch.zeros_like(pair.labels))
    assert math.isnan(measure_pair(none, Reenacted(pair.target[None]))["features output"])


def test_what_a_method_lacks_is_not_a_number(pairs):
    row = measure_pair(pairs[1_000_000], Reenacted(pairs[1_000_000].source[None]))
    for name in ("flow error", "bent zero", "worst", "leak", "kept"):
        assert math.isnan(row[name])
    assert math.isfinite(row["psnr exact-flow warp"])


def test_background_is_judged_outside_both_silhouettes(pairs):
    pair = pairs[1_000_000]
    alpha = pair.source_alpha.clone()
    corner = (slice(None), slice(0, 4), slice(0, 4))
    assert not pair.source_alpha[corner].any()
    spoiled = pair.source.clone()
    spoiled[corner] = (spoiled[corner] + 0.5).clamp(max=1) - 0.25
    found = measure_pair(pair, Reenacted(spoiled[None], alpha[None]))
    assert found["worst"] == pytest.approx(float((spoiled - pair.source).abs().max()) / 2)
    assert found["worst"] > 10 / 255
    alpha[corner] = 1  # it says that its person is there
    found = measure_pair(pair, Reenacted(spoiled[None], alpha[None]))
    assert found["worst"] == 0
    assert found["kept"] < 1
    assert found["leak"] > 0


@pytest.mark.parametrize("recipe", ["strict", "extended"])
def test_a_renderer_hands_over_what_it_has(pairs, recipe):
    torch.manual_seed(0)
    renderer = FlowRenderer(preset("micro", recipe)).eval()
    pair = pairs[1_000_000]
    made = reenact_pair(renderer_method(renderer), pair)
    with torch.no_grad():  # as the method asks it: on a CPU gradients choose other sums
        ready = renderer.prepare(pair.source, pair.source_alpha, pair.source_window)
        stages = renderer.stages(ready, pair.driving_window[None])
    assert torch.equal(made.output, stages.output)
    assert made.flow is not None
    assert torch.equal(made.flow, stages.pixel_flow)
    assert made.volume is not None
    assert torch.equal(made.volume, stages.flow)
    assert made.flow.any() == (recipe == "extended")  # the flow's head starts at zero, or at the turn of the head
    pixels = {"warped pixels"} if recipe == "extended" else set()
    assert set(made.layers) == {"refined foreground", "decoded warp"} | pixels
    assert (made.unpasted is not None) == (recipe == "extended")
    person, matte = made.layers["refined foreground"]
    over = on_background(person[0], matte[0], pair.source)
    blank = hole_of(ready.hidden, matte)[0] > 0.02
    laid = project(person, matte, ready.image, ready.hidden)[0]
    limit = EVALUATION["behind a hole"][0]
    torch.testing.assert_close(torch.where(blank, 0, over), torch.where(blank, 0, laid), rtol=0, atol=limit)
    row = measure_pair(pair, made)
    assert (row["flow error"] < row["flow zero"]) == (recipe == "extended")
