"""The command line, called as a shell calls it, without a process of its own."""

from collections.abc import Callable

import pytest
import torch

from flow3d import FlowRenderer, preset
from flow3d.__main__ import main


@pytest.fixture(autouse=True)
def own_threads():
    """A command sets how many threads torch has."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def refused(capsys) -> Callable[..., str]:
    """Call the command line with what it must refuse; return its one line."""

    def call(*words: object) -> str:
        capsys.readouterr()
        assert main([str(word) for word in words]) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.count("\n") == 1
        assert said.err.startswith("error: ")
        return said.err.removeprefix("error: ").rstrip()

    return call


@pytest.fixture(scope="session")
def micro(tmp_path_factory):
    """A folder with the weights of a micro renderer that has learnt nothing."""
    torch.manual_seed(1)
    return FlowRenderer(preset("micro", "extended")).save_pretrained(tmp_path_factory.mktemp("micro") / "weights")
