"""Steps as CUDA graphs: which steps are alike, what happens where nothing can be recorded, and parity on a card."""

import numpy as np
import pytest
import torch

from flow3d import FlowRenderer, preset
from flow3d.datasets.batch import Batch
from flow3d.datasets.cache import FrameCache
from flow3d.training.config import training
from flow3d.training.frames import hold_on_card
from flow3d.training.graphs import GraphedLoss
from flow3d.training.losses import LossTerms, loss_total
from flow3d.training.perceptual import perceptual
from flow3d.training.steps import TrainingStep
from flow3d.training.trainer import Trainer
from tolerances import TRAINING


def graphed(phase: int, device: str = "cpu") -> tuple[GraphedLoss, TrainingStep]:
    config = training("micro", "extended", phase).replace(batch=2, steps=40)  # ty: ignore[invalid-argument-type]
    torch.manual_seed(0)
    step = TrainingStep(FlowRenderer(preset("micro", "extended")), config, perceptual("pyramid")).to(device)

    def losses(batch: Batch, number: int) -> LossTerms:
        raw = step(batch, number)
        return loss_total(raw, config.lambdas, judge="pyramid", extensions=config.extensions(number))

    return GraphedLoss(losses, list(step.renderer.parameters()), config), step


def some_pairs(data: FrameCache, seed: int) -> Batch:
    return data.batch(*data.draw(np.random.default_rng(seed), 1))


@pytest.mark.parametrize("phase", [1, 2])
def test_steps_of_one_key_have_the_same_terms_and_weights(phase, data):
    loss, step = graphed(phase)
    batch, terms, seen = some_pairs(data, 0), {}, set()
    for number in range(step.config.steps):
        with torch.no_grad():
            names = tuple(step(batch, number))
        found = (names, tuple(step.config.extensions(number).items()))
        assert terms.setdefault(loss.key(number), found) == found
        seen.add(names)
    assert 3 <= len(seen) <= len(terms) <= 3 * 2 * step.config.sparse_terms


def test_where_nothing_can_be_recorded_training_goes_on_as_it_would_have(data, tmp_path, monkeypatch):
    def refuses(self, batch, step):
        raise RuntimeError("operation not permitted when stream is capturing")

    config = training("micro", "extended", 1).replace(batch=2, steps=4)
    plain, other = (Trainer(config, data, tmp_path / name) for name in ("plain", "other"))
    other.graphs = GraphedLoss(other._losses, list(other.renderer.parameters()), config)
    monkeypatch.setattr(GraphedLoss, "_record", refuses)
    with pytest.warns(UserWarning, match=r"step 0: no CUDA graph \(operation not permitted"):
        other.run()
    plain.run()
    assert other.step == plain.step == 4
    one, two = plain.averaged.state, other.averaged.state
    assert all(torch.equal(value, two[name]) for name, value in one.items())


@pytest.mark.gpu
def test_frames_go_to_the_card_only_when_their_owner_says_so(data, tmp_path):
    frames = FrameCache(data.folder)
    trainer = Trainer(training("micro", "extended", 1).replace(batch=2, steps=4), frames, tmp_path)
    assert not frames.held
    assert trainer.graphs is not None
    hold_on_card([frames], trainer.accelerator.device)
    assert frames.held
    assert trainer.batch(0).source.is_cuda


@pytest.mark.gpu
@pytest.mark.parametrize("phase", [1, 2])
def test_replayed_losses_and_gradients_are_those_of_the_step(phase, data):
    loss, step = graphed(phase, "cuda")
    parameters = list(step.renderer.parameters())
    for number in (0, 1, 0, 39, 38, 37, 36, 39):
        batch = some_pairs(data, number).to("cuda")
        terms = loss(batch, number)
        assert terms is not None
        replayed = terms.numbers(), [p.grad.clone() if p.grad is not None else None for p in parameters]
        step.zero_grad(set_to_none=True)
        plain = loss.compute(batch, number)
        plain.total.backward()
        for name, value in plain.numbers().items():
            assert replayed[0][name] == pytest.approx(value, rel=TRAINING["replayed loss"][0]), name
        for gradient, parameter in zip(replayed[1], parameters, strict=True):
            assert (gradient is None) == (parameter.grad is None)
            if gradient is not None and parameter.grad is not None:
                scale = parameter.grad.abs().max().clamp_min(1e-6)
                assert (gradient - parameter.grad).abs().max() <= TRAINING["replayed gradient"][0] * scale
