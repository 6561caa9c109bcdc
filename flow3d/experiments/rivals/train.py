"""One training loop for every rival: pairs, steps and schedule of our own two phases, the flow first."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from ...datasets.batch import Batch
from ...datasets.cache import FrameCache
from ...morphable import Camera
from ...training.config import TrainingConfig, training
from ...training.frames import check_frames
from ...training.loop import AveragedWeights, Loop
from ...training.losses import check_finite
from ...training.perceptual import Perceptual, perceptual, region_distance
from ...training.steps import HIDDEN, region_weight
from ..ablations.run import Budget
from .base import Depths, Request, Rival, Scalar

PAINTED, PLAIN, WARPED = 2.0, 1.0, 1.0  # weights: perceptual and L1 distance of the frame; of the warped source

Watch = Callable[[int, dict[str, float]], None]


def train(
    network: Rival, data: FrameCache, budget: Budget, seed: int, watch: Watch | None = None
) -> tuple[Rival, float]:
    """Train on the pairs that our own renderer draws with this seed; return averaged weights, and seconds.

    Learning rate, clipping, averaging, weights of regions and of the exact flow are those of the extended recipe, phase
    by phase. Where the method has a flow, the first three quarters of phase 1 train it on the exact one, and the
    painter on every fourth step, as our own warm-up does with its decoder.

    Raises:
        ValueError: data of another size, or of seeds outside the training's.
        FloatingPointError: a loss is not finite.
        KeyboardInterrupt: Ctrl-C; nothing is kept.
    """
    check_frames(data, size=network.size, preset=budget.preset)
    judge, begun = perceptual("pyramid"), time.monotonic()
    network.standardise(data.coefficients.flatten(0, 1))
    network.train()
    for phase, steps in ((1, budget.phase_1), (2, budget.phase_2)):
        config = training(budget.preset, "extended", phase).replace(steps=steps, seed=seed)
        done = 0 if phase == 1 else budget.phase_1
        _train_phase(network, data, config, judge, watch, done)
    return network.eval(), time.monotonic() - begun


def _train_phase(
    network: Rival, data: FrameCache, config: TrainingConfig, judge: Perceptual, watch: Watch | None, done: int
) -> None:
    """Train one phase after ``done`` earlier steps; the network ends with its averaged weights, as ours does."""
    averaged = AveragedWeights(network.state_dict(), config.ema)
    optimiser = torch.optim.Adam(network.parameters(), lr=config.learning_rate, betas=config.betas)
    with Loop(config.steps) as loop:
        for step in loop:
            for group in optimiser.param_groups:
                group["lr"] = config.rate(step)
            terms = losses(network, *drawn(data, config, step), config, step, judge)
            check_finite(terms)
            optimiser.zero_grad(set_to_none=True)
            torch.stack(list(terms.values())).sum().backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), config.largest_norm, error_if_nonfinite=True)
            optimiser.step()
            averaged.update(network.state_dict(), step + 1)
            if watch is not None:
                watch(done + step + 1, {name: float(value.detach()) for name, value in terms.items()})
    if loop.outcome == "interrupted":
        raise KeyboardInterrupt
    network.load_state_dict(averaged.state)


def drawn(data: FrameCache, config: TrainingConfig, step: int) -> tuple[Batch, Depths]:
    """The batch of a step, the same as our own renderer's, and both frames' true depth."""
    rng = np.random.default_rng([config.seed, step, 0])
    who, first, second = data.draw(rng, config.batch // 2, config.hard_pairs, config.cross_pairs)
    one, other = (depth_of(data, who, frame) for frame in (first, second))
    return data.batch(who, first, second), (torch.cat([one, other]), torch.cat([other, one]))


def depth_of(data: FrameCache, who: NDArray[np.int64], frame: NDArray[np.int64]) -> Float[Tensor, "B 1 S S"]:
    """Depth in head half-heights from the head's centre, between -1 and 1; 1 on the background."""
    rows = [data.arrays["depth"][i, k] for i, k in zip(who.tolist(), frame.tolist(), strict=True)]
    return (torch.from_numpy(np.stack(rows))[:, None] - Camera().distance).clamp(-1, 1)


def losses(
    network: Rival, batch: Batch, depths: Depths, config: TrainingConfig, step: int, judge: Perceptual
) -> dict[str, Scalar]:
    """The weighted terms of a step. The driving picture is the target itself, as in the papers of such methods."""
    request = Request(batch.source, batch.source_window, batch.target, batch.target_window)
    weight = region_weight(batch, config.region_weights)
    assert weight is not None
    motion = network.motion(request)
    terms = network.own_losses(request, motion, batch, depths)
    if motion.flow is not None:
        terms["flow"] = config.extensions(step)["flow"] * flow_loss(motion.flow, batch, weight)
        every = config.sparse_terms
        if step < config.warmup_steps and step % every != 1 % every:
            return terms
    truth = judge.target(batch.target)
    picture = judge.pyramid(painted := network.paint(request, motion))
    terms["painted"] = PAINTED * region_distance(judge, picture, truth, weight)
    terms["plain"] = PLAIN * (painted - batch.target).abs().mean()
    if motion.warped is not None:
        terms["warped"] = WARPED * region_distance(judge, motion.warped, truth, weight)
    if network.style:
        terms["style"] = network.style * judge.style(picture, truth)
    return terms


def flow_loss(flow: Float[Tensor, "B 2 S S"], batch: Batch, weight: Float[Tensor, "B 1 S S"]) -> Scalar:
    """Distance to the exact flow in half frames, over the person and the background that both frames show.

    Hidden points count less. Our own renderer's flow moves the person alone; a rival's moves the background too, which
    ought to stand still.
    """
    person = batch.target_alpha > 0.5
    where = torch.where(person, HIDDEN + (1 - HIDDEN) * batch.visible, batch.visible) * weight
    error = (flow - batch.flow[:, :2]) / (flow.shape[-1] / 2)
    return ((error.square().sum(1, keepdim=True) + 1e-5).sqrt() * where).mean()
