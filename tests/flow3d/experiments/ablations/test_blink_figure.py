"""The figure shows a whole blink, and windows of radius 0 hold one frame."""

import pytest
import torch

from flow3d.config import preset
from flow3d.datasets.clips import make_clip
from flow3d.experiments.ablations.blink_figure import FRAMES, MARGIN, VARIANT_OF, blink_of, draw_blink, observed_windows
from flow3d.experiments.ablations.variants import VARIANTS
from flow3d.morphable import talking_head
from flow3d.perception.regressor import CoefficientRegressor
from flow3d.renderer import FlowRenderer


def test_the_clip_holds_a_whole_blink():
    seed, middle = blink_of()
    shut = talking_head(FRAMES, seed)["blink_left"]
    assert MARGIN <= middle < FRAMES - MARGIN
    assert shut[middle] >= 0.9
    assert shut[middle - 5 : middle + 6].min() <= 0.1


def test_radius_0_repeats_a_frame_and_13_looks_around():
    clip, regressor = make_clip(1_200_000, 30, 32), CoefficientRegressor.from_pretrained()
    single, wide = observed_windows(regressor, clip, True), observed_windows(regressor, clip, False)
    assert (single == single[:, :, :1]).all()
    assert torch.equal(single[:, :, 13], wide[:, :, 13])
    assert not (wide == wide[:, :, 13:14]).all()


def test_the_figure_has_a_row_for_each_radius():
    assert set(VARIANT_OF.values()) <= set(VARIANTS)
    torch.manual_seed(0)
    renderer = FlowRenderer(preset("micro", "extended")).eval()
    figure = draw_blink(dict.fromkeys(VARIANT_OF, renderer), CoefficientRegressor.from_pretrained())
    assert list(figure.rows) == ["truth", *VARIANT_OF]
    assert all(row.shape == (5, 3, 32, 32) for row in figure.rows.values())
    assert not torch.equal(figure.rows["k = 13"], figure.rows["k = 0"])
    assert all(0 < value < 60 for value in figure.eyes.values())
    for wrong in ({}, {"k = 7": renderer}):
        with pytest.raises(ValueError, match="renderers: expected some of k = 13, k = 0"):
            draw_blink(wrong, CoefficientRegressor.from_pretrained())
