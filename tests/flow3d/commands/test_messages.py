"""Errors name what was typed, and text reaches any console."""

import io
import os
import subprocess
import sys

import pytest

from flow3d.commands.messages import complain, naming, progress, say, with_option


def renamed(error: Exception, option: str, *arguments: str) -> str:
    with pytest.raises(ValueError) as raised, naming(option, *arguments):  # noqa: PT011
        raise error
    return str(raised.value)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("folder: expected a cache, got 'x'"), "--data: expected a cache, got 'x'"),
        (FileNotFoundError("name_or_folder: expected config.json"), "--data: expected config.json"),
        (ValueError("data: expected 32 px, got 64"), "--data: expected 32 px, got 64"),
        (TypeError("path: expected a name, got 3"), "--data: expected a name, got 3"),
        (ValueError("yaw: expected finite numbers, got nan"), "--data: yaw: expected finite numbers, got nan"),
        (ValueError("no argument is named"), "--data: no argument is named"),
        (FileExistsError(17, "File exists", "a_file"), "--data: cannot use 'a_file' (File exists)"),
        (OSError(28, "No space left on device"), "--data: cannot use a file (No space left on device)"),
    ],
    ids=["folder", "weights", "its own", "type", "another name", "no name", "system, file", "system"],
)
def test_an_error_of_the_block_names_the_option(error, message):
    assert renamed(error, "--data") == message


def test_only_the_arguments_that_are_named_become_the_option():
    assert renamed(ValueError("fps: expected 50"), "--fps", "fps") == "--fps: expected 50"
    assert renamed(ValueError("batch: expected 2"), "--fps", "fps") == "batch: expected 2"
    assert renamed(ValueError("folder: expected one"), "--fps", "fps") == "folder: expected one"


def test_mistakes_of_the_program_keep_their_traceback():
    for mistake in (TypeError("run() takes 1 positional argument but 2 were given"), KeyError("x")):
        with pytest.raises(type(mistake)), naming("--data"):
            raise mistake


def test_an_argument_that_an_option_gave_is_called_by_the_option():
    names = {"held_out": "--held-out", "source": "SOURCE"}
    assert with_option(ValueError("held_out: expected 32 px"), names) == "--held-out: expected 32 px"
    assert with_option(ValueError("source: expected 64 px"), names) == "SOURCE: expected 64 px"
    assert with_option(ValueError("gradient: not finite"), names) == "gradient: not finite"
    assert with_option(ValueError("--data: found none"), names) == "--data: found none"


@pytest.mark.parametrize(("encoding", "expected"), [("ascii", b"Fr?chet ?\n"), ("cp932", b"Fr?chet \x81\x8b\n")])
def test_what_a_console_cannot_encode_becomes_a_question_mark(monkeypatch, encoding, expected):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="\n")
    monkeypatch.setattr(sys, "stdout", stream)
    say("Fréchet °")
    assert stream.buffer.getvalue() == expected


def test_no_console_at_all_is_no_error(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    say("nobody hears")
    complain("nobody hears")


@pytest.mark.skipif(os.name == "nt", reason="closes one end of a pipe")
def test_a_reader_that_has_left_is_no_error():
    program = "from flow3d.commands.messages import say; input(); [say('x' * 10_000) for _ in range(20)]; print('end')"
    job = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert job.stdout is not None
    job.stdout.close()
    job.stdout = None
    _, errors = job.communicate(b"\n", timeout=600)
    assert (job.returncode, errors) == (0, b"")


def test_a_warning_is_one_line(capsys):
    complain("warning: two\nlines")
    assert capsys.readouterr().err == "warning: two lines\n"


def test_a_training_that_has_not_finished_says_how_it_goes_on():
    assert progress("finished", 5, 5, 3.4) == "finished at step 5 of 5, 3 s"
    assert progress("interrupted", 2, 5, 3.4) == "interrupted at step 2 of 5, 3 s; --resume goes on"
