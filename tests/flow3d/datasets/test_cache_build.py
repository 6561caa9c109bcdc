"""A cache is built whole, goes on where it was stopped, and says what is in its way."""

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest

from flow3d.datasets import cache_build
from flow3d.datasets.cache import FrameCache
from flow3d.datasets.cache_build import build_cache

SEED = 31


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> FrameCache:
    return build_cache(tmp_path_factory.mktemp("cache") / "frames", 3, 2, 16, seed=SEED, every=1)


def same(one: FrameCache, other: FrameCache) -> bool:
    return all(np.array_equal(one.arrays[name], other.arrays[name]) for name in one.arrays)


def test_an_interrupted_build_is_finished_and_says_so_until_then(tmp_path, cache):
    reports = []

    def stop(count: int, total: int) -> None:
        reports.append((count, total))
        if len(reports) == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_cache(tmp_path, 3, 2, 16, seed=SEED, every=1, progress=stop)
    with pytest.raises(FileNotFoundError, match="unfinished"):
        FrameCache(tmp_path)
    again = build_cache(tmp_path, 3, 2, 16, seed=SEED, every=1, progress=stop)
    assert reports == [(1, 3), (2, 3), (3, 3)]
    assert same(again, cache)


@pytest.mark.slow
def test_several_processes_write_the_same_bytes(tmp_path, cache):
    assert same(build_cache(tmp_path, 3, 2, 16, seed=SEED, every=1, workers=2), cache)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({"seed": 999_999}, "seed: expected all identities"),
        ({"frames": 1}, "frames: expected 2"),
        ({"size": 33}, "size: expected a power of two"),
        ({"frames": 8, "clips": 4}, "clips: expected 1, 2 or 3"),
        ({"frames": 5, "clips": 2}, "frames: expected two or more for each of 2 clips"),
    ],
    ids=["both kinds of seeds", "one frame", "size", "four clips", "unequal clips"],
)
def test_bad_requests_are_named(tmp_path, counts, message):
    with pytest.raises(ValueError, match=message):
        build_cache(tmp_path / "new", 2, **counts)
    assert not os.listdir(tmp_path)


def test_a_folder_of_another_cache_is_refused_by_what_differs(cache):
    with pytest.raises(ValueError, match=r"folder: expected an empty one or the same cache, got one of identities 3$"):
        build_cache(cache.folder, 2, 2, 16, seed=SEED, every=1)


def test_half_of_an_earlier_version_s_cache_is_not_gone_on_with(tmp_path):
    kept = {"version": 2, "identities": 2, "frames": 2, "size": 16, "seed": SEED, "every": 1, "clips": 1}
    (tmp_path / "unfinished.json").write_text(json.dumps(kept))
    with pytest.raises(ValueError, match=r"folder: expected a cache of version 3, got 2 in unfinished\.json"):
        build_cache(tmp_path, 2, 2, 16, seed=SEED, every=1)
    assert os.listdir(tmp_path) == ["unfinished.json"]


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OSError, match=r"folder: expected a folder that can be written, got .*file"):
        build_cache(tmp_path / "file", 2, 2, 16)


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="this system reserves nothing")
def test_every_file_has_its_blocks_before_anything_is_rendered(tmp_path, monkeypatch):
    """A mapped file that lacks a block when the disk is full ends the process by SIGBUS."""
    sparse = []

    def look(folder: Path, described: dict, number: int) -> None:
        files = [file.stat() for file in folder.iterdir()]
        sparse.extend(file for file in files if file.st_blocks * 512 < file.st_size)

    monkeypatch.setattr(cache_build, "_render_identity", look)
    build_cache(tmp_path, 1, 2, 32)
    assert not sparse


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="this system reserves nothing")
def test_a_disk_that_is_full_is_named_and_leaves_nothing(tmp_path, monkeypatch):
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match=r"folder: expected 0\.\d MiB of free disk, got \d+\.\d"):
        build_cache(tmp_path, 1, 2, 32)
    assert not os.listdir(tmp_path)


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="this system reserves nothing")
def test_a_file_system_that_reserves_nothing_is_used_as_it_is(tmp_path, monkeypatch):
    def refuse(*_: int) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    assert build_cache(tmp_path, 1, 2, 16, every=1).identities == 1
