"""One thread for small pictures."""

import pytest
import torch


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Render on one thread: waking a second one takes longer than a small picture, far longer on busy cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
