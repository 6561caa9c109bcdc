"""The command cache: what it refuses, and that it stops when it is told to."""

import os
import signal
import subprocess
import sys
import time

import pytest

from flow3d.__main__ import main
from flow3d.datasets.cache import FrameCache

# The command, hearing Ctrl-C even where the tests themselves were started in the background, deaf to it.
HEARING = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from flow3d.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


def test_frames_are_rendered_and_counted(tmp_path, capsys):
    words = ("cache", "--identities", "2", "--frames", "6", "--size", "16", "--workers", "1", "--out")
    for _ in range(2):
        assert main([*words, str(tmp_path / "new" / "frames")]) == 0
        said = capsys.readouterr()
        assert (said.out, said.err) == ("12 frames\n", "")
    assert FrameCache(tmp_path / "new" / "frames").identities == 2


def test_bad_input_is_one_line_that_names_the_option(tmp_path, refused):
    (tmp_path / "file").write_text("mine")
    fixed = ("cache", "--identities", 1, "--frames", 6, "--size", 16, "--workers", 1, "--out")
    assert main([str(word) for word in (*fixed, tmp_path / "old")]) == 0
    for words, message in (
        ((tmp_path / "file",), "--out: expected a folder, got the file"),
        ((tmp_path / "old", "--frames", 9), "--out: expected an empty one or the same cache, got one of frames 6"),
        ((tmp_path / "new", "--frames", 4), "--frames: expected two or more for each of 3 clips"),
        ((tmp_path / "new", "--frames", 1), "--frames: expected a whole number of 2 or more, got '1'"),
        ((tmp_path / "new", "--clips", 4), "--clips: expected a whole number from 1 to 3, got '4'"),
        ((tmp_path / "new", "--size", 33), "--size: expected a power of two from 16 to 2048, got 33"),
        ((tmp_path / "new", "--seed", -1), "--seed: expected a whole number from 0"),
        ((tmp_path / "new", "--seed", 999_999, "--identities", 2), "--seed: expected all identities below or above"),
        ((tmp_path / "new", "--size", 2048, "--identities", 10**6), "--out: expected "),  # free disk
    ):
        assert refused(*fixed, *words).startswith(message)
        assert not (tmp_path / "new").exists()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="sends signals")
def test_ctrl_c_ends_the_workers_too_and_is_one_line(tmp_path):
    """A terminal sends the signal to all processes; here it comes while the workers start."""
    words = ["cache", "--out", str(tmp_path / "out"), "--identities", "200", "--frames", "6", "--workers", "2"]
    job = subprocess.Popen(
        [sys.executable, "-c", HEARING, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    while not (tmp_path / "out" / "unfinished.json").exists():
        assert job.poll() is None
        time.sleep(0.01)
    os.killpg(job.pid, signal.SIGINT)
    said = job.communicate(timeout=100)
    assert (job.returncode, *said) == (130, "", "stopped: run the same command again, and it goes on\n")
    assert not (tmp_path / "out" / "cache.json").exists()
