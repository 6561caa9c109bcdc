"""A strict training takes the paper literally where it is silent; each of these choices is a field that works.

Tests: trainer, config, checkpoint.
"""

import pytest
import torch

from flow3d.training.config import TrainingConfig, training
from flow3d.training.trainer import Trainer


def config(**changes) -> TrainingConfig:
    return training("micro", "strict").replace(**{"batch": 2, "steps": 6} | changes)


def test_literally_nothing_is_clipped_or_averaged(data, tmp_path):
    """Adam sees the gradients as the losses give them, and the weights to use are the last ones."""
    plain, clipped, averaged = (
        Trainer(config(**changes), data, tmp_path / name)
        for name, changes in (("plain", {}), ("clipped", {"clip": 1e-3}), ("averaged", {"ema": 0.9}))
    )
    norms = []
    for trainer in (plain, clipped, averaged):
        for step in range(2):
            norms.append(trainer.advance(trainer.batch(step))["gradient"])
            largest = max(float(p.grad.norm()) for p in trainer.renderer.parameters() if p.grad is not None)
            assert (largest > 1e-3) == (trainer is not clipped)
    assert norms[0] == norms[2] > 1  # the log holds the norm before any clipping
    weights = plain.renderer.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in plain.averaged.state.items())
    assert not all(torch.equal(averaged.averaged.state[name], value) for name, value in weights.items())


def test_adam_has_the_betas_of_its_configuration(data, tmp_path):
    chosen = config(betas=(0.5, 0.9))
    trainer = Trainer(chosen, data, tmp_path)
    assert {group["betas"] for group in trainer.optimiser.param_groups} == {(0.5, 0.9)}
    trainer.run(until=1)
    with pytest.raises(ValueError, match=r"resume: expected a checkpoint of betas \(0.9, 0.999\), got one of betas"):
        Trainer(config(), data, tmp_path, resume=True)
    assert Trainer(chosen, data, tmp_path, resume=True).run(until=2) == "paused"
