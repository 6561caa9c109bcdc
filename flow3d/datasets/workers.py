"""Work shared out to processes, which end when they are told to, or when nobody is left to tell them."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from typing import Any


def work_through(job: Callable[[Any], object], items: Sequence[Any], workers: int, report: Callable[[], None]) -> None:
    """Call ``job`` with each of ``items``, in this process or in several, and ``report`` after each.

    An error or Ctrl-C drops what has not begun.

    Raises:
        OSError: a worker died.
    """
    if workers == 1 or len(items) < 2:
        for item in items:
            job(item)
            report()
        return
    context, workers = get_context("spawn"), min(workers, len(items))
    with ProcessPoolExecutor(workers, mp_context=context, initializer=end_with_parent) as pool:
        try:
            with _deaf_children():
                jobs = [pool.submit(job, item) for item in items]
            for finished in as_completed(jobs):
                finished.result()
                report()
        except BrokenProcessPool as error:
            why = "as it does where memory runs out; run the same again, and it goes on"
            raise OSError(f"workers: expected {workers} processes, one of them died, {why}") from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def end_with_parent() -> None:
    """Let this worker end when the process that started it is gone: else it would wait for work for ever."""
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()


@contextmanager
def _deaf_children() -> Generator[None]:
    """Processes that are started in this block do not hear Ctrl-C, which a terminal sends to all: their parent does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler or signal.SIG_DFL)
