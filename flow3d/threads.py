"""Many small tensors on one thread."""

from collections.abc import Generator
from contextlib import contextmanager

import torch


@contextmanager
def one_thread() -> Generator[None, None, None]:
    """Run a block, or a decorated function, on one thread of torch, and restore their number afterwards.

    A picture of 64 px is made of tensors too small to share out: waking a second thread gains nothing, and where the
    cores are busy each of a thousand operations waits for it, which makes rendering many times slower.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def set_threads(threads: int) -> None:
    """Give torch so many threads.

    Raises:
        ValueError: fewer than one.
    """
    if threads < 1:
        raise ValueError(f"threads: expected at least 1, got {threads}")
    torch.set_num_threads(threads)
