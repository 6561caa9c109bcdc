"""The first Ctrl-C asks, the second stops, and afterwards both mean what they meant before."""

import signal
import threading

import pytest

from flow3d.training.interrupts import interrupts


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "a request to end"])
def test_the_first_signal_sets_the_event_and_the_second_stops(number, monkeypatch):
    def stops(*_):
        raise KeyboardInterrupt

    before = signal.signal(number, stops)
    try:
        with interrupts() as stop:
            assert not stop.is_set()
            signal.raise_signal(number)
            assert stop.is_set()
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(number)
        assert signal.getsignal(number) is stops
    finally:
        signal.signal(number, before)


def test_beside_the_main_thread_no_signal_is_touched():
    before, events = signal.getsignal(signal.SIGINT), []

    def work() -> None:
        with interrupts() as stop:
            events.append((stop.is_set(), signal.getsignal(signal.SIGINT) is before))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert events == [(False, True)]
