"""One thread for small tensors, and the caller's number of threads afterwards."""

import pytest
import torch

from flow3d.threads import one_thread, set_threads


def test_a_block_has_one_thread_and_gives_the_others_back(two_threads):
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2


def test_the_threads_come_back_after_an_error_too(two_threads):
    @one_thread()
    def fails() -> None:
        assert torch.get_num_threads() == 1
        raise RuntimeError

    with pytest.raises(RuntimeError):
        fails()
    assert torch.get_num_threads() == 2


def test_threads_are_set_and_fewer_than_one_are_refused():
    set_threads(2)
    assert torch.get_num_threads() == 2
    with pytest.raises(ValueError, match="threads: expected at least 1, got 0"):
        set_threads(0)
