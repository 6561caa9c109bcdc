"""Checkpoints: one file with everything that a training needs to go on as if it had never stopped."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from ..config import RendererConfig
from .config import TrainingConfig
from .folder import check_types, read_content, reading, save_content

FORMAT = 1


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """State after ``step`` steps: weights, averaged weights, optimiser, seconds spent, and how it was trained."""

    step: int
    seconds: float
    training: TrainingConfig
    renderer: str
    weights: dict[str, Tensor]
    averaged: dict[str, Tensor]
    optimiser: dict[str, Any]

    @property
    def content(self) -> dict[str, Any]:
        """What the file holds."""
        return {"format": FORMAT} | self.__dict__ | {"training": self.training.to_json()}

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write ``checkpoint.pt`` under another name first, so that a full disk leaves the old one.

        Raises:
            OSError: it could not be written.
        """
        return save_content(folder, self.content)


def read_checkpoint(folder: str | os.PathLike[str]) -> Checkpoint:
    """Read the checkpoint of a training's folder.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is damaged, or of another format.
    """
    content = read_content(folder)
    with reading(folder):
        if (number := content.pop("format")) != FORMAT:
            raise ValueError(f"expected format {FORMAT}, got {number!r}")
        content["training"] = TrainingConfig.from_json(content["training"])
        RendererConfig.from_json(content["renderer"])
        check_types(content, content["training"].steps)
        return Checkpoint(**content)


def check_fits(earlier: Checkpoint, wanted: TrainingConfig, renderer: RendererConfig) -> None:
    """Check that a training can go on from a checkpoint. A switch that the checkpoint lacks counts as its default.

    Raises:
        ValueError: preset, recipe, phase, betas or network are another, or it has more steps; the message names which.
    """
    for name in ("preset", "recipe", "phase", "betas"):
        here, there = getattr(wanted, name), getattr(earlier.training, name)
        if here != there:
            raise ValueError(f"resume: expected a checkpoint of {name} {here}, got one of {name} {there}")
    if RendererConfig.from_json(earlier.renderer) != renderer:
        raise ValueError(f"resume: the checkpoint's network is not preset {wanted.preset} as it is now")
    if earlier.step > wanted.steps:
        raise ValueError(f"resume: expected a checkpoint of at most {wanted.steps} steps, got one of {earlier.step}")
