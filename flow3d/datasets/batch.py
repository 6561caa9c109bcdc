"""The pairs that a training step reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..morphable.volume_flow import Surfaces, VolumeTruth, volume_truth
from .pairs import seen_person


@dataclass(frozen=True, eq=False)
class Batch:
    """B pairs ready to train on; images in [-1, 1] with steps of 1/127.5, exact flow from target to source.

    Attributes:
        source, target: whole pictures.
        source_foreground, target_foreground: the persons on black, nothing of the background in their soft edges.
        source_alpha, target_alpha: soft mattes.
        source_window, target_window: raw coefficients around both frames.
        flow, visible: as :func:`flow3d.morphable.exact_flow` gives them.
        labels: parts of the target, integers of ``flow3d.morphable.PARTS``.
        surfaces: every surface along the rays of the target's volume, with its exact displacement.
        source_pose, target_pose: exact poses, as coefficients 64 to 73 are, whatever the windows hold.
    """

    source: Float[Tensor, "B 3 S S"]
    target: Float[Tensor, "B 3 S S"]
    source_foreground: Float[Tensor, "B 3 S S"]
    target_foreground: Float[Tensor, "B 3 S S"]
    source_alpha: Float[Tensor, "B 1 S S"]
    target_alpha: Float[Tensor, "B 1 S S"]
    source_window: Float[Tensor, "B 73 27"]
    target_window: Float[Tensor, "B 73 27"]
    flow: Float[Tensor, "B 3 S S"]
    visible: Float[Tensor, "B 1 S S"]
    labels: Int[Tensor, "B 1 S S"]
    surfaces: Surfaces
    source_pose: Float[Tensor, "B 9"]
    target_pose: Float[Tensor, "B 9"]

    def volume_truth(self, depths: Float[Tensor, " D"]) -> VolumeTruth:
        """What is true at every voxel of the target's volume; see :func:`flow3d.morphable.volume_flow.volume_truth`."""
        return volume_truth(self.surfaces, self.source_pose, self.target_pose, depths)

    @property
    def seen(self) -> Bool[Tensor, "B S S"]:
        """Pixels of the targets' persons that the sources show too, see :func:`seen_person`."""
        return seen_person(self.visible, self.target_alpha)

    def to(self, device: torch.device | str) -> Batch:
        """The same on another device."""
        return self.map(lambda tensor: tensor.to(device))

    def map(self, change: Callable[[Tensor], Tensor]) -> Batch:
        """The same with every tensor changed."""
        surfaces = Surfaces(*map(change, _tensors(self.surfaces)))
        plain = {f.name: change(getattr(self, f.name)) for f in fields(self) if f.name != "surfaces"}
        return Batch(**plain, surfaces=surfaces)

    def tensors(self) -> list[Tensor]:
        """Every tensor, in one order."""
        return [*(t for t in _tensors(self) if isinstance(t, Tensor)), *_tensors(self.surfaces)]

    def __len__(self) -> int:
        return len(self.source)


def _tensors(held: Batch | Surfaces) -> list[Any]:
    return [getattr(held, f.name) for f in fields(held)]
