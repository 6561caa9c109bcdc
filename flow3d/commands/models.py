"""``flow3d models [FILE]``: list the networks that others trained, or take in your copy of one."""

from __future__ import annotations

import argparse

from ..model_files import KNOWN, ModelFile, contents, install, is_measured, shipped, users
from ..perception.trial import try_content
from .messages import naming, say
from .parser import Parser

AFTER_STOP = "files whose names were printed are taken in; run it again"


def add_options(parser: Parser) -> None:
    """The arguments of the command."""
    parser.add_argument(
        "file", metavar="FILE", nargs="?",
        help="a .tflite or .binarypb file by its publisher's name, a .task or .zip that holds some, or a folder of "
        "such; without it, the files that are known are listed",
    )  # fmt: skip


def run(options: argparse.Namespace) -> int:
    """List the files, or verify all that FILE holds and then copy those that the package lacks; 0 when done.

    Raises:
        ValueError: FILE holds none that is known, or one that is damaged or another network; nothing is copied.
        OSError: the user's folder cannot be written.
    """
    if options.file is None:
        say("\n".join(f"{state(file)}: {file.name}, {file.purpose}; {file.source}" for file in KNOWN))
        return 0
    taken: dict[str, tuple[ModelFile, bytes, str]] = {}
    with naming("FILE"):
        for file, content in contents(options.file):
            taken[file.place] = file, content, verified(file, content)
        if not taken:
            names = ", ".join(file.name for file in KNOWN)
            raise ValueError(f"path: expected one of {names}, or what holds some, got {options.file!r}")
    for file, content, proof in taken.values():
        if shipped(file):
            say(f"{file.name}: {proof}; not copied, the package has its own")
        else:
            say(f"{file.name}: {proof}; copied to {install(file, content)}")
    return 0


def verified(file: ModelFile, content: bytes) -> str:
    """How a content was found to be sound, in words.

    Raises:
        ValueError: it is not; the message begins with the file's name.
    """
    if is_measured(file, content):
        return "the version that was measured, by its sha256"
    try_content(file, content)
    return "another version, which gives the same numbers for a trial"


def state(file: ModelFile) -> str:
    """Where a file is, in a word."""
    return "shipped" if shipped(file) else "your copy" if users(file).is_file() else "missing"
