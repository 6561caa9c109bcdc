"""The command line, called as a shell calls it, without a process of its own."""

from collections.abc import Callable

import pytest

from flow3d.__main__ import main


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
