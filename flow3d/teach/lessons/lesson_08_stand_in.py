"""Stands in for Triton where no wheel of it exists (macOS, Windows): ``triton`` and ``tl`` of notebook 08.

It runs small kernels on PyTorch tensors, one program after the other: enough to learn on, and nothing that the package
itself ever uses.
"""

import functools
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from flow3d_kernels.triton_kernels.address_check import refuse_stray_lanes


@dataclass(frozen=True)
class Pointer:
    """Places in a tensor's memory, counted in elements; from ``first`` to ``last`` they are the tensor's own."""

    memory: Tensor
    first: int
    last: int
    place: Any = 0

    def __add__(self, offset: Any) -> "Pointer":
        return Pointer(self.memory, self.first, self.last, self.place + offset)


class Kernel:
    """A function that ``kernel[(programs,)](...)`` runs once per program."""

    program = 0

    def __init__(self, function: Callable[..., Any]):
        functools.update_wrapper(self, function)
        self.function = function

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Run inside another kernel."""
        return self.function(*arguments, **named)

    def __getitem__(self, grid: tuple[int]) -> Callable[..., None]:
        """Return the function that starts so many programs."""
        (programs,) = grid

        def start(*arguments: Any, **named: Any) -> None:
            named.pop("num_warps", None)
            for program in range(programs):
                Kernel.program = program
                self.function(*map(_pointer, arguments), **{name: _pointer(value) for name, value in named.items()})

        return start


def _pointer(value: Any) -> Any:
    """What a kernel gets for an argument: for a tensor, where it begins in its memory."""
    if not isinstance(value, Tensor):
        return value
    first = value.storage_offset()
    steps = sum((size - 1) * stride for size, stride in zip(value.shape, value.stride(), strict=True))
    size = value.untyped_storage().nbytes() // value.element_size()
    return Pointer(value.as_strided((size,), (1,), 0), first, first + steps, first)


_checking = [False]


@contextmanager
def checked_addresses() -> Generator[None]:
    """Refuse, within a block, lanes that leave the tensor they were given; else they may use all of its memory."""
    _checking.append(True)
    try:
        yield
    finally:
        _checking.pop()


def _places(access: str, pointer: Pointer, mask: Any) -> tuple[Tensor, Tensor]:
    """Every lane's place, and which lanes work; a place outside of the memory is refused, as no card would."""
    mask = torch.as_tensor(True if mask is None else mask)
    place, works = torch.broadcast_tensors(torch.as_tensor(pointer.place), mask)
    first, last = (pointer.first, pointer.last) if _checking[-1] else (0, len(pointer.memory) - 1)
    begin, size = pointer.memory.data_ptr(), pointer.memory.element_size()
    tensor = (begin + size * first, begin + size * (last + 1), f"{last - first + 1} values of {pointer.memory.dtype}")
    addresses = (begin + size * place.long()).numpy().astype(np.uint64)
    refuse_stray_lanes(access, addresses, works.numpy(), size, [tensor])
    return place, works


def _load(pointer: Pointer, mask: Any = None, other: float = 0) -> Tensor:
    place, works = _places("load", pointer, mask)
    value = pointer.memory[torch.where(works, place, 0)]
    return torch.where(works, value, torch.as_tensor(other, dtype=value.dtype))


def _put(pointer: Pointer, value: Any, mask: Any, add: bool) -> None:
    place, works = _places("atomic" if add else "store", pointer, mask)
    values = torch.as_tensor(value).to(pointer.memory.dtype).expand(place.shape)
    pointer.memory.index_put_((place[works],), values[works], accumulate=add)


triton = SimpleNamespace(
    __version__="missing (a stand-in runs the small kernels)",
    jit=Kernel,
    cdiv=lambda a, b: -(-a // b),
    next_power_of_2=lambda n: 1 << (n - 1).bit_length(),
)
tl = SimpleNamespace(
    constexpr=int,
    float32=torch.float32,
    int32=torch.int32,
    int64=torch.int64,
    static_range=range,
    program_id=lambda axis: torch.tensor(Kernel.program),
    cdiv=lambda a, b: -(-a // b),
    abs=torch.abs,
    arange=torch.arange,
    zeros=lambda shape, dtype: torch.zeros(shape, dtype=dtype),
    load=_load,
    store=lambda pointer, value, mask=None: _put(pointer, value, mask, add=False),
    atomic_add=lambda pointer, value, mask=None, sem=None: _put(pointer, value, mask, add=True),
    where=torch.where,
    floor=torch.floor,
    sqrt=torch.sqrt,
    minimum=lambda a, b: torch.minimum(torch.as_tensor(a), torch.as_tensor(b)),
    maximum=lambda a, b: torch.maximum(torch.as_tensor(a), torch.as_tensor(b)),
    sum=lambda value, axis: value.sum(axis),
)
