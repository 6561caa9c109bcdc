"""The terms of a step obey the switches that decide where gradients go."""

import pytest
import torch
from torch import Tensor

from flow3d import FlowRenderer
from flow3d.config import preset
from flow3d.evaluation.measure.rates import random_batch
from flow3d.training.config import training
from flow3d.training.perceptual import perceptual
from flow3d.training.steps import TrainingStep

SIZE = preset("micro").size


def gradients(term: str, **switches: bool) -> dict[str, Tensor]:
    """The gradient of one term alone, by parameter, in a strict training of random weights."""
    torch.manual_seed(0)
    renderer = FlowRenderer(preset("micro"))
    torch.nn.init.normal_(renderer.warping.flow_network.head.weight, std=0.1)  # it starts as the identity warp
    step = TrainingStep(renderer, training("micro").replace(**switches), perceptual("pyramid"))
    step(random_batch(SIZE, 2, "cpu"), 0)[term].backward()
    return {name: p.grad for name, p in renderer.named_parameters() if p.grad is not None}


@pytest.mark.parametrize(
    ("term", "switch", "default"), [("cw", "cyclic_detach", False), ("3dw", "target_detach", False)]
)
def test_a_switch_of_the_paper_s_gaps_changes_the_gradient_and_only_where_it_says(term, switch, default):
    plain, kept, other = gradients(term), gradients(term, **{switch: default}), gradients(term, **{switch: not default})
    assert all(torch.equal(plain[name], kept[name]) for name in plain)
    changed = {name for name in plain if not torch.equal(plain[name], other[name])}
    assert {name for name in changed if name.startswith("warping.encoder.")}
    decoder = {name for name in changed if name.startswith("warping.decoder.")}
    # the way there ends in the decoder, whose gradient a detached picture loses; a feature volume knows no decoder
    assert bool(decoder) == (term == "cw")
