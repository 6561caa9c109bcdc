"""Frames that a training is given: sizes and seeds are refused by name, and only what fits goes to a card."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from flow3d.datasets.cache import FrameCache
from flow3d.training.frames import check_frames, hold_on_card

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
