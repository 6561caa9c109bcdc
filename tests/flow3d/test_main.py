"""The table of commands: what is unknown is named with the nearest, and Ctrl-C says what to do next.

Tests: __main__.
"""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from flow3d import __main__ as entry
from flow3d.__main__ import COMMANDS, main
from flow3d.preprocessing import write_image


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("", "error: COMMAND: expected a value, got none; see flow3d --help"),
        ("reenakt a b c", "error: COMMAND: expected reenact, cache, train, regress, evaluate, ablate, rivals or "
         "models, got 'reenakt'; the nearest is reenact"),
        ("--verison", "error: --verison: expected an option of flow3d"),
        ("evaluate --wieghts a", "error: --wieghts: expected an option of flow3d evaluate; the nearest is --weights"),
        ("reenact a b", "error: OUT: expected a value, got none; see flow3d reenact --help"),
        ("ablate --data a --out b --variants stict", "error: --variants: expected 'extended', 'without pose_flow', "),
        ("regress", "error: --data: expected a folder, got none; or --evaluate WEIGHTS"),
        ("regress --evaluate nothing", "error: --evaluate: expected"),
        ("rivals --data a --out b --ours nowhere", "error: --ours: expected a folder that ablate wrote, found none"),
    ],
    ids=["nothing", "command", "option", "option of a command", "missing", "variant", "no folder", "weights", "ours"],
)  # fmt: skip
def test_bad_input_is_one_line_and_code_two(capsys, monkeypatch, tmp_path, words, line):
    monkeypatch.chdir(tmp_path)
    assert main(words.split()) == 2
    said = capsys.readouterr()
    assert said.err.startswith(line)
    assert said.err.count("\n") == 1
    assert said.out == ""
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", COMMANDS)
def test_ctrl_c_is_code_130_and_says_what_to_do_next(command, capsys, monkeypatch):
    def stop(_: object) -> int:
        raise KeyboardInterrupt

    words = {"reenact": "a b c", "train": "--data a --out b", "evaluate": "--weights a --out b", "cache": "--out a",
             "regress": "", "ablate": "--data a --out b", "rivals": "--data a --out b", "models": ""}  # fmt: skip
    monkeypatch.setattr(COMMANDS[command][0], "run", stop)
    assert main([command, *words[command].split()]) == 130
    said = capsys.readouterr().err
    assert said.startswith("stopped: ")
    assert "again" in said
    assert said.count("\n") == 1


def test_a_loss_that_is_not_finite_is_code_one(capsys, monkeypatch):
    def fail(_: object) -> int:
        raise FloatingPointError("rgb: expected finite numbers")

    monkeypatch.setattr(COMMANDS["train"][0], "run", fail)
    assert main(["train", "--data", "a", "--out", "b"]) == 1
    assert capsys.readouterr().err == "stopped: rgb: expected finite numbers; the last checkpoint is kept\n"


@pytest.mark.parametrize("words", [[], *([command] for command in COMMANDS)], ids=["flow3d", *COMMANDS])
def test_help_is_plain_enough_for_any_console(words, capsys):
    with pytest.raises(SystemExit, match="0"):
        main([*words, "--help"])
    said = capsys.readouterr().out
    assert said.startswith(" ".join(["usage: flow3d", *words]))
    assert said.isascii()


def test_files_that_break_off_are_one_line_too(tmp_path):
    """Decoders print to the process's own stderr, past Python."""
    write_image(tmp_path / "whole.png", torch.zeros(3, 64, 64))
    (tmp_path / "half.png").write_bytes((tmp_path / "whole.png").read_bytes()[:100])
    (tmp_path / "half.mp4").write_bytes(b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + bytes(range(256)))
    for source, driving, line in (
        ("half.png", "talking_head", "error: SOURCE: expected an image that OpenCV can decode, got 'half.png'\n"),
        ("whole.png", "half.mp4", "error: DRIVING: expected frames of a film or a folder, got none in 'half.mp4'\n"),
    ):
        words = [sys.executable, "-m", "flow3d", "reenact", source, driving, "out.gif"]
        job = subprocess.run(words, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert (job.returncode, job.stdout, job.stderr) == (2, "", line)


def test_the_script_and_the_module_are_one():
    """pyproject names the same function that ``python -m flow3d`` runs."""
    script = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    assert 'flow3d = "flow3d.__main__:main"' in script
    job = subprocess.run([sys.executable, "-m", "flow3d", "reenakt"], capture_output=True, text=True, check=False)
    assert (job.returncode, job.stdout) == (2, "")
    assert job.stderr.startswith("error: COMMAND: expected reenact, ")
    assert entry.parser().prog == "flow3d"
