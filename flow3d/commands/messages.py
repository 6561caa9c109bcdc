"""Messages of commands: errors that name the option that was typed, and text that any console can print."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import cv2.utils.logging

LABEL = re.compile(r"(?P<name>\w+): (?P<rest>.*)", re.DOTALL)  # as the library's own messages begin
PLACES = ("path", "folder", "name_or_folder")  # arguments that receive a typed path or name


@contextmanager
def naming(option: str, *arguments: str) -> Generator[None]:
    """Make errors of a block name ``option``, in place of an argument of the function that was called.

    Args:
        option: as it is typed, such as ``--held-out`` or ``SOURCE``.
        arguments: only errors about these arguments name the option; without any, all errors do.

    Raises:
        ValueError: in place of the ValueError, TypeError or OSError of the block.
    """
    try:
        yield
    except (ValueError, TypeError, OSError) as error:
        text = reason(error)
        label = LABEL.fullmatch(text)
        if arguments and (label is None or label["name"] not in arguments):
            raise
        if isinstance(error, TypeError) and label is None:
            raise  # an error in the program, which needs its traceback
        own = option.lstrip("-").lower().replace("-", "_")
        is_place = label is not None and label["name"] in (own, *PLACES, *arguments)
        raise ValueError(f"{option}: {label['rest'] if label and is_place else text}") from error


def reason(error: Exception) -> str:
    """An error's message; a system error comes without its number."""
    if isinstance(error, OSError) and error.strerror:
        place = "" if error.filename is None else f" {os.fspath(error.filename)!r}"
        return f"cannot use{place or ' a file'} ({error.strerror})"
    return str(error)


def with_option(error: Exception, names: Mapping[str, str]) -> str:
    """The error's message; an argument that an option gave is called by the option.

    Args:
        error: of the library.
        names: how each argument is typed; see :class:`flow3d.commands.parser.Parser`.
    """
    text = reason(error)
    label = LABEL.fullmatch(text)
    return f"{names[label['name']]}: {label['rest']}" if label and label["name"] in names else text


def progress(outcome: str, step: int, steps: int, seconds: float) -> str:
    """How a training ended, and what to do next where it has not finished."""
    end = "" if outcome == "finished" else "; --resume goes on"
    return f"{outcome} at step {step} of {steps}, {seconds:.0f} s{end}"


def say(text: str) -> None:
    """Print a result. What the console cannot encode becomes a question mark; a closed pipe is no error."""
    try:
        _print(text, sys.stdout)
    except BrokenPipeError:
        with suppress(OSError, ValueError), open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())  # else Python fails to flush when it ends


def complain(text: str) -> None:
    """Print one line of warning or error."""
    with suppress(BrokenPipeError):
        _print(" ".join(text.split()), sys.stderr)


def quiet_decoders() -> None:
    """Silence OpenCV and FFmpeg: a command reports in one line of its own what cannot be read."""
    if "OPENCV_LOG_LEVEL" not in os.environ:
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # FFmpeg's level for no output


def _print(text: str, stream: Any) -> None:
    encoding = getattr(stream, "encoding", None) or "utf-8"
    print(text.encode(encoding, "replace").decode(encoding), file=stream, flush=True)
