"""Frames of two persons, and pictures of three, for the tests of this folder."""

import pytest

from flow3d.datasets.cache import FrameCache
from flow3d.datasets.cache_build import build_cache
from flow3d.training.identity_data import Arrays, render_persons


@pytest.fixture(scope="session")
def data(tmp_path_factory) -> FrameCache:
    return build_cache(tmp_path_factory.mktemp("frames"), 2, 6, 32, seed=11, every=10, clips=2)


@pytest.fixture(scope="session")
def persons() -> Arrays:
    return render_persons(300_000, 3, 6)
