"""Exact flow: zero for no motion, a constant for a shifted crop, consistent both ways, honest about what is hidden."""

from dataclasses import replace
from functools import cache

import pytest
import torch

from flow3d.evaluation.scores.metrics import warp_image
from flow3d.morphable import Coefficients, Frame, Person, exact_flow, talking_head
from flow3d.morphable.flow import OPAQUE
from flow3d.morphable.head.parts import MATERIAL
from tolerances import MORPHABLE

NEUTRAL = Coefficients.neutral()
PERSON = Person.random(1)
PIXELS = MORPHABLE["reprojected pixels"][0]


@cache
def posed(**named: float) -> Frame:
    """The person at 64 px; neutral where nothing is named."""
    return PERSON.render(NEUTRAL.replace(**named), 64)


def test_no_motion_is_zero_flow_with_everything_visible():
    frame = posed()
    flow, visible = exact_flow(frame, frame)
    assert flow.abs().max() < PIXELS
    edge = (frame.alpha > 0) & (frame.alpha < OPAQUE)
    assert edge.any()
    assert torch.equal(visible, (~edge).float())


@pytest.mark.parametrize(("crop_x", "crop_y"), [(8.0, -12.0), (-20.0, 4.0)])
def test_a_shifted_crop_is_a_constant_flow(crop_x, crop_y):
    frame = posed()
    shifted = posed(crop_x=crop_x, crop_y=crop_y)
    flow, visible = exact_flow(frame, shifted)
    expected = torch.tensor([crop_x / 4, crop_y / 4, 0.0])  # pixels of 256 to pixels of 64
    seen = flow[:, frame.surface.hit].T
    torch.testing.assert_close(seen, expected.expand_as(seen), rtol=0, atol=PIXELS)
    y, x = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    lands = (x + crop_x / 4 >= 0) & (x + crop_x / 4 <= 63) & (y + crop_y / 4 >= 0) & (y + crop_y / 4 <= 63)
    solid = frame.alpha[0] >= OPAQUE
    assert not visible[0][solid & ~lands].any()
    assert visible[0][solid & lands].all()


def test_depth_flow_is_the_distance_moved_in_pixels():
    frame = posed()
    near = posed(translation_z=-0.5)
    flow, _ = exact_flow(frame, near)
    expected = torch.full((int(frame.surface.hit.sum()),), -0.5 * PERSON.camera.pixels_per_unit(64))
    torch.testing.assert_close(flow[2, frame.surface.hit], expected, rtol=0, atol=PIXELS)


def test_the_flow_leads_to_the_same_point_of_the_surface():
    frame = posed()
    flow, visible = exact_flow(frame, posed(yaw=0.4, jaw_open=0.5))
    sure = visible[0].bool() & frame.surface.hit
    corners = PERSON.faces[frame.surface.face[sure]]
    points = (
        PERSON.vertices(NEUTRAL.replace(yaw=0.4, jaw_open=0.5))[corners] * frame.surface.weights[sure][..., None]
    ).sum(1)
    place, depth = PERSON.camera.project(points, NEUTRAL.crop[0], 64)
    here = sure.nonzero().flip(-1).float()
    torch.testing.assert_close(here + flow[:2, sure].T, place, rtol=0, atol=PIXELS)
    seen = posed(yaw=0.4, jaw_open=0.5).surface.depth[place[:, 1].round().long(), place[:, 0].round().long()]
    assert ((seen - depth).abs() < MORPHABLE["depth one pixel aside"][0]).float().mean() > 0.97


def test_there_and_back_is_where_we_were():
    frame = posed()
    other = posed(yaw=-0.1, pitch=0.1, smile=1.0)
    there, visible = exact_flow(frame, other)
    back, visible_back = exact_flow(other, frame)
    landed = warp_image(torch.cat([visible_back, other.surface.hit[None].float()]), there)
    both = (visible[0] > 0) & frame.surface.hit & (landed > 0.999).all(0)
    assert both.float().mean() > 0.3
    error = (there + warp_image(back, there))[:2, both].norm(dim=0)
    assert error.median() < MORPHABLE["there and back, median"][0]
    assert error.quantile(0.9) < MORPHABLE["there and back, 90 %"][0]
    assert there[:2, both].norm(dim=0).median() > 1  # there was something to undo


@pytest.mark.parametrize("seed", range(4))
def test_flow_is_finite_and_zero_on_the_background(seed):
    person, motion = Person.random(seed), talking_head(100, seed)
    target, source = (person.render(motion.frame(k), 32) for k in (10, 90))
    flow, visible = exact_flow(target, source)
    assert torch.isfinite(flow).all()
    assert not flow[:, target.labels[0] == 0].any()
    assert set(visible.unique().tolist()) <= {0.0, 1.0}
    edge = (target.alpha > 0) & (target.alpha < OPAQUE)
    assert not visible[edge].any()
    nobody = target.alpha == 0
    assert torch.equal(visible[nobody], (source.alpha[nobody] == 0).float())


def test_the_far_side_of_a_turned_head_is_hidden():
    left, right = (posed(yaw=yaw) for yaw in (-0.8, 0.8))
    _, near = exact_flow(left, posed(yaw=-0.7))
    _, far = exact_flow(left, right)
    solid = left.alpha >= OPAQUE
    assert near[solid].mean() > 0.85
    assert far[solid].mean() < 0.6


def test_eyeballs_behind_shut_lids_are_hidden():
    frame = posed()
    shut = posed(blink_left=1.0, blink_right=1.0)
    _, visible = exact_flow(frame, shut)
    seen = PERSON.material[frame.surface.face.clamp_min(0)]
    eyeball = frame.surface.hit & (seen == MATERIAL["eyeball"])
    assert eyeball.sum() > 20
    assert not visible[0][eyeball].any()
    assert visible[0][frame.surface.hit & (seen == MATERIAL["skin"])].mean() > 0.9


@pytest.mark.parametrize("translation", [-6.6, -7.0, -7.3, -9.0])
def test_a_head_around_or_behind_the_camera_gives_no_nonsense(translation):
    gone = PERSON.render(NEUTRAL.replace(translation_z=translation), 32)
    here = PERSON.render(NEUTRAL, 32)
    for target, source in ((here, gone), (gone, here)):
        flow, visible = exact_flow(target, source)
        assert torch.isfinite(flow).all()
        assert visible[target.alpha > 0].mean() < 0.1 or not (target.alpha > 0).any()


@pytest.mark.parametrize("distance", [0.0, -1.0])
def test_points_at_or_behind_the_camera_have_no_flow_and_are_hidden(distance):
    frame = posed()
    behind = replace(frame, vertex_depth=torch.full_like(frame.vertex_depth, distance))
    flow, visible = exact_flow(frame, behind)
    assert not flow.any()
    assert not visible[frame.alpha > 0].any()


def test_two_persons_or_two_sizes_are_refused():
    with pytest.raises(ValueError, match="source: expected a frame of the same person"):
        exact_flow(posed(), Person.random(2).render(NEUTRAL, 64))
    with pytest.raises(ValueError, match="source: expected a frame of 64 px like the target, got 32 px"):
        exact_flow(posed(), PERSON.render(NEUTRAL, 32))
