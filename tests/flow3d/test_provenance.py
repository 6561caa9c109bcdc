"""What a measurement says of its origin, with and without git and a driver."""

import subprocess

import pytest
import torch

from flow3d import provenance
from flow3d.provenance import card, head_commit


def answering(monkeypatch, answers: dict[str, str]) -> None:
    """Programs that print what is given; the others are not installed."""

    def run(command: list[str], **_) -> subprocess.CompletedProcess[str]:
        if command[0] not in answers:
            raise FileNotFoundError(command[0])
        return subprocess.CompletedProcess(command, 0, answers[command[0]], "")

    monkeypatch.setattr(provenance.subprocess, "run", run)


def test_the_commit_is_the_clones_or_unknown(monkeypatch):
    answering(monkeypatch, {"git": "0123456789abcdef\n"})
    assert head_commit() == "0123456789abcdef"
    answering(monkeypatch, {"git": ""})  # not in a clone
    assert head_commit() == "unknown"
    answering(monkeypatch, {})
    assert head_commit() == "unknown"


def test_a_card_is_named_with_its_driver_or_without(monkeypatch):
    pytest.importorskip("triton", reason="Triton has no wheel here")
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda number: "a card")
    for version, toolkit in (("cuda", "12.8"), ("hip", "6.4")):
        for each in ("cuda", "hip"):
            monkeypatch.setattr(torch.version, each, toolkit if each == version else None)
        answering(monkeypatch, {"nvidia-smi": "580.1\n"} if version == "cuda" else {})
        about = card()
        assert about["device"] == "a card"
        assert about["driver"] == ("580.1" if version == "cuda" else "unknown")
        assert about["toolkit"] == toolkit
