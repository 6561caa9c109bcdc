"""Notebook 03: errors of hand-made flows, an untrained stage that stands still, pictures that follow the motion."""

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes

from flow3d import FlowRenderer
from flow3d.config import Recipe, preset
from flow3d.datasets import make_pair
from flow3d.morphable import Coefficients, Person
from flow3d.teach.lessons import lesson_03
from flow3d.warping import flow_to_image

SIZE = 32


@pytest.fixture(scope="module")
def pair():
    return make_pair(1_000_013, size=SIZE)


def renderer(recipe: Recipe, moving: float = 0.0) -> FlowRenderer:
    """An untrained renderer; ``moving`` fills the flow's head with noise of that size."""
    torch.manual_seed(3)
    made = FlowRenderer(preset("micro", recipe)).eval()
    made.requires_grad_(False)
    if moving:
        torch.nn.init.normal_(made.warping.flow_network.head.weight, std=moving)
    return made


def drawn(axes: Axes) -> np.ndarray:
    """The numbers of the picture that an axis shows, NaN where it shows none."""
    array = axes.images[0].get_array()
    assert array is not None
    return array.filled(np.nan) if isinstance(array, np.ma.MaskedArray) else np.asarray(array)


@pytest.mark.parametrize("recipe", ["strict", "extended"])
def test_an_untrained_stage_knows_the_turn_of_the_head_or_nothing(pair, recipe):
    warped = lesson_03.warp_pair(renderer(recipe), pair)
    told = recipe == "extended"
    assert warped.flow.any() == told
    flow = warped.pixel_flow
    assert flow.shape == (1, 2, SIZE, SIZE)
    left = lesson_03.share_left([flow[0]], [pair])
    assert left < 0.9 if told else left == 1.0


def test_what_is_told_replaces_the_pair_s_own_windows(pair):
    moving, neutral = renderer("extended", 0.2), Coefficients.neutral().windows()[0]
    own, driven, lied = (
        lesson_03.warp_pair(moving, pair, **told).flow
        for told in ({}, {"driving_window": neutral}, {"source_window": neutral})
    )
    assert not torch.equal(own, driven)
    assert not torch.equal(own, lied)
    same = lesson_03.warp_pair(moving, pair, pair.driving_window, pair.source_window).flow
    assert torch.equal(own, same)


def test_errors_of_hand_made_flows(pair):
    shifted = pair.flow + torch.tensor([3.0, 4.0, 100.0])[:, None, None]  # dz is not scored
    where, error = pair.seen, lesson_03.error_map(shifted, pair)
    assert torch.equal(error.isnan(), ~where)
    assert 0.05 < where.float().mean() < 0.95
    torch.testing.assert_close(error[where], torch.full_like(error[where], 5.0))
    assert lesson_03.share_left([pair.flow], [pair]) == 0.0
    assert lesson_03.share_left([2 * pair.flow, 0 * pair.flow], [pair, pair]) == pytest.approx(1.0)
    assert lesson_03.share_left([pair.flow, 0 * pair.flow], [pair, pair]) == pytest.approx(0.5)


def test_shares_need_a_flow_for_each_pair(pair):
    with pytest.raises(ValueError, match=r"flows: expected one for each of one or more pairs, got 0 for 0"):
        lesson_03.share_left([], [])
    with pytest.raises(ValueError, match=r"got 2 for 1"):
        lesson_03.share_left([pair.flow, pair.flow], [pair])


def test_a_flow_on_the_volume_comes_back_as_pixels(pair):
    flow = torch.tensor([4.0, -2.0, 7.0])[:, None, None].expand(3, SIZE, SIZE)
    coarse = lesson_03.on_volume(flow, depth=3, side=8)
    assert coarse.shape == (1, 3, 3, 8, 8)
    assert torch.equal(coarse[0, :, 1, 5, 6], torch.tensor([1.0, -0.5, 0.0]))
    torch.testing.assert_close(flow_to_image(coarse, None, SIZE)[0], flow[:2])
    with pytest.raises(ValueError, match=r"side: expected a divisor of the flow's 32 px, got 7"):
        lesson_03.on_volume(flow, depth=3, side=7)


def test_slices_share_one_scale():
    near, far = torch.rand(3, 4, 4), torch.rand(3, 4, 4) * 5
    figure = lesson_03.slices({"near": near, "far": far})
    pictures = [axes for axes in figure.axes if axes.images]
    assert [axes.images[0].get_clim() for axes in pictures] == [(0, float(far.max()))] * 6
    assert np.array_equal(drawn(pictures[4]), far[1].numpy())
    low = torch.full_like(near, -7.0)
    assert lesson_03.slices({"near": near, "low": low}).axes[0].images[0].get_clim() == (-7, 7)
    with pytest.raises(ValueError, match=r"volumes: expected one or more of one depth"):
        lesson_03.slices({"a": near, "b": near[:2]})


def test_the_comparison_says_what_it_measures(pair):
    figure = lesson_03.comparison(renderer("strict"), {"here": pair, "there": pair})
    pictures = [axes for axes in figure.axes if axes.images]
    assert len(pictures) == 12
    assert [axes.get_title() for axes in pictures[:6]][3] == "trained, strict"
    note = pictures[0].texts[0].get_text()
    assert note.startswith("here\n")
    assert note.endswith("100% of zero's")
    error = lesson_03.error_map(torch.zeros_like(pair.flow), pair)
    assert np.array_equal(drawn(pictures[4]), error.numpy(), equal_nan=True)
    # the strict renderer's flow is zero, which the flow's colours show as one grey
    assert len(np.unique(drawn(pictures[3]).reshape(-1, 3), axis=0)) == 1


def test_the_board_follows_the_driving_window(pair):
    person = Person.random(1_000_013)
    still, turned = Coefficients.neutral(), Coefficients.neutral().replace(yaw=0.4)
    front, side = (person.render(c, SIZE) for c in (still, turned))
    here, there = (c.windows()[0] for c in (still, turned))
    moving = renderer("extended", 0.2)
    one, other = (lesson_03.board(moving, front, side, here, window, height=40) for window in (here, there))
    assert one.shape == (2 * (40 + 22), 5 * 46 - 6, 3)
    assert np.array_equal(one[:62, :40], other[:62, :40]), "the source stays"
    assert not np.array_equal(one[62:, :40], other[62:, :40]), "the first slice moves"
    untrained = lesson_03.board(renderer("strict"), front, side, here, there, height=40)
    assert len(np.unique(untrained[62 + 22 :, :40].reshape(-1, 3), axis=0)) == 1
