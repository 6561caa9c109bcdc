"""The records of a training: metrics.csv, TensorBoard where it is installed, and contact sheets."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..datasets.batch import Batch
from ..preprocessing.images import decibels, write_image
from ..renderer import FlowRenderer
from .config import EXTENSIONS
from .loop import CsvLog, or_warn
from .losses import Lambdas

TERMS = (*Lambdas().by_term(), *EXTENSIONS)
MEASURED = ("psnr", "copy_psnr", "flow_error")
COLUMNS = (
    "step", "seconds", "learning_rate", "gradient", "total", *(f"raw/{t}" for t in TERMS),
    *(f"weighted/{t}" for t in TERMS), *MEASURED,
)  # fmt: skip
SHEET = ("source", "driving", "warped", "refined", "output", "target")  # a contact sheet's columns


class Metrics(CsvLog):
    """Rows of numbers in ``metrics.csv``, and in TensorBoard where it is installed.

    Args:
        folder: the training's folder.
        step: the step from which a training is resumed; see :class:`CsvLog`.
    """

    def __init__(self, folder: str | os.PathLike[str], step: int = 0) -> None:
        super().__init__(Path(folder, "metrics.csv"), COLUMNS, step)
        self.board: Any = None
        if importlib.util.find_spec("tensorboard"):
            self.board = or_warn(lambda: _board(Path(folder, "tensorboard"), step), "no TensorBoard")

    def write(self, step: int, seconds: float) -> dict[str, float]:
        """Write the row of all numbers added since the last one, and return it."""
        row = super().write(step, seconds)
        if self.board is not None:
            or_warn(lambda: self._to_board(row, step), f"step {step}: nothing in TensorBoard")
        return row

    def _to_board(self, row: Mapping[str, float], step: int) -> None:
        for name, value in row.items():
            self.board.add_scalar(name, value, step)
        self.board.flush()


def _board(folder: Path, step: int) -> Any:
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder), purge_step=step)


@torch.no_grad()
def look(renderer: FlowRenderer, batch: Batch) -> tuple[dict[str, Tensor], dict[str, float]]:
    """Re-enact a batch; return the contact sheet's columns, and scores.

    The scores are the PSNR of the output and of the unchanged source, in dB, and the error of the flow on the visible
    person, in pixels.
    """
    columns: dict[str, list[Tensor]] = {name: [] for name in SHEET}
    errors, flows = [], []
    for k in range(len(batch)):
        source = renderer.prepare(batch.source[k], batch.source_alpha[k], batch.source_window[k])
        stages = renderer.stages(source, batch.target_window[k : k + 1])
        whole = {"source": batch.source[k], "driving": batch.target[k], "target": batch.target[k]}
        for name in SHEET:
            columns[name].append(whole[name] if name in whole else getattr(stages, name)[0])
        flows.append((stages.pixel_flow[0] - batch.flow[k, :2]).norm(dim=0)[batch.seen[k]])
        errors.append(torch.stack([(p - batch.target[k]).square().mean() for p in (stages.output[0], batch.source[k])]))
    psnr = decibels(torch.stack(errors)).mean(0)
    measured = dict(zip(MEASURED, (float(psnr[0]), float(psnr[1]), float(torch.cat(flows).mean())), strict=True))
    return {name: torch.stack(pictures) for name, pictures in columns.items()}, measured


def write_sheet(path: Path, columns: Mapping[str, Tensor]) -> None:
    """Write a PNG: a row for each pair, columns in the order of ``SHEET``; marked as generated."""
    rows = torch.cat([torch.cat(list(columns[name].cpu()), 1) for name in SHEET], 2)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, rows.clamp(-1, 1), generated=True)
