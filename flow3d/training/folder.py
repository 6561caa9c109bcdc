"""A training's folder: which process may write it, and the checkpoint in it, of any network."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ..files import claim, write_whole

FILE = "checkpoint.pt"


class TrainingFolder:
    """The folder that a training writes; it knows whether the checkpoint in it is this training's own.

    Args:
        out: the folder.
        resume: go on from the checkpoint in it.

    Raises:
        ValueError: the folder holds a training already.
    """

    def __init__(self, out: str | os.PathLike[str], resume: bool = False) -> None:
        self.path = Path(out)
        self._known = self._state() if resume else None
        self._check()

    @contextmanager
    def claimed(self, first: bool = True) -> Generator[None]:
        """Hold the folder while the training runs; among several processes, only the ``first`` claims it.

        Raises:
            ValueError: another training writes the folder, or has done so since this one was made.
            OSError: the folder cannot be made or written.
        """
        if not first:
            yield
            return
        with claim(self.path):
            self._check()
            yield

    def save(self, content: Mapping[str, Any]) -> None:
        """Write the checkpoint.

        Raises:
            OSError: it could not be written; an earlier one is still there.
        """
        save_content(self.path, content)
        self._known = self._state()

    def _check(self) -> None:
        if self._state() not in (None, self._known):
            name = os.fspath(self.path)
            raise ValueError(f"out: {name!r} holds a training already; resume it, or choose another folder")

    def _state(self) -> tuple[int, ...] | None:
        """Numbers that change whenever a checkpoint is written; None where there is no checkpoint."""
        try:
            status = (self.path / FILE).stat()
        except OSError:
            return None
        return status.st_ino, status.st_size, status.st_mtime_ns


def save_content(folder: str | os.PathLike[str], content: Mapping[str, Any]) -> Path:
    """Write a folder's ``checkpoint.pt``, of any network.

    Raises:
        OSError: it could not be written; an earlier one is still there.
    """
    buffer = io.BytesIO()
    torch.save(dict(content), buffer)
    path = Path(folder, FILE)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, buffer.getvalue())
    return path


@contextmanager
def reading(folder: str | os.PathLike[str]) -> Generator[None]:
    """Turn any error that a damaged checkpoint raises in the block into a ValueError with the file and the reason."""
    try:
        yield
    except Exception as error:
        path = os.fspath(Path(folder, FILE))
        raise ValueError(f"resume: expected a whole checkpoint, cannot read {path!r} ({_reason(error)})") from error


def _reason(error: Exception) -> str:
    """What went wrong, in words and in one line."""
    text = " ".join(str(error).split())[:200]
    if isinstance(error, KeyError) and isinstance(error.args[0], str):
        return f"no {text} in it"
    return text if any(map(str.isalpha, text)) else "it is not a file of torch"


def read_content(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """The contents of a folder's ``checkpoint.pt``, of any network.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is damaged.
    """
    path = Path(folder, FILE)
    if not path.is_file():
        raise FileNotFoundError(f"resume: expected {FILE} in {os.fspath(folder)!r}, found none")
    with path.open("rb") as file, reading(folder):
        if not path.stat().st_size:
            raise ValueError("the file is empty")
        return dict(torch.load(file, map_location="cpu", weights_only=True))


def check_types(content: Mapping[str, Any], steps: int) -> None:
    """Check that the contents have what every training writes, with the right types.

    Raises:
        ValueError: another type, or a step outside of 0 to ``steps``.
        KeyError: something is missing.
    """
    step, seconds = content["step"], content["seconds"]
    if type(step) is not int or not 0 <= step <= steps:
        raise ValueError(f"step: expected a whole number from 0 to {steps}, got {step!r}")
    if type(seconds) not in (int, float) or not 0 <= seconds < math.inf:
        raise ValueError(f"seconds: expected a number from 0, got {seconds!r}")
    for name in ("weights", "averaged"):
        tensors = content[name]
        if not isinstance(tensors, dict) or not all(isinstance(value, Tensor) for value in tensors.values()):
            raise ValueError(f"{name}: expected tensors by name, got {type(tensors).__name__}")
    if not isinstance(content["optimiser"], dict):
        raise ValueError(f"optimiser: expected its state, got {type(content['optimiser']).__name__}")


def restore(network: nn.Module, optimiser: Optimizer, content: Mapping[str, Any]) -> None:
    """Fill network and optimiser from a checkpoint's "weights" and "optimiser"; check the shapes of "averaged".

    Raises:
        Exception: any, where the contents do not fit; see :func:`reading`.
    """
    network.load_state_dict(content["weights"])
    for name, value in network.state_dict().items():
        if content["averaged"][name].shape != value.shape:
            raise ValueError(f"averaged: expected {name} of shape {tuple(value.shape)}")
    groups = [dict(group) for group in optimiser.param_groups]
    optimiser.load_state_dict(content["optimiser"])
    for before, after in zip(groups, optimiser.param_groups, strict=True):
        for name in set(before) - {"params", "lr"}:
            if after[name] != before[name]:
                raise ValueError(f"optimiser: expected {name} {before[name]}, got {after[name]}")
    for parameter, state in optimiser.state.items():
        if any(value.dim() and value.shape != parameter.shape for value in state.values()):
            raise ValueError(f"optimiser: expected averages of shape {tuple(parameter.shape)}")
