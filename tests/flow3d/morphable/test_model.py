"""Eq. 1 is linear, rotations turn the way their names say, and the head moves on its shoulders."""

import math

import numpy as np
import pytest
import torch

from flow3d.morphable import Coefficients, ProceduralHead, random_alpha, rotation_matrix
from tolerances import MORPHABLE

HEAD = ProceduralHead()
NOSE = torch.tensor([0.0, 0.0, -1.0])  # towards the camera: z grows away from it
POINTS = MORPHABLE["points"][0]


def normal(count: int, seed: int) -> torch.Tensor:
    return torch.randn(count, generator=torch.Generator().manual_seed(seed))


def test_pitch_turns_the_nose_down():
    assert (rotation_matrix(torch.tensor([0.3, 0.0, 0.0])) @ NOSE)[1] > 0


def test_yaw_turns_the_nose_to_the_viewers_right():
    assert (rotation_matrix(torch.tensor([0.0, 0.3, 0.0])) @ NOSE)[0] > 0


def test_roll_is_clockwise_on_the_screen():
    crown = torch.tensor([0.0, -1.0, 0.0])  # y grows downwards
    turned = rotation_matrix(torch.tensor([0.0, 0.0, 0.3])) @ crown
    assert turned[0] > 0
    torch.testing.assert_close(rotation_matrix(torch.tensor([0.0, 0.0, 0.3])) @ NOSE, NOSE)


def test_the_order_is_roll_after_yaw_after_pitch():
    angles = torch.tensor([0.2, -0.5, 0.7])
    pitch, yaw, roll = (rotation_matrix(angles * torch.eye(3)[k]) for k in range(3))
    matrix = rotation_matrix(angles)
    torch.testing.assert_close(matrix, roll @ yaw @ pitch)
    assert (matrix - pitch @ yaw @ roll).abs().max() > 0.1
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(3), rtol=0, atol=POINTS)
    assert torch.linalg.det(matrix).item() == pytest.approx(1, abs=POINTS)


def test_eq_1_is_the_mean_and_two_weighted_sums():
    alpha, beta = normal(80, 0), normal(64, 1)
    expected = HEAD.mean.double()
    for value, basis in ((alpha, HEAD.identity_basis), (beta, HEAD.expression_basis)):
        expected = expected + torch.einsum("k,kvc->vc", value.double(), basis.double())
    torch.testing.assert_close(HEAD.shape(alpha, beta).double(), expected, rtol=0, atol=POINTS)
    assert torch.equal(HEAD.shape(), HEAD.mean)


def test_eq_1_is_linear_in_alpha_and_beta():
    a, b = (normal(80, 2), normal(64, 3)), (normal(80, 4), normal(64, 5))
    mixed = HEAD.shape(0.3 * a[0] + 0.7 * b[0], 0.3 * a[1] + 0.7 * b[1])
    torch.testing.assert_close(mixed, 0.3 * HEAD.shape(*a) + 0.7 * HEAD.shape(*b), rtol=0, atol=POINTS)
    assert (HEAD.shape(*a) - HEAD.shape(*b)).abs().max() > 0.1


def test_a_pose_is_shape_then_rotation_then_translation():
    motion = Coefficients.neutral().replace(smile=0.7, jaw_open=0.4, yaw=0.5, translation_y=0.3)
    expected = HEAD.pose(HEAD.shape(None, motion.expression[0]), motion.rotation[0], motion.translation[0])
    torch.testing.assert_close(HEAD.posed(motion), expected, rtol=0, atol=POINTS)


def test_translation_moves_every_vertex_alike():
    moved = HEAD.posed(Coefficients.neutral().replace(translation_x=0.1, translation_y=-0.2, translation_z=0.3))
    shift = torch.tensor([0.1, -0.2, 0.3]).expand_as(HEAD.mean)
    torch.testing.assert_close(moved - HEAD.mean, shift, rtol=0, atol=POINTS)


def test_the_head_turns_rigidly_and_the_shoulders_less():
    skin, torso = HEAD.mean[HEAD.slices["skin"]], HEAD.slices["torso"]
    turned = HEAD.posed(Coefficients.neutral().replace(yaw=0.6))
    a, b = turned[HEAD.slices["skin"]][::97].double(), skin[::97].double()
    torch.testing.assert_close(torch.cdist(a, a), torch.cdist(b, b), rtol=0, atol=POINTS)
    assert rotation_of(turned[torso], HEAD.mean[torso]) == pytest.approx(0.22 * 0.6)
    assert rotation_of(turned[HEAD.slices["skin"]], skin) == pytest.approx(0.6)


def rotation_of(after: torch.Tensor, before: torch.Tensor) -> float:
    """Yaw between two point clouds, by Procrustes."""
    a, b = after - after.mean(0), before - before.mean(0)
    u, _, v = torch.linalg.svd(a.T @ b)
    nose = u @ v @ NOSE
    return math.atan2(float(nose[0]), -float(nose[2]))


@pytest.mark.usefixtures("no_shape_checks")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"alpha": torch.zeros(79)}, r"alpha: expected shape \(80,\), got \(79,\)"),
        ({"beta": torch.zeros(1, 64)}, r"beta: expected shape \(64,\), got \(1, 64\)"),
        ({"alpha": torch.full((80,), torch.nan)}, "alpha: expected finite numbers"),
    ],
)
def test_bad_shape_coefficients_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        HEAD.shape(**arguments)


@pytest.mark.usefixtures("no_shape_checks")
@pytest.mark.parametrize(
    ("coefficients", "message"),
    [
        (torch.zeros(72), r"coefficients: expected shape \(73,\), got \(72,\)"),
        (torch.zeros(2, 73), r"coefficients: expected shape \(73,\), got \(2, 73\)"),
        (torch.full((73,), torch.nan), "coefficients: expected finite numbers, got nan in 'jaw_open'"),
        pytest.param(Coefficients.neutral(2), "coefficients: expected one frame, got 2", id="two frames"),
    ],
)
def test_bad_coefficients_are_named(coefficients, message):
    with pytest.raises(ValueError, match=message):
        HEAD.posed(coefficients)


def test_random_identities_are_bounded_one_by_one_and_together():
    drawn = torch.stack([random_alpha(np.random.default_rng(seed)) for seed in range(200)])
    assert drawn.abs().max() <= 1.8
    assert drawn.norm(dim=1).max() <= 0.85 * math.sqrt(80) + POINTS
    assert drawn.std() > 0.6
