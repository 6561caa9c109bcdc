"""CUDA graphs without a card: what a capture holds on to, and on which streams it works."""

import contextlib
import gc
import types
import weakref

import torch


class Held:
    """Work that reads a tensor, and whether anybody still holds that tensor."""

    def __init__(self):
        self._alive = weakref.WeakSet()

    def work(self):
        tensor = torch.ones(4)
        self._alive.add(tensor)
        return lambda: tensor.sum()

    def alive(self):
        gc.collect()
        return len(self._alive) > 0


class Stream:
    """A stream that knows its name only."""

    def __init__(self, name="side"):
        self.name = name

    def wait_stream(self, other):
        pass


def fake_graphs(monkeypatch):
    """Let torch.cuda's graphs and streams be played; what is done on which stream is noted in the list returned."""
    noted = []

    @contextlib.contextmanager
    def on(stream, what="warmed up"):
        noted.append(f"{what} on {stream.name}")
        yield

    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: types.SimpleNamespace(replay=lambda: None))
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: Stream("main"))
    monkeypatch.setattr(torch.cuda, "stream", on)
    monkeypatch.setattr(torch.cuda, "graph", lambda graph, stream: on(stream, "captured"))
    return noted
