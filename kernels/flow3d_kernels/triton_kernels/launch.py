"""The one door to the GPU: every kernel starts here, is counted, and can be recorded instead of run."""

from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
import triton.language as tl
from torch import Tensor

from .._layout import channels_innermost

launches: Counter[str] = Counter()  # kernel -> how often it was started in this process

FORMATS = {"contiguous": torch.contiguous_format, "channels-last": torch.channels_last_3d}

_recorders: list[list["Launch"]] = []


@dataclass(frozen=True)
class Launch:
    """A kernel that would have been started, and with what."""

    kernel: Any
    programs: int
    arguments: dict[str, Any]


@contextmanager
def recorded() -> Generator[list[Launch]]:
    """Note launches instead of running them: on "meta" tensors, to compile for a card that is not there."""
    record: list[Launch] = []
    _recorders.append(record)
    try:
        yield record
    finally:
        _recorders.pop()


def launch(kernel: Any, programs: int, device: torch.device, **arguments: Any) -> None:
    """Start a kernel on the device of its tensors."""
    if _recorders:
        _recorders[-1].append(Launch(kernel, programs, arguments))
        return
    launches[kernel.__name__] += 1
    with torch.cuda.device(device) if device.type == "cuda" else nullcontext():
        kernel[(programs,)](**arguments)


def float_of(*tensors: Tensor) -> Any:
    """The type of sums and positions: float64 where a tensor has it, else float32."""
    return tl.float64 if torch.float64 in {tensor.dtype for tensor in tensors} else tl.float32


def index_of(elements: int) -> Any:
    """The type of offsets within a sample; a tile may reach a little beyond the last element."""
    return tl.int32 if elements < 2**31 - 2**20 else tl.int64


def layout_of(volume: Tensor) -> str:
    """The layout that a volume has or, where it has neither, is copied to."""
    return "channels-last" if channels_innermost(volume) else "contiguous"


def laid_out(tensor: Tensor, layout: str | None = None) -> Tensor:
    """The tensor dense in its own layout, or in another tensor's."""
    return tensor.contiguous(memory_format=FORMATS[layout or layout_of(tensor)])


def blocks_of(elements: int, block: int) -> int:
    """How many blocks hold so many elements."""
    return -(-elements // block)
