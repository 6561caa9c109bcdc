"""Stopping between two steps: Ctrl-C and SIGTERM let the running step finish."""

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def interrupts() -> Generator[threading.Event]:
    """Yield an event that the first Ctrl-C or SIGTERM sets; a second one stops at once."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    kept = {int(number): signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, _: object) -> None:
        stop.set()
        signal.signal(number, kept[number] or signal.SIG_DFL)

    for number in kept:
        signal.signal(number, note)
    try:
        yield stop
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler or signal.SIG_DFL)
