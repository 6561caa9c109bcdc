"""The published lists: which pairs and identities a report measures, all from seeds that no training sees."""

from __future__ import annotations

from itertools import pairwise

import torch

from ...checks import Whole, check_integer
from ...datasets import Pair, make_pair
from ...datasets.pairs import CLIP_FRAMES, make_expression_pair, two_frames
from ...morphable import talking_head

FIRST_SEED = 1_000_000  # number k of a list has the seed FIRST_SEED + k
WIDE = 35.0  # degrees: beyond it a turn of the head is called wide
BINS = (0.0, 10.0, 20.0, WIDE, 180.0)  # degrees of yaw difference


def self_seeds(count: Whole, argument: str = "count") -> list[int]:
    """Seeds of the first ``count`` pairs; self-ID and cross-ID use the same ones.

    Raises:
        ValueError: ``count``, which the message calls ``argument``, is below 1.
    """
    return [FIRST_SEED + k for k in range(check_integer(count, argument, 1))]


def yaw_difference(seed: int) -> float:
    """Degrees of yaw between source and target of a self-ID pair, as in ``make_pair``, without rendering it."""
    yaw = talking_head(CLIP_FRAMES, seed)["yaw"]
    first, second = two_frames(seed, yaw)
    return float(torch.rad2deg((yaw[second] - yaw[first]).abs()))


def wide_seeds(count: Whole) -> list[int]:
    """Seeds of the first ``count`` self-ID pairs whose yaw differs by more than ``WIDE``: about one seed in five.

    Raises:
        ValueError: ``count`` below 1.
    """
    wanted, seeds, seed = check_integer(count, "wide", 1), [], FIRST_SEED
    while len(seeds) < wanted:
        if yaw_difference(seed) > WIDE:
            seeds.append(seed)
        seed += 1
    return seeds


def pair_lists(pairs: Whole, cross: Whole, wide: Whole, size: int) -> dict[str, dict[int, Pair]]:
    """The lists "self", "cross", "wide" and "expression", by seed.

    Both frames of an expression pair have the source's pose; there are half as many as self-ID pairs. A wide pair that
    is also a self-ID pair is rendered once.

    Raises:
        ValueError: a list of no pairs.
    """
    seeds = {"pairs": self_seeds(pairs, "pairs"), "cross": self_seeds(cross, "cross"), "wide": wide_seeds(wide)}
    own = {seed: make_pair(seed, size) for seed in seeds["pairs"]}
    others = {seed: make_pair(seed, size, cross=True) for seed in seeds["cross"]}
    return {
        "self": own,
        "cross": others,
        "wide": {s: own[s] if s in own else make_pair(s, size) for s in seeds["wide"]},
        "expression": {s: make_expression_pair(s, size) for s in seeds["pairs"][: -(-len(own) // 2)]},
    }


def bin_of(yaw: float) -> str:
    """The name of the bin of a yaw difference in degrees: "0-10", "10-20", "20-35" or "35+"."""
    names = {low: f"{low:.0f}-{high:.0f}" if high < BINS[-1] else f"{low:.0f}+" for low, high in pairwise(BINS)}
    return names[max(low for low in names if low <= yaw)]
