"""Metrics of a training: its columns, and TensorBoard, where that is installed or fails."""

import sys
from types import ModuleType
from typing import Any

import pytest

from flow3d.training import log
from flow3d.training.log import COLUMNS, Metrics


class Board:
    """Stands in for TensorBoard's writer."""

    def __init__(self, folder: str, purge_step: int) -> None:
        self.purge_step, self.scalars = purge_step, []

    def add_scalar(self, name: str, value: float, step: int) -> None:
        self.scalars.append((name, value, step))

    def flush(self) -> None:
        pass


@pytest.fixture
def board(monkeypatch) -> Any:
    """TensorBoard, as if it were installed."""
    module: Any = ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = Board
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    monkeypatch.setattr(log.importlib.util, "find_spec", lambda name: name == "tensorboard")
    return module


def test_a_row_stands_in_the_file_and_on_the_board(tmp_path, board):
    metrics = Metrics(tmp_path, 40)
    metrics.add({"total": 1.0})
    metrics.add({"total": 2.0, "psnr": 30.0})
    assert metrics.write(41, 2.0) == {"total": 1.5, "psnr": 30.0}
    header, row = (tmp_path / "metrics.csv").read_text().splitlines()
    assert header == ",".join(COLUMNS)
    assert (
        dict(zip(COLUMNS, row.split(","), strict=True)).items() >= {"step": "41", "total": "1.5", "psnr": "30"}.items()
    )
    assert metrics.board.purge_step == 40
    assert metrics.board.scalars == [("total", 1.5, 41), ("psnr", 30.0, 41)]


def test_a_board_that_fails_ends_no_training(tmp_path, board, monkeypatch):
    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("no room")

    metrics = Metrics(tmp_path)
    monkeypatch.setattr(Board, "add_scalar", fails)
    metrics.add({"total": 1.0})
    with pytest.warns(UserWarning, match=r"step 1: nothing in TensorBoard \(no room\)"):
        metrics.write(1, 0.0)
    assert len((tmp_path / "metrics.csv").read_text().splitlines()) == 2
    monkeypatch.setattr(board, "SummaryWriter", fails)
    with pytest.warns(UserWarning, match=r"no TensorBoard \(no room\)"):
        assert Metrics(tmp_path).board is None
