"""Pairs, cached frames, a renderer that has learnt nothing, and methods whose scores are known."""

from pathlib import Path

import pytest
import torch

from flow3d import FlowRenderer, preset
from flow3d.datasets import Pair, make_pair
from flow3d.datasets.cache import FrameCache
from flow3d.datasets.cache_build import build_cache
from flow3d.evaluation.measure.method import Method, Reenacted
from flow3d.training.error_bank import ErrorBank

FIRST = 1_000_000


@pytest.fixture(scope="session")
def pairs() -> dict[int, Pair]:
    return {seed: make_pair(seed, 32) for seed in range(FIRST, FIRST + 3)}


@pytest.fixture(scope="session")
def data(tmp_path_factory) -> FrameCache:
    """Two persons, six frames of each in two clips."""
    return build_cache(tmp_path_factory.mktemp("frames"), 2, 6, 32, seed=11, every=10, clips=2)


@pytest.fixture(scope="session")
def errors() -> ErrorBank:
    """What a made-up regressor gets wrong."""
    return ErrorBank(0.02 * torch.randn(2, 40, 73, generator=torch.Generator().manual_seed(0)))


@pytest.fixture(scope="session")
def micro(tmp_path_factory) -> Path:
    """The folder of a micro renderer that has learnt nothing."""
    torch.manual_seed(1)
    return FlowRenderer(preset("micro", "extended")).save_pretrained(tmp_path_factory.mktemp("micro") / "weights")


@pytest.fixture(scope="session")
def oracle(pairs) -> Method:
    """Knows the true answer of every pair by its driving window; its layer is the truth too."""

    def method(source, alpha, source_window, windows) -> Reenacted:
        found = [pair for window in windows for pair in pairs.values() if torch.equal(pair.driving_window, window)]
        target, matte = torch.stack([p.target for p in found]), torch.stack([p.target_alpha for p in found])
        behind = torch.stack([p.background for p in found])
        layers = {"refined foreground": (target - (1 - matte) * (behind + 1), matte)}  # on black
        flow = torch.stack([p.flow[:2] for p in found])
        return Reenacted(target, matte, flow, layers, unpasted=-target)

    return method


@pytest.fixture(scope="session")
def copy() -> Method:
    """Gives the source back, whatever drives it."""

    def method(source, alpha, source_window, windows) -> Reenacted:
        still = source.new_zeros(2, *source.shape[1:])
        return Reenacted(*(image.expand(len(windows), -1, -1, -1) for image in (source, alpha, still)))

    return method
