"""OpenCV's errors in this package's words, without what it prints itself, and on one thread."""

from __future__ import annotations

import os
import threading
from collections.abc import Generator
from contextlib import contextmanager

import cv2
import cv2.utils.logging

OLDEST = (
    "4.13"  # as pyproject.toml says: 4.11 cannot read the network of expression scores, 4.12 has no cv2.utils.logging
)
NO_MEMORY = -4  # OpenCV's code for it


def first_line(error: Exception) -> str:
    """The first line of an error's message that is not empty, or else the error's name."""
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__).strip()


@contextmanager
def opencv_errors(argument: str, trouble: str) -> Generator[None]:
    """Raise OpenCV's errors of a block as ValueError, ``argument: trouble (OpenCV's first line)``; print none of them.

    OpenCV writes warnings and errors to the console by itself. Unless OPENCV_LOG_LEVEL asks for them, it is silent
    within the block: what it cannot do is in the error.

    Args:
        argument: what the message begins with.
        trouble: what could not be done, such as "expected a TFLite network".

    Raises:
        ValueError: OpenCV raised an error.
        MemoryError: OpenCV found no memory.
    """
    level = cv2.utils.logging.getLogLevel()
    if "OPENCV_LOG_LEVEL" not in os.environ:
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    except cv2.error as error:
        kind = MemoryError if error.code == NO_MEMORY else ValueError
        raise kind(f"{argument}: {trouble} ({first_line(error)})") from error
    finally:
        cv2.utils.logging.setLogLevel(level)


class OneThread:
    """A lock under which OpenCV has one thread: ``with ONE_THREAD:``.

    OpenCV's number of threads belongs to the process, and its networks keep their state between input and output, so
    that one caller at a time may use them. A second thread would only wait for a busy core, see
    :mod:`flow3d.threads`. A process that is forked meanwhile gets a free lock.
    """

    def __init__(self) -> None:
        self._free()
        if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
            os.register_at_fork(after_in_child=self._free)

    def _free(self) -> None:
        self._lock = threading.RLock()
        self._before: list[int] = []

    def __enter__(self) -> None:
        self._lock.acquire()
        self._before.append(cv2.getNumThreads())
        if self._before[-1] != 1:
            cv2.setNumThreads(1)

    def __exit__(self, *_: object) -> None:
        if (threads := self._before.pop()) != 1:
            cv2.setNumThreads(threads)
        self._lock.release()


ONE_THREAD = OneThread()
