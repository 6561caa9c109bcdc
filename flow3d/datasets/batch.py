"""The pairs that a training step reads."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

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

    @property
    def seen(self) -> Bool[Tensor, "B S S"]:
        """Pixels of the targets' persons that the sources show too, see :func:`seen_person`."""
        return seen_person(self.visible, self.target_alpha)

    def to(self, device: torch.device | str) -> Batch:
        """The same on another device."""
        return Batch(*(getattr(self, f.name).to(device) for f in fields(self)))

    def __len__(self) -> int:
        return len(self.source)
