"""Checks of the frames that a training reads, and a copy of them in a card's memory where they fit."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from ..config import RendererConfig
from ..datasets.cache import FrameCache
from ..datasets.pairs import BLOCK
from ..morphable.volume_flow import volume_side
from .config import TrainingConfig


def check_frames(
    data: FrameCache, held_out: FrameCache | None = None, size: int | None = None, preset: str = ""
) -> None:
    """Refuse frames that a training must not see, or cannot use.

    Args:
        data: frames to train on. ``held_out``: frames to measure on.
        size: side of the frames in pixels that ``preset`` needs; without it, any will do.

    Raises:
        ValueError: another size, validation seeds in ``data``, or training seeds in ``held_out``.
    """
    for name, cache in (("data", data), ("held_out", held_out)):
        if cache is not None and size is not None and cache.size != size:
            raise ValueError(f"{name}: expected {size} px for preset {preset}, got {cache.size}")
    if data.seed >= BLOCK:
        raise ValueError(f"data: expected seeds below {BLOCK:,}, which train, got {data.seed:,} and on")
    if held_out is not None and held_out.seed < BLOCK:
        raise ValueError(f"held_out: expected seeds from {BLOCK:,}, which no training sees, got {held_out.seed:,}")


def check_volume(renderer: RendererConfig, training: TrainingConfig) -> None:
    """Refuse a renderer whose volume is not the one that a cache knows the truth of, where a loss needs it.

    Raises:
        ValueError: fewer than two slices, or another side.
    """
    if renderer.flow_dimensions == 2 or not (training.volume_weight or training.depth_weight):
        return
    slices, side, _ = renderer.volume
    if slices < 2:
        raise ValueError(f"flow_volume: expected two slices or more, which volume_weight needs, got {slices}")
    if side != (wanted := volume_side(renderer.size)):
        raise ValueError(f"flow_downs: expected a volume {wanted} across, which volume_weight needs, got {side}")


def hold_on_card(caches: Iterable[FrameCache | None], device: torch.device) -> None:
    """Copy each cache to a card's memory, if it takes less than half of what is free; batches are then made there.

    Call it after a trainer is made, whose networks then lie on the card already.
    """
    if device.type != "cuda":
        return
    for cache in caches:
        if cache is not None and not cache.held and 2 * cache.bytes < torch.cuda.mem_get_info(device)[0]:
            cache.hold_on(device)
