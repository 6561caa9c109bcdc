"""The number of torch's threads: many small tensors need one."""

from collections.abc import Generator
from contextlib import contextmanager

import torch


@contextmanager
def one_thread() -> Generator[None, None, None]:
    """Run a block, or a decorated function, on one thread of torch, and restore their number afterwards.

    The tensors of a picture of 64 px are too small to share out. A second thread gains nothing, and on busy cores each
    of a thousand operations waits for it, which makes rendering many times slower.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def set_threads(threads: int) -> None:
    """Set the number of torch's threads.

    Raises:
        ValueError: fewer than one.
    """
    if threads < 1:
        raise ValueError(f"threads: expected at least 1, got {threads}")
    torch.set_num_threads(threads)
