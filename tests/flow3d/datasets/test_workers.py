"""Work is shared out to processes that end when they are told to, and when nobody is left to tell them."""

import os
import signal
import subprocess
import sys

import pytest

from flow3d.datasets.workers import work_through


def test_one_worker_works_here_and_in_order():
    done: list[int] = []
    work_through(done.append, [3, 1, 2], 1, lambda: None)
    assert done == [3, 1, 2]


@pytest.mark.slow
def test_a_worker_that_dies_is_one_error_that_says_what_to_do():
    with pytest.raises(OSError, match=r"workers: expected 2 processes, one of them died, .* run the same again"):
        work_through(os._exit, [9] * 4, 2, lambda: None)


@pytest.mark.slow
def test_after_an_error_nothing_more_is_begun(tmp_path):
    """An item that fails stands first; the rest takes longer than dropping it does."""
    folders = [str(tmp_path / "missing" / "first"), *(str(tmp_path / str(k)) for k in range(5000))]
    with pytest.raises(FileNotFoundError):
        work_through(os.mkdir, folders, 2, lambda: None)
    assert len(os.listdir(tmp_path)) < 4000


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="sends signals")
def test_workers_end_when_their_parent_is_killed():
    """The workers hold the other end of the pipe: it closes when the last of them is gone."""
    program = (
        "import time; from flow3d.datasets.workers import work_through\n"
        "work_through(time.sleep, [0.01] + [600] * 3, 2, lambda: print('begun', flush=True))"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert parent.stdout.readline() == "begun\n"
    parent.send_signal(signal.SIGKILL)
    assert parent.communicate(timeout=300)[0] == ""
