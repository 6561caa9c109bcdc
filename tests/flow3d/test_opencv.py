"""OpenCV's errors come in this package's words, and its threads are given back."""

import threading
import tomllib
from pathlib import Path

import cv2
import cv2.utils.logging
import numpy as np
import pytest

from flow3d.opencv import OLDEST, ONE_THREAD, first_line, opencv_errors


@pytest.fixture
def threads():
    before = cv2.getNumThreads()
    cv2.setNumThreads(2)
    yield
    cv2.setNumThreads(before)


def test_an_error_becomes_one_line_that_names_the_argument(capfd):
    with pytest.raises(ValueError, match=r"^image: expected a picture \(OpenCV.*\)$") as raised:  # noqa: SIM117
        with opencv_errors("image", "expected a picture"):
            cv2.resize(np.zeros((0, 3)), (2, 2))
    assert "\n" not in str(raised.value)
    assert capfd.readouterr().err == ""


def test_no_memory_is_told_apart():
    error = cv2.error("no room")
    error.code = -4
    with pytest.raises(MemoryError, match="image: too large"), opencv_errors("image", "too large"):
        raise error


def test_other_errors_pass():
    with pytest.raises(KeyError), opencv_errors("image", "expected a picture"):
        raise KeyError("of another kind")


def test_the_log_level_is_given_back(monkeypatch):
    monkeypatch.delenv("OPENCV_LOG_LEVEL", raising=False)
    before = cv2.utils.logging.getLogLevel()
    with opencv_errors("image", "expected a picture"):
        assert cv2.utils.logging.getLogLevel() == cv2.utils.logging.LOG_LEVEL_SILENT
    assert cv2.utils.logging.getLogLevel() == before


def test_the_first_line_of_an_error():
    assert first_line(ValueError("\n  one\ntwo")) == "one"
    assert first_line(ValueError()) == "ValueError"


def test_a_block_has_one_thread_and_gives_the_others_back(threads):
    with ONE_THREAD:
        assert cv2.getNumThreads() == 1
        with ONE_THREAD:
            assert cv2.getNumThreads() == 1
    assert cv2.getNumThreads() == 2


def test_one_caller_at_a_time():
    inside = threading.Event()

    def other():
        with ONE_THREAD:
            inside.set()

    with ONE_THREAD:
        thread = threading.Thread(target=other)
        thread.start()
        assert not inside.wait(0.05)
    thread.join()
    assert inside.is_set()


def test_the_oldest_version_is_what_the_package_asks_for():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert f"opencv-python>={OLDEST}" in project["dependencies"]
    assert tuple(map(int, cv2.__version__.split(".")[:2])) >= tuple(map(int, OLDEST.split(".")))
