"""What ran where: asked of commands that may be missing, fail or hang, which must not end a run."""

import subprocess
import sys

import pytest

import about

SAID = "NVIDIA H100, 580.1, 1980 MHz, 1980 MHz, 2619 MHz, 120.5 W, 700.00 W, 41, Enabled"


@pytest.mark.parametrize(
    ("script", "answer"),
    [("print(' a card ')", "a card"), ("print('half'); raise SystemExit(3)", "")],
    ids=["it answers", "it fails"],
)
def test_a_command_that_fails_says_nothing(script, answer):
    assert about.output_of(sys.executable, "-c", script) == answer


def test_a_command_that_is_missing_says_nothing():
    assert about.output_of("a-command-that-nobody-has") == ""


def test_a_command_that_hangs_says_nothing(monkeypatch):
    def hang(command, *, timeout, **options):
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(about.subprocess, "run", hang)
    assert about.output_of("nvidia-smi") == ""
    assert about.head_commit() == "unknown"


def test_a_driver_answers_each_question_or_none(monkeypatch):
    monkeypatch.setattr(about, "output_of", lambda *command: SAID)
    assert about.driver()["name"] == "NVIDIA H100"
    assert about.driver()["temperature.gpu"] == "41"
    assert list(about.driver()) == list(about.ASKED)
    monkeypatch.setattr(about, "output_of", lambda *command: "No devices were found")
    assert about.driver() == {}


def test_a_processor_has_a_name():
    assert about.processor() == about.processor().strip() != ""
