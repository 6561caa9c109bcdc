"""Checkpoints: everything a training needs to go on as if it had never stopped, in one file, whole or not there."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..config import RendererConfig
from ..files import write_whole
from .config import TrainingConfig

FILE, FORMAT = "checkpoint.pt", 1


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

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write ``checkpoint.pt``, beside its place first; a full disk leaves the old one.

        Raises:
            OSError: it could not be written.
        """
        content = {"format": FORMAT} | self.__dict__ | {"training": self.training.to_json()}
        buffer = io.BytesIO()
        torch.save(content, buffer)
        path = Path(folder, FILE)
        write_whole(path, buffer.getvalue())
        return path


def read_checkpoint(folder: str | os.PathLike[str]) -> Checkpoint:
    """Read the checkpoint of a training's folder.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is damaged, or of another format.
    """
    content: dict[str, Any] = read_whole(folder)
    try:
        if content.pop("format") != FORMAT:
            raise ValueError("another format")
        content["training"] = TrainingConfig.from_json(content["training"])
        return Checkpoint(**content)
    except Exception as error:  # a file of something else can fail in any way
        reason = str(error).partition("\n")[0]
        raise ValueError(f"resume: expected a whole checkpoint, cannot read {FILE} ({reason})") from error


def read_whole(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """The contents of a folder's ``checkpoint.pt``, whatever was trained.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is damaged.
    """
    path = Path(folder, FILE)
    if not path.is_file():
        raise FileNotFoundError(f"resume: expected {FILE} in {os.fspath(folder)!r}, found none")
    try:
        return dict(torch.load(path, map_location="cpu", weights_only=True))
    except OSError:
        raise
    except Exception as error:  # a damaged file can fail in any way
        reason = str(error).partition("\n")[0]
        raise ValueError(f"resume: expected a whole checkpoint, cannot read {FILE} ({reason})") from error


def check_fits(found: Checkpoint, wanted: TrainingConfig, renderer: RendererConfig) -> None:
    """Refuse to go on from a checkpoint of something else. A switch that is younger than it counts as its default.

    Raises:
        ValueError: of another preset, recipe, phase or network; the message names which.
    """
    for name in ("preset", "recipe", "phase"):
        here, there = getattr(wanted, name), getattr(found.training, name)
        if here != there:
            raise ValueError(f"resume: expected a checkpoint of {name} {here}, got one of {name} {there}")
    if RendererConfig.from_json(found.renderer) != renderer:
        raise ValueError(f"resume: the checkpoint's network is not preset {wanted.preset} as it is now")
