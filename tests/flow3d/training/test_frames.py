"""Frames that a training is given: sizes and seeds are refused by name, and only what fits goes to a card."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from flow3d.config import preset
from flow3d.datasets.cache import FrameCache
from flow3d.training.config import training
from flow3d.training.frames import check_frames, check_volume, hold_on_card

CARD = torch.device("cuda")


def frames(seed: int = 0, size: int = 32) -> Any:
    return SimpleNamespace(seed=seed, size=size)


class Cache(FrameCache):
    """As much of a cache as can be held."""

    def __init__(self, size: int) -> None:
        self.arrays, self.held, self.calls = {"black": np.zeros(size, np.uint8)}, {}, []

    def hold_on(self, device: torch.device | str) -> None:
        self.calls.append(device)
        self.held = {"black": torch.zeros(1)}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((frames(size=64), None, 32, "micro"), "^data: expected 32 px for preset micro, got 64"),
        ((frames(), frames(1_000_000, 64), 32, "micro"), "^held_out: expected 32 px for preset micro, got 64"),
        ((frames(1_000_000),), "^data: expected seeds below 1,000,000, which train, got 1,000,000 and on"),
        ((frames(), frames(7)), "^held_out: expected seeds from 1,000,000, which no training sees, got 7"),
    ],
    ids=["size", "size of held-out frames", "seeds that validate", "held-out seeds that train"],
)
def test_frames_of_another_size_or_of_wrong_seeds_are_refused(no_shape_checks, arguments, message):
    with pytest.raises(ValueError, match=message):
        check_frames(*arguments)


def test_frames_that_fit_are_accepted(no_shape_checks):
    check_frames(frames(999_999), frames(1_000_000), 32, "micro")


def test_a_card_holds_each_cache_that_takes_less_than_half_of_what_is_free(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (100, 1000))
    small, large = Cache(49), Cache(50)
    hold_on_card([small, None, large], CARD)
    hold_on_card([small], CARD)  # it lies there already
    assert (small.calls, large.calls) == ([CARD], [])


def test_without_a_card_nothing_moves():
    cache = Cache(1)
    hold_on_card([cache], torch.device("cpu"))
    assert not cache.calls


def test_a_volume_without_a_known_truth_is_refused_where_a_loss_needs_one():
    taught, plain = training("micro", "extended"), preset("micro", "extended")
    check_volume(plain, taught)
    wide = plain.replace(flow_downs=0, encoder_strides=(1, 1, 1), decoder_ups=0)
    with pytest.raises(ValueError, match="flow_downs: expected a volume 16 across, which volume_weight needs, got 32"):
        check_volume(wide, taught)
    flat = plain.replace(flow_volume=(4, 1), pose_flow=False)
    with pytest.raises(ValueError, match="flow_volume: expected two slices or more, which volume_weight needs, got 1"):
        check_volume(flat, taught)
    for config in (wide, flat):
        check_volume(config, taught.replace(volume_weight=0.0, depth_weight=0.0))
    check_volume(wide.replace(flow_dimensions=2, pose_flow=False), taught)
