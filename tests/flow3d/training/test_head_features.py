"""Perceptual features of the regressor: five taps of unit mean, frozen, and never those of the network that scores.

Tests: perceptual.
"""

import pytest
import torch
from torch import Tensor, nn

from flow3d.datasets import make_clip
from flow3d.morphable import Coefficients, Person
from flow3d.perception import CoefficientRegressor, RegressorConfig
from flow3d.training import Features, HeadFeatures, Perceptual
from flow3d.training.perceptual import perceptual
from tolerances import REGRESSOR


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@pytest.fixture(scope="module")
def head() -> HeadFeatures:
    return HeadFeatures()


@pytest.fixture(scope="module")
def faces() -> Tensor:
    return torch.cat([make_clip(1_200_010 + k, 1, 64).frames for k in range(16)])


def test_head_features_are_five_taps_of_about_unit_mean(head, faces):
    maps = head(faces)
    assert [m.shape[-1] for m in maps] == [32, 16, 8, 4, 2]
    for tap in maps:
        assert tap.min() >= 0
        assert float(tap.mean()) == pytest.approx(1, abs=REGRESSOR["taps of 16 faces"][0])
    assert [m.shape[-1] for m in head(noise(1, 3, 35, 33))] == [16, 8, 4, 2, 1]


def test_head_features_are_a_feature_network_that_says_what_it_is(head):
    assert isinstance(head, Features)
    assert head.name.startswith("head features of regressor")
    assert "not VGG-19" in head.name
    assert Perceptual(head).scales_of(64, 64) == 2
    with pytest.raises(ValueError, match="images: expected at least 32 px for head features"):
        Perceptual(head).distance(noise(1, 3, 16, 16), noise(1, 3, 16, 16))


def test_head_features_are_frozen_and_lets_gradients_through(head):
    assert not any(p.requires_grad for p in head.parameters())
    image = noise(1, 3, 64, 64).requires_grad_()
    Perceptual(head).distance(image, noise(1, 3, 64, 64, seed=1)).backward()
    assert image.grad is not None
    assert image.grad.abs().sum() > 0


def test_head_distance_grows_with_blur(head, faces):
    judge, distances = Perceptual(head), [0.0]
    for side in (32, 21, 13):  # pixels that are left
        small = nn.functional.interpolate(faces, (side, side), mode="bilinear", antialias=True)
        soft = nn.functional.interpolate(small, (64, 64), mode="bilinear")
        distances.append(float(judge.distance(soft, faces)))
    assert distances == sorted(distances)
    assert distances[1] > 0


def test_head_distance_grows_with_an_expression(head):
    judge, person = Perceptual(head), Person.random(1_200_030)
    for name in ("jaw_open", "blink_left", "smile"):
        steps = [Coefficients.neutral().replace(**{name: value}) for value in (0.0, 0.3, 0.6, 1.0)]
        shots = [person.render(step, 64).image[None] for step in steps]
        distances = [float(judge.distance(shot, shots[0])) for shot in shots]
        assert distances == sorted(distances), name
        assert distances[1] > 0


def test_the_network_that_scores_never_trains(tmp_path):
    CoefficientRegressor(RegressorConfig("scorer", "scoring")).save_pretrained(tmp_path / "s")
    with pytest.raises(ValueError, match="weights: expected a regressor for training, got 'scorer', kept for scor"):
        perceptual("head", weights=tmp_path / "s")
    with pytest.raises(FileNotFoundError, match=r"a folder that holds config\.json, got 'nobody'"):
        perceptual("head", weights="nobody")
