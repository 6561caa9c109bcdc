"""The whole command on a micro renderer: what it writes, that it repeats itself, what it refuses.

Tests: report.run_record, report.sheets, report.write, flow3d.commands.evaluate.
"""

import json

import pytest
import torch

from flow3d import FlowRenderer, preset
from flow3d.__main__ import main
from flow3d.config import Recipe
from flow3d.evaluation import evaluate as command
from flow3d.evaluation.report.sheets import error_map
from flow3d.preprocessing.images import is_generated, read_image

FEW = ("--pairs", "2", "--cross", "1", "--wide", "1", "--edits", "1", "--long", "0")
REPORTS = ("evaluation.md", "evaluation.json", "pairs.csv")
SHEETS = {"self.png", "cross.png", "worst_wide.png", "edits.png"}


def saved(folder, recipe: Recipe):
    torch.manual_seed(1)
    return FlowRenderer(preset("micro", recipe)).save_pretrained(folder)


def evaluate(weights, out, *options: str) -> int:
    return main(["evaluate", "--weights", str(weights), "--out", str(out), *FEW, *options])


@pytest.fixture
def no_timing(monkeypatch):
    """Leave out what is tested in test_speed.py."""
    monkeypatch.setattr(command, "frame_seconds", lambda *_: {"1 at a time, CPU time": [0.05]})


def test_reports_and_pictures_are_written_and_repeat_bit_for_bit(tmp_path, capsys, no_timing):
    weights, a, b = saved(tmp_path / "weights", "extended"), tmp_path / "a", tmp_path / "b"
    assert evaluate(weights, a) == 0
    printed = capsys.readouterr().out
    assert {path.name for path in a.iterdir()} == {*REPORTS, *SHEETS, "machine.md", "machine.json"}
    assert (a / "evaluation.md").read_text() in printed
    assert all(is_generated(a / name) for name in SHEETS)
    assert read_image(a / "self.png").shape == (3, 18 + 2 * (18 + 128), 8 * 128)  # a line of text above every row
    assert read_image(a / "cross.png").shape == (3, 18 + 18 + 128, 9 * 128)  # the driving frame too
    assert evaluate(weights, b, "--no-pictures") == 0
    assert {path.name for path in b.iterdir()} == {*REPORTS, "machine.md", "machine.json"}
    for name in REPORTS:
        assert (a / name).read_bytes() == (b / name).read_bytes()
    settings = json.loads((a / "evaluation.json").read_text())["settings"]
    assert (settings["self-ID pairs"], settings["cross-ID pairs"], settings["edited identities"]) == (2, 1, 1)
    assert set(settings["sha256"]) == {"mapping", "warping", "refiner", "inpainter"}


def test_a_strict_renderer_is_measured_too(tmp_path, no_timing):
    assert evaluate(saved(tmp_path / "weights", "strict"), tmp_path, "--no-pictures") == 0
    tables = json.loads((tmp_path / "evaluation.json").read_text())["tables"]
    flow = next(table for name, table in tables.items() if name.startswith("Self-ID: error of the flow"))
    assert flow[0]["value"] == pytest.approx(1)  # none has been learned
    assert tables["One coefficient edited, warped pixels alone"] == []
    assert tables["Background"][1]["beside"] == "a model that pastes nothing"


def test_bad_input_is_one_line_and_code_two(tmp_path, capsys):
    weights = saved(tmp_path / "w", "strict")
    assert evaluate(tmp_path / "nowhere", tmp_path / "out") == 2
    assert capsys.readouterr().err.startswith("error: --weights: ")
    for option in ("pairs", "cross", "wide", "edits"):
        assert evaluate(weights, tmp_path / "out", f"--{option}", "0") == 2
        said = capsys.readouterr().err
        assert said == f"error: --{option}: expected a whole number of 1 or more, got '0'\n"
    assert evaluate(weights, tmp_path / "out", "--long", "50") == 2
    assert capsys.readouterr().err == "error: --long: expected 0, or 101 or more, got 50\n"
    (weights / "mapping.safetensors").unlink()
    assert evaluate(weights, tmp_path / "out") == 2
    said = capsys.readouterr().err
    assert said.startswith("error: --weights: expected mapping.safetensors in")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_measured(tmp_path, capsys, monkeypatch):
    (tmp_path / "file").write_text("mine")
    monkeypatch.setattr(command, "pair_lists", lambda *_: pytest.fail("it measures first"))
    assert evaluate(saved(tmp_path / "weights", "strict"), tmp_path / "file") == 2
    assert capsys.readouterr().err.startswith("error: --out: expected a folder, got the file")


def test_an_error_map_is_black_where_nothing_is_wrong():
    image = torch.zeros(3, 8, 8)
    wrong = image.clone()
    wrong[:, :4] = 0.9
    found = error_map(wrong, image)
    assert float(found[:, 4:].max()) < -0.95  # the colour map's darkest
    assert float(found[:, :4].mean()) > 0
