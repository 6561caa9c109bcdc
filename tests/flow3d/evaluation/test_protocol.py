"""A protocol on a short list, by a micro renderer: what it writes, that it repeats bit for bit, what it refuses."""

import csv
import json
import warnings

import pytest
import torch
from torch import nn

from flow3d.__main__ import main
from flow3d.evaluation import protocol
from flow3d.evaluation.pairs.pair_files import as_text, list_pair

FIRST = 1_000_000


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(protocol, "EDITED", 1)
    monkeypatch.setattr(protocol, "JITTER_PAIRS", 1)


def evaluate(weights, folder, protocol: str, count: int, *options: str) -> int:
    path = folder / "list.csv"
    path.write_text(as_text([list_pair(FIRST + k, protocol == "cross") for k in range(count)]))
    named = ("--weights", str(weights), "--out", str(folder / "out"), "--list", str(path))
    return main(["evaluate", "--protocol", protocol, *named, *options])


def lines(folder, protocol: str) -> dict[str, dict]:
    tables = json.loads((folder / "out" / f"{protocol}.json").read_text())["tables"]
    return {line["what"]: line for name, table in tables.items() if "All pairs" in name for line in table}


def test_reports_repeat_bit_for_bit_and_hold_every_score(micro, tmp_path, capsys):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        assert evaluate(micro, tmp_path / name, "self", 4, "--no-pictures") == 0
    capsys.readouterr()
    reports = [(tmp_path / name / "out" / "self_pairs.csv").read_bytes() for name in ("a", "b")]
    assert reports[0] == reports[1]
    rows = list(csv.DictReader(reports[0].decode().splitlines()))
    assert [row["seed"] for row in rows] == [str(FIRST + k) for k in range(4)]
    scores = (
        "psnr",
        "frame",
        "ssim",
        "aed_read",
        "apd_rot",
        "apd_rt",
        "pose_distance",
        "shown",
        "hidden",
        "hole",
        "jitter",
    )
    assert all(rows[0][f"{name} output"] for name in scores)
    known = [row["faceless truth"] == "0" for row in rows]  # at 32 px some faces are not found
    assert [bool(row["akd floor"]) for row in rows] == known
    assert sum(known) > 1
    assert not rows[1]["jitter output"]
    texts = [(tmp_path / name / "out" / "self.json").read_text().replace(f"/{name}/", "/") for name in ("a", "b")]
    assert texts[0] == texts[1]
    found = lines(tmp_path / "a", "self")
    assert "FID" not in found
    assert found["Fréchet distance over head features"]["value"] > 0
    away = found["pose distance (scorer)"]
    assert away["low"] < away["value"] < away["high"]
    settings = json.loads(texts[0])["settings"]["backbones, sha256"]
    assert set(settings) == {"scorer", "heads", "face_detector", "face_landmarks_detector", "face_blendshapes"}
    assert all(len(digest) == 64 for digest in settings.values())
    assert "Not measured: CSIM (ArcFace) (no file was given by --arcface)" in (
        tmp_path / "a" / "out" / "self.md"
    ).read_text(encoding="utf-8")


class Features(nn.Module):
    """A stand-in for Inception: 2,048 features that are the mean colour."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.float().mean((2, 3)).repeat(1, 683)[:, :2048] / 255


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_cross_pairs_are_like_their_source_and_inception_makes_a_fid(micro, tmp_path, capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch announces that TorchScript will go
        torch.jit.script(Features()).save(str(tmp_path / "inception.pt"))
    files = ("--inception", str(tmp_path / "inception.pt"), "--arcface", str(tmp_path / "nowhere.onnx"))
    assert evaluate(micro, tmp_path, "cross", 4, "--no-pictures", *files) == 0
    found = lines(tmp_path, "cross")
    assert "copy 1.000" in found["CSIM (heads)"]["beside"]  # the source against itself
    assert found["FID"]["value"] > 0
    assert "CSIM (ArcFace)" not in found
    printed = capsys.readouterr().out
    assert "Not measured: CSIM (ArcFace)" in printed
    assert "nowhere.onnx" in printed


def test_what_is_no_list_and_files_without_a_protocol_are_refused(micro, tmp_path, capsys):
    (tmp_path / "list.csv").write_text("a,b\n1,2\n")
    named = ("evaluate", "--weights", str(micro), "--out", str(tmp_path / "out"))
    assert main([*named, "--protocol", "self", "--list", str(tmp_path / "list.csv")]) == 2
    assert "error: --list: expected rows of" in capsys.readouterr().err
    for option in ("list", "inception", "arcface"):
        assert main([*named, f"--{option}", "somewhere"]) == 2
        assert f"error: --{option}: expected --protocol" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
