"""Work shared out to processes, which end when they are told to, or when nobody is left to tell them."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process, resource_tracker
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
    with ProcessPoolExecutor(workers, mp_context=context, initializer=begin_worker) as pool:
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
            pool.shutdown(cancel_futures=True)  # it waits here: leaving the block would take the cancelling back


def begin_worker() -> None:
    """Leave Ctrl-C to the process that started this worker, and end with it: else it would wait for work for ever."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()


@contextmanager
def _deaf_children() -> Generator[None]:
    """Processes started in this block do not hear Ctrl-C, which a terminal sends to all, not even while they start.

    This process hears it when the block ends: in its middle, a child would be left without its orders.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard = threading.Event()
    handler = signal.signal(signal.SIGINT, lambda *_: heard.set())
    try:
        with _blocked(signal.SIGINT):
            yield
    finally:
        signal.signal(signal.SIGINT, handler or signal.SIG_DFL)
    if heard.is_set():
        signal.raise_signal(signal.SIGINT)


@contextmanager
def _blocked(number: int) -> Generator[None]:
    """Block a signal for this thread, and for processes that it starts; a system that cannot does not."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # multiprocessing's own helper lifts the block when it starts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
