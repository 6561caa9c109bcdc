"""Whether a file that somebody brings is the network that it should be: tried in a process of its own."""

from __future__ import annotations

import multiprocessing
from multiprocessing.connection import Connection

from ..model_files import ModelFile
from .face.canonical import read_canonical
from .networks import SHAPES, Network

SECONDS = 60.0  # for a trial; a sound network takes two, most of them for starting Python


def try_content(file: ModelFile, content: bytes, seconds: float = SECONDS) -> None:
    """Check that a content does what ``file`` does: its shapes, and its numbers for a known input.

    OpenCV is made for networks that one trusts: damaged ones can keep it busy for ever, or end the process. So the
    trial has a process of its own and a time limit.

    Raises:
        ValueError: it is damaged, or another network.
    """
    if file.place not in SHAPES:
        read_canonical(content, file.name)
        return
    context = multiprocessing.get_context("spawn")
    answer, question = context.Pipe(duplex=False)
    process = context.Process(target=_try, args=(file, content, question), daemon=True)
    process.start()
    question.close()  # so that the end of the process is seen as the end of the pipe
    try:
        said = answer.recv() if answer.poll(seconds) else "it was not done in time"
    except EOFError:
        said = "it ended the process"
    finally:
        process.kill()
        process.join()
        answer.close()
    if said:
        raise ValueError(said if said.startswith(file.name) else f"{file.name}: expected a TFLite network; {said}")


def _try(file: ModelFile, content: bytes, question: Connection) -> None:
    """Runs in the other process; sends what is wrong, or nothing."""
    try:
        Network(content, file.name, SHAPES[file.place])
        question.send("")
    except (ValueError, MemoryError) as error:
        question.send(str(error) or f"{file.name}: {type(error).__name__}")
