"""The flow's losses pay for what is true: at the visible surface, at every voxel, and for the depth that is seen."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from flow3d import FlowRenderer, preset
from flow3d.datasets.batch import Batch
from flow3d.morphable import Camera
from flow3d.morphable.volume import VolumeGrid
from flow3d.morphable.volume_flow import VolumeTruth
from flow3d.training.config import training
from flow3d.training.flow_losses import FINE, HIDDEN, RIGID, SMOOTH, loss_depth, loss_flow, loss_volume
from flow3d.training.perceptual import perceptual
from flow3d.training.steps import TrainingStep
from flow3d.warping import Flow
from tolerances import TRAINING

DEPTHS = VolumeGrid(slices=4).depths()
STEP = DEPTHS[1] - DEPTHS[0]
NEAR = TRAINING["by hand"][0]


@pytest.fixture(scope="module")
def batch(data) -> Batch:
    return data.batch(*data.draw(np.random.default_rng(1), 4))


@pytest.fixture(scope="module")
def truth(batch) -> VolumeTruth:
    return batch.volume_truth(DEPTHS)


def visible_flow(batch: Batch) -> Tensor:
    """The visible surface's flow on the voxels, (B, 2, H, W)."""
    return functional.avg_pool2d(batch.flow[:, :2], 2) / 2


def copied(batch: Batch) -> Tensor:
    """The same in every slice, without dz: what a 2D flow knows."""
    flat = visible_flow(batch)[:, :, None].expand(-1, -1, len(DEPTHS), -1, -1)
    return torch.cat([flat, torch.zeros_like(flat[:, :1])], 1)


def every_slice_is_the_visible_surface(flow: Tensor, batch: Batch) -> Tensor:
    """The term that taught the flow before: it asks every slice for the flow of what is seen."""
    where = (batch.target_alpha > 0.5) * (HIDDEN + (1 - HIDDEN) * batch.visible)
    apart = (flow[:, :2] - visible_flow(batch)[:, :, None]) * 2 / 16
    return (apart.norm(dim=1).mean(1, keepdim=True) * functional.avg_pool2d(where, 2)).mean()


def shares_of(truth: VolumeTruth) -> Tensor:
    """All weight on the slices that hold the visible surface, in proportion to nearness."""
    surface = truth.first.clamp(DEPTHS[0], DEPTHS[-1])
    return (1 - (surface[:, None] - DEPTHS[:, None, None]).abs() / STEP).clamp_min(0)[:, None]


def test_a_2d_flow_in_every_slice_costs_more_than_the_truth_though_the_old_term_said_the_reverse(batch, truth):
    exact, flat, zero = truth.flow, copied(batch), torch.zeros_like(truth.flow)
    new = [float(loss_volume(flow, truth, STEP)) for flow in (exact, flat, zero)]
    old = [float(every_slice_is_the_visible_surface(flow, batch)) for flow in (exact, flat, zero)]
    assert new[0] < 0.02 * new[1]
    assert new[0] < 0.02 * new[2]
    assert new[1] > 0.5 * new[2]
    assert old[1] < 0.05 * old[0]  # the control: the truth was punished, and nearly as much as no flow at all
    assert old[0] > 0.5 * old[2]


def test_the_rigid_motion_alone_lacks_the_expression_and_somebody_else_s_truth_fails(truth):
    exact, rigid, other = (float(loss_volume(f, truth, STEP)) for f in (truth.flow, truth.rigid, truth.flow.flip(0)))
    assert exact < 0.5 * rigid
    assert rigid < 0.2 * other


def test_the_truth_gives_the_floor():
    """Of a flow that is the same everywhere, so that no change from voxel to voxel is charged."""
    occupied, head = torch.zeros(2, 1, 4, 4, 4, dtype=torch.bool).unbind(0)
    occupied[:, 1, :2], head[:, :3, :3] = True, True
    flow = torch.tensor([0.5, -0.25, 0.75]).view(1, 3, 1, 1, 1).expand(1, 3, 4, 4, 4)
    truth = VolumeTruth(flow, flow, occupied, head, torch.zeros(1, 4, 4))
    floor = FINE**0.5 * 12 / 16  # three of four rows of rays see the head
    assert float(loss_volume(flow, truth, STEP)) == pytest.approx(floor, rel=NEAR)
    assert float(loss_volume(flow + 0.01, truth, STEP)) > 2 * floor


def test_each_ray_counts_once_and_its_voxels_by_what_is_known_of_them():
    """One ray of two voxels: at a surface, and behind it; errors of half a voxel across and of a slice along."""
    occupied, head = torch.tensor([True, False]).view(1, 2, 1, 1), torch.ones(1, 2, 1, 1, dtype=torch.bool)
    still = torch.zeros(1, 3, 2, 1, 1)
    truth = VolumeTruth(still, still, occupied, head, torch.zeros(1, 1, 1))
    across, along = still.clone(), still.clone()
    across[0, 0, 0], along[0, 2, 1] = 0.5, 1.0
    nothing = FINE**0.5
    expected = ((1 + FINE) ** 0.5 + RIGID * nothing) / (1 + RIGID)  # half a voxel of one is half of the frame's half
    assert float(loss_volume(across, truth, STEP)) == pytest.approx(expected, rel=NEAR)
    deep = 2 * float(STEP) * Camera().pixels_per_unit(1)
    expected = (nothing + RIGID * (deep**2 + FINE) ** 0.5) / (1 + RIGID)
    assert float(loss_volume(along, truth, STEP)) == pytest.approx(expected, rel=NEAR)


