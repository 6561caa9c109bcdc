"""A matte reaches farther by a margin, which the renderer keeps around its source and a training varies.

Tests: flow3d.renderer, flow3d.training.steps.
"""

import numpy as np
import pytest
import torch

from flow3d import FlowRenderer, preset
from flow3d.datasets import make_pair
from flow3d.synthesis import hole_of, widen
from flow3d.training.config import training
from flow3d.training.perceptual import perceptual
from flow3d.training.steps import TrainingStep

PAIR = make_pair(44, size=32)


def test_a_matte_is_widened_by_hand():
    alpha = torch.zeros(1, 1, 5, 6)
    alpha[0, 0, 2, 1], alpha[0, 0, 0, 5] = 0.75, 1.0
    expected = torch.zeros(1, 1, 5, 6)
    expected[0, 0, 1:4, 0:3], expected[0, 0, 0:2, 4:6] = 0.75, 1.0
    assert torch.equal(widen(alpha, 1), expected)
    assert widen(alpha, 0) is alpha
    assert torch.equal(widen(alpha, 3), widen(widen(alpha, 1), 2))
    assert (widen(alpha, 2) >= widen(alpha, 1)).all()


@pytest.mark.parametrize("margin", [0, 1, 2])
def test_what_the_source_hides_is_its_matte_and_the_margin(margin):
    torch.manual_seed(0)
    renderer = FlowRenderer(preset("micro", "extended").replace(hole_margin=margin)).eval()
    with torch.no_grad():
        ready = renderer.prepare(PAIR.source, PAIR.source_alpha, PAIR.source_window)
        stages = renderer.stages(ready, PAIR.driving_window[None])
        more = renderer.ready(ready.image, ready.alpha, ready.motion, ready.encoded, 2)
    assert torch.equal(ready.hidden, widen(ready.alpha, margin))
    assert torch.equal(ready.alpha[0], PAIR.source_alpha)  # the person keeps their own matte
    assert torch.equal(stages.hole, hole_of(ready.hidden, stages.alpha))
    assert torch.equal(more.hidden, widen(ready.alpha, margin + 2))


def test_strict_hides_its_matte_alone():
    renderer = FlowRenderer(preset("micro")).eval()
    ready = renderer.prepare(PAIR.source, PAIR.source_alpha)
    assert torch.equal(ready.hidden, ready.alpha)
    assert ready.plate is None


def test_a_training_takes_wider_holes_in_turn(data, monkeypatch):
    renderer = FlowRenderer(preset("micro", "extended"))
    config = training("micro", "extended").replace(flow_warmup=0.0, hole_dilation=2, steps=5)
    step = TrainingStep(renderer, config, perceptual("pyramid"))
    batch, hidden, ready = data.batch(*data.draw(np.random.default_rng(0), 1)), [], renderer.ready

    def watched(*given):
        hidden.append(ready(*given).hidden)
        return ready(*given)

    monkeypatch.setattr(renderer, "ready", watched)
    with torch.no_grad():
        for number in range(5):
            step(batch, number)
    for number, wide in enumerate(hidden):
        assert torch.equal(wide, widen(batch.source_alpha, 1 + number % 3))  # the margin, and 0, 1, 2 more
