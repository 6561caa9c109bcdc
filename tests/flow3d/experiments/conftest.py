"""Frames of two persons, for the tests of this folder."""

import pytest

from flow3d.datasets.cache import FrameCache
from flow3d.datasets.cache_build import build_cache


@pytest.fixture(scope="session")
def frames(tmp_path_factory) -> FrameCache:
    return build_cache(tmp_path_factory.mktemp("experiments") / "frames", 2, 6, 32, seed=5, clips=3)
