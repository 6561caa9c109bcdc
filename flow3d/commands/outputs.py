"""The place that a command writes to: tested before the work, and left as it was if the work fails."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from .messages import reason


@contextmanager
def writable(folder: str | os.PathLike[str], option: str = "--out") -> Generator[Path]:
    """Make a folder, with those above it, and check that a file can be written there.

    Folders that were made are removed again where the block fails and has put nothing into them.

    Args:
        folder: where the command writes.
        option: as it is typed, for the message.

    Raises:
        ValueError: it cannot be made, or not be written to.
    """
    new: list[Path] = []
    try:
        target = checked_folder(folder, option)
        new = [place for place in (target, *target.parents) if not place.exists()]
        target.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=target):
            pass
    except OSError as error:
        remove_empty(new)
        raise ValueError(f"{option}: expected a folder that can be written, got {_named(folder, error)}") from error
    try:
        yield target
    except BaseException:
        remove_empty(new)
        raise


def checked_folder(folder: str | os.PathLike[str], option: str) -> Path:
    """The folder's path.

    Raises:
        ValueError: no name, or the name of a file.
        OSError: it cannot be inspected.
    """
    text = os.fspath(folder)
    if not text or "\0" in text:
        raise ValueError(f"{option}: expected a folder's name, got {text!r}")
    if (target := Path(text)).exists() and not target.is_dir():
        raise ValueError(f"{option}: expected a folder, got the file {text!r}")
    return target


def remove_empty(folders: Sequence[Path]) -> None:
    """Remove folders, the innermost first, as far as they are empty."""
    with suppress(OSError):
        for place in folders:
            place.rmdir()


def _named(folder: str | os.PathLike[str], error: OSError) -> str:
    return f"{os.fspath(folder)!r} ({error.strerror or reason(error)})"


def check_place(place: Path, option: str) -> None:
    """Check that a file or folder can be made at a place whose parent exists; nothing is left there.

    Raises:
        ValueError: it cannot.
    """
    parent = place.parent
    if not parent.is_dir():
        raise ValueError(f"{option}: expected a place in an existing folder, got {str(place)!r}")
    try:
        with tempfile.TemporaryFile(dir=parent):
            pass
    except OSError as error:
        got = _named(parent, error)
        raise ValueError(f"{option}: expected a place in a folder that can be written, got {got}") from error
