"""How a training runs: strict is the paper's, every switch has a name, and nonsense is refused."""

import inspect
import math

import pytest
import torch

from flow3d.commands.settings import changed
from flow3d.training.config import TrainingConfig, training
from flow3d.training.losses import Lambdas


def test_strict_switches_are_all_off():
    plain = training("tiny", "strict")
    off = dict(
        flow_warmup=0.0, flow_weight=0.0, rgb_loss=0.0, mask_loss=0.0, painted_loss=0.0, alpha_loss=0.0,
        coarse_flow=0.0, cross_pairs=0.0, hard_pairs=0.0, region_weights=None, sparse_terms=1, frozen_warp=0.0,
        rate_warmup=0, rate_linear=False, volume_weight=0.0, depth_weight=0.0, relight=0.0, observed=0.0,
        hole_dilation=0, clip=None, ema=0.0, target_detach=False,
    )  # fmt: skip
    assert plain == plain.replace(**off)
    for name, value in off.items():
        assert getattr(training("tiny", "extended"), name) != value


def test_where_the_paper_is_silent_strict_is_literal_and_every_choice_can_be_reached():
    plain = training("tiny", "strict")
    assert (plain.cyclic_detach, plain.target_detach, plain.clip, plain.ema) == (False, False, None, 0.0)
    assert plain.largest_norm == math.inf
    assert plain.betas == inspect.signature(torch.optim.Adam).parameters["betas"].default
    other = changed(plain, "--set", ["cyclic_detach=on", "target_detach=on", "clip=10", "ema=.998", "betas=.5,.9"])
    assert (other.cyclic_detach, other.target_detach, other.clip, other.ema) == (True, True, 10.0, 0.998)
    assert (other.betas, other.largest_norm) == ((0.5, 0.9), 10.0)
    assert changed(other, "--set", ["clip=none"]).clip is None


def test_a_rate_that_falls_linearly_is_another_rate():
    config = training("tiny").replace(steps=20, rate_linear=True)
    assert config.rate(15) == pytest.approx(1e-4 * (1 - 0.5 * 0.8))
    assert config.replace(rate_linear=False).rate(15) == 1e-4 / 5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"preset": "huge"}, "preset: expected 'micro', 'tiny', 'small' or 'paper', got 'huge'"),
        ({"recipe": "loose"}, "recipe: expected 'strict' or 'extended', got 'loose'"),
        ({"phase": 3}, "phase: expected 1 or 2, got 3"),
        ({"phase": True}, "phase: expected 1 or 2, got True"),
        ({"features": "vgg20"}, "features: expected 'vgg19', 'head' or 'pyramid', got 'vgg20'"),
        ({"batch": 3}, "batch: expected an even number, for both directions of a pair, got 3"),
        ({"batch": 10**7}, "batch: expected a whole number from 1 to 65,536, got 10000000"),
        ({"seed": -1}, "seed: expected a whole number from 0 to"),
        ({"seed": 2**70}, "seed: expected a whole number from 0 to"),
        ({"steps": 0}, "steps: expected a whole number from 1 to"),
        ({"sparse_terms": 0}, "sparse_terms: expected a whole number from 1 to"),
        ({"rate_warmup": -5}, "rate_warmup: expected a whole number from 0 to"),
        ({"learning_rate": 0.0}, "learning_rate: expected a finite number above 0, got 0.0"),
        ({"clip": float("inf")}, "clip: expected none, or a finite number above 0, got inf"),
        ({"clip": 0}, "clip: expected none, or a finite number above 0, got 0"),
        ({"betas": (0.9, 1.0)}, "betas: expected 2 values with commas between them, each a share from 0 to 0.999"),
        ({"betas": 0.9}, "betas: expected 2 values"),
        ({"ema": 1.5}, "ema: expected a share from 0 to 1, got 1.5"),
        ({"rgb_loss": -1.0}, "rgb_loss: expected a finite weight of at least 0, got -1.0"),
        ({"rgb_loss": float("nan")}, "rgb_loss: expected a finite weight of at least 0, got nan"),
        ({"region_weights": 16}, "region_weights: expected none, or 2 values"),
        ({"region_weights": (-1.0, 2.0)}, "region_weights: expected none, or 2 values"),
        ({"rate_linear": "false"}, "rate_linear: expected true or false, got 'false'"),
        ({"lambda_pw": float("nan")}, "lambda_pw: expected a finite weight of at least 0, got nan"),
        ({"lambdas": 1.0}, "lambdas: expected the fields of Lambdas by their own names, got 1.0"),
        ({"flow_warmup": 0.5}, "flow_weight: expected more than 0 where flow_warmup trains the flow alone, got 0"),
        ({"flow_wight": 1.0}, "flow_wight: expected a field of TrainingConfig; the nearest is 'flow_weight'"),
        ({"lambda_wp": 1.0}, "lambda_wp: expected a field of TrainingConfig; the nearest is 'lambda_pw'"),
    ],
    ids=lambda value: "=".join(map(str, *value.items())) if isinstance(value, dict) else None,
)
def test_bad_configurations_are_refused_by_name(no_shape_checks, changes, message):
    with pytest.raises(ValueError, match="expected") as caught:
        TrainingConfig().replace(**changes)
    assert str(caught.value).startswith(message)


def test_the_weights_of_equation_9_are_set_by_their_own_names():
    assert TrainingConfig().replace(lambda_pw=1).lambdas == Lambdas(lambda_pw=1.0)


@pytest.mark.parametrize("recipe", ["strict", "extended"])
def test_a_configuration_survives_json(recipe):
    assert TrainingConfig.from_json(training("micro", recipe, 2).to_json()) == training("micro", recipe, 2)


def test_a_switch_that_is_younger_than_a_checkpoint_has_its_default():
    assert TrainingConfig.from_json('{"steps": 5, "lambdas": {"lambda_pw": 1}}').target_detach is False
