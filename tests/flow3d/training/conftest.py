"""Pictures of three persons, for the tests of this folder."""

import pytest

from flow3d.training.identity_data import Arrays, render_persons


@pytest.fixture(scope="session")
def persons() -> Arrays:
    return render_persons(300_000, 3, 6)