def test_where_nothing_is_known_the_flow_shall_be_smooth():
    nowhere = torch.zeros(1, 2, 2, 2, dtype=torch.bool)
    still = torch.zeros(1, 3, 2, 2, 2)
    truth = VolumeTruth(still, still, nowhere, nowhere, torch.full((1, 2, 2), torch.inf))
    assert float(loss_volume(still + 3, truth, STEP)) == 0  # any flow will do, if it does not change
    bent = still.clone()
    bent[:, 0, :, :, 1] = 0.5  # all four changes along x are half a voxel, of two across the frame
    assert float(loss_volume(bent, truth, STEP)) == pytest.approx(SMOOTH * 0.5**2, rel=NEAR)
    known = VolumeTruth(still, still, ~nowhere, ~nowhere, truth.first)
    smooth = float(loss_volume(bent, known, STEP))
    assert smooth == pytest.approx((FINE**0.5 + (0.25 + FINE) ** 0.5) / 2, rel=NEAR)  # its errors alone


def test_weights_of_pixels_weigh_rays(batch, truth):
    plain = loss_volume(copied(batch), truth, STEP)
    one, two = (torch.full_like(batch.target_alpha, value) for value in (1.0, 2.0))
    torch.testing.assert_close(loss_volume(copied(batch), truth, STEP, one), plain)
    assert loss_volume(copied(batch), truth, STEP, two) > 1.9 * plain
    left = one.clone()
    left[..., 16:] = 0
    assert 0 < loss_volume(copied(batch), truth, STEP, left) < plain


def test_the_depth_that_is_seen_costs_least(truth):
    right = shares_of(truth)
    seen = torch.isfinite(truth.first)
    torch.testing.assert_close(right.sum(2)[:, 0][seen], torch.ones(int(seen.sum())))
    least = loss_depth(right, truth, DEPTHS)
    entropy = -(right * right.clamp_min(1e-6).log()).sum(2)[:, 0]
    torch.testing.assert_close(least, (entropy * seen).mean())
    even = torch.full_like(right, 1 / len(DEPTHS))
    for wrong in (even, right.roll(1, 2), 0.9 * right + 0.1 * even):
        assert loss_depth(wrong, truth, DEPTHS) > 1.05 * least
    logits = right.clamp_min(1e-6).log().requires_grad_()
    (gradient,) = torch.autograd.grad(loss_depth(logits.softmax(2), truth, DEPTHS), logits)
    assert gradient.abs().max() < TRAINING["no slope"][0]


def test_the_exact_flow_has_no_loss_and_the_part_before_the_residual_is_charged_too(batch, truth):
    exact, zero = batch.flow[:, :2], torch.zeros_like(batch.flow[:, :2])
    still = torch.zeros_like(truth.flow)
    assert loss_flow(Flow(still, exact), batch) < 0.1 * loss_flow(Flow(still, zero), batch)
    assert loss_flow(Flow(still, exact, zero), batch) == loss_flow(Flow(truth.flow, exact), batch)  # the slices are
    better = loss_flow(Flow(still, exact, exact), batch, share=1.0)  # another term's
    assert better < 0.2 * loss_flow(Flow(still, exact, zero), batch, share=1.0)


def test_gradients_are_finite_and_lead_to_the_truth(batch, truth):
    for start in (truth.flow, torch.zeros_like(truth.flow), copied(batch)):
        flow = start.clone().requires_grad_()
        loss = loss_volume(flow, truth, STEP)
        (gradient,) = torch.autograd.grad(loss, flow)
        assert torch.isfinite(gradient).all()
        if start is not truth.flow:
            way = truth.flow - start
            assert (gradient * way).sum() < 0
            assert loss_volume(start + 0.1 * way, truth, STEP) < loss
    for start in (torch.zeros_like(batch.flow[:, :2]), batch.flow[:, :2]):
        pixels = start.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(loss_flow(Flow(truth.flow, pixels), batch), pixels)
        assert torch.isfinite(gradient).all()
    shares = torch.zeros_like(shares_of(truth))
    shares[:, :, -1] = 1  # all weight where nothing is seen
    shares.requires_grad_()
    (gradient,) = torch.autograd.grad(loss_depth(shares, truth, DEPTHS), shares)
    assert torch.isfinite(gradient).all()


def test_a_renderer_with_a_2d_flow_is_not_taught_what_it_cannot_be(batch):
    chosen = training("micro", "extended").replace(batch=2, steps=4)
    assert chosen.volume_weight
    assert chosen.depth_weight
    extended = preset("micro", "extended")
    terms = {}
    for config in (extended, extended.replace(pose_flow=False, flow_dimensions=2)):
        step = TrainingStep(FlowRenderer(config), chosen, perceptual("pyramid"))
        with torch.no_grad():
            terms[config.flow_dimensions] = set(step(batch, 0))
    assert terms[3] - terms[2] == {"volume", "depth"}
