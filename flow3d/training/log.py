"""What a training leaves to look at: metrics.csv, TensorBoard where it is installed, and contact sheets."""

from __future__ import annotations

import csv
import importlib.util
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..datasets.batch import Batch
from ..files import write_whole
from ..preprocessing.images import write_image
from ..renderer import FlowRenderer
from .config import EXTENSIONS
from .losses import Lambdas

TERMS = (*Lambdas().by_term(), *EXTENSIONS)
MEASURED = ("psnr", "copy_psnr", "flow_error")
COLUMNS = (
    "step", "seconds", "learning_rate", "gradient", "total", *(f"raw/{t}" for t in TERMS),
    *(f"weighted/{t}" for t in TERMS), *MEASURED,
)  # fmt: skip
SHEET = ("source", "driving", "warped", "refined", "output", "target")  # a contact sheet's columns


class Metrics:
    """Rows of numbers, in a CSV file and in TensorBoard; a term that a row does not have stays empty.

    Args:
        folder: where to.
        step: rows behind this step are dropped, since a resumed training writes them again.
    """

    def __init__(self, folder: str | os.PathLike[str], step: int = 0) -> None:
        self.path = Path(folder, "metrics.csv")
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
        writer.writeheader()
        if step and self.path.is_file():
            with self.path.open(newline="", encoding="utf-8") as old:
                writer.writerows(row for row in csv.DictReader(old) if int(row["step"]) <= step)
        write_whole(self.path, text.getvalue().encode())
        self.board = None
        if importlib.util.find_spec("tensorboard"):
            from torch.utils.tensorboard import SummaryWriter

            self.board = SummaryWriter(str(Path(folder, "tensorboard")), purge_step=step)
        self._sums: dict[str, list[float]] = {}

    def add(self, numbers: Mapping[str, float]) -> None:
        """Take one step's numbers into the next row, which holds the mean of those that were there."""
        for name, value in numbers.items():
            self._sums.setdefault(name, []).append(value)

    def write(self, step: int, seconds: float) -> dict[str, float]:
        """Write the row of all numbers added since the last one, and return it."""
        row: dict[str, Any] = {name: sum(values) / len(values) for name, values in self._sums.items()}
        self._sums.clear()
        line = {"step": step, "seconds": f"{seconds:.1f}"} | {name: f"{value:.6g}" for name, value in row.items()}
        with self.path.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n").writerow(line)
        if self.board is not None:
            for name, value in row.items():
                self.board.add_scalar(name, value, step)
            self.board.flush()
        return row


@torch.no_grad()
def look(renderer: FlowRenderer, batch: Batch) -> tuple[dict[str, Tensor], dict[str, float]]:
    """Re-enact a batch; return the contact sheet's columns, and how well it went.

    PSNR of the output, and of copying the source, in dB; error of the flow on the visible person in pixels.
    """
    columns: dict[str, list[Tensor]] = {name: [] for name in SHEET}
    errors, flows = [], []
    for k in range(len(batch)):
        source = renderer.prepare(batch.source[k], batch.source_alpha[k], batch.source_window[k])
        stages = renderer.stages(source, batch.target_window[k : k + 1])
        whole = {"source": batch.source[k], "driving": batch.target[k], "target": batch.target[k]}
        for name in SHEET:
            columns[name].append(whole[name] if name in whole else getattr(stages, name)[0])
        seen = (batch.visible[k, 0] > 0.5) & (batch.target_alpha[k, 0] > 0.5)
        flows.append((stages.pixel_flow[0] - batch.flow[k, :2]).norm(dim=0)[seen])
        errors.append(torch.stack([(p - batch.target[k]).square().mean() for p in (stages.output[0], batch.source[k])]))
    psnr = 10 * torch.log10(4 / torch.stack(errors).clamp_min(1e-10)).mean(0)
    measured = dict(zip(MEASURED, (float(psnr[0]), float(psnr[1]), float(torch.cat(flows).mean())), strict=True))
    return {name: torch.stack(pictures) for name, pictures in columns.items()}, measured


def write_sheet(path: Path, columns: Mapping[str, Tensor]) -> None:
    """Write a PNG: a row for each pair, columns in the order of ``SHEET``; marked as generated."""
    rows = torch.cat([torch.cat(list(columns[name].cpu()), 1) for name in SHEET], 2)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, rows.clamp(-1, 1), generated=True)
