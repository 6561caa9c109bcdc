"""An address checker for Triton's interpreter, which by itself reads and writes wherever a pointer leads.

    with checked_addresses() as seen:  # in a process started with TRITON_INTERPRET=1
        warp3d(volume, flow)
    print(seen.lanes)

Every lane that a mask lets through must lie inside one of the tensors that its kernel was given; else the kernel ends
with an error that says which access, how many lanes and how far outside. It holds for kernels of any package.
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy
from torch import Tensor

Memory = tuple[int, int, str]  # a tensor's first byte, the byte behind its last one, its name


def stray_lanes(places: numpy.ndarray, works: numpy.ndarray, size: int, tensors: Sequence[Memory]) -> numpy.ndarray:
    """Which of the lanes that work touch a byte that lies in none of the tensors.

    Args:
        places: the address of the first byte that each lane touches, uint64 of any shape.
        works: whether the mask lets the lane through, of the same shape.
        size: bytes that a lane touches.
        tensors: (first byte, byte behind the last one, name) of each tensor that the kernel was given.
    """
    inside = numpy.zeros(places.shape, bool)
    for first, end, _ in tensors:
        inside |= (places >= numpy.uint64(first)) & (places + numpy.uint64(size) <= numpy.uint64(end))
    return works & ~inside


def refuse_stray_lanes(
    access: str, places: numpy.ndarray, works: numpy.ndarray, size: int, tensors: Sequence[Memory]
) -> None:
    """Look at every lane of a load, a store or an atomic; arguments as those of ``stray_lanes``.

    Raises:
        IndexError: a lane strays; it says how many do, and how far from which tensor the first of them is.
    """
    stray = stray_lanes(places, works, size, tensors)
    if not stray.any():
        return
    place = int(places[stray][0])
    first, end, name = min(tensors, key=lambda tensor: min(abs(place - tensor[0]), abs(place - tensor[1])))
    where = f"{first - place} bytes before" if place < first else f"{place - end} bytes behind the end of"
    count = f"{stray.sum()} of {works.sum()} lanes"
    raise IndexError(f"{access}: {count} lie outside every tensor; {where} {name}")


@dataclass
class Seen:
    """The tensors of the kernel that runs; lanes looked at, bytes loaded."""

    tensors: list[Memory] = field(default_factory=list)
    lanes: int = 0
    loaded: int = 0  # what a card's L2 cache would have to deliver if nothing were read from nearer by

    def add(self, tensor: Tensor) -> None:
        """Note where a tensor's elements lie; a tensor without any has no place."""
        if tensor.numel() == 0:
            return
        steps = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
        first = tensor.data_ptr()
        name = f"a tensor of shape {tuple(tensor.shape)}, {str(tensor.dtype)[6:]}"
        self.tensors.append((first, first + (steps + 1) * tensor.element_size(), name))

    def check(self, access: str, pointers: Any, mask: Any) -> None:
        """Refuse a lane that lies in no tensor.

        Raises:
            IndexError: there is one.
        """
        places = pointers.data.astype(numpy.uint64)
        works = numpy.broadcast_to(mask.data, places.shape).astype(bool)
        size = max(1, pointers.get_element_ty().primitive_bitwidth // 8)
        self.lanes += int(works.sum())
        self.loaded += int(works.sum()) * size if access == "load" else 0
        refuse_stray_lanes(access, places, works, size, self.tensors)


@contextmanager
def checked_addresses() -> Generator[Seen]:
    """Check every kernel that runs interpreted within the block."""
    from triton.runtime import interpreter  # so that the check itself can be had where Triton is not

    seen = Seen()
    builder, executor = interpreter.InterpreterBuilder, interpreter.GridExecutor
    replaced: list[tuple[Any, str, Any]] = []

    def replace(owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        replaced.append((owner, name, getattr(owner, name)))
        setattr(owner, name, make(getattr(owner, name)))

    def forgetting(run: Any) -> Any:
        def start(self: Any, *arguments: Any, **named: Any) -> Any:
            seen.tensors.clear()
            return run(self, *arguments, **named)

        return start

    def noting(convert: Any) -> Any:
        def note(argument: Any) -> Any:
            if isinstance(argument, Tensor):
                seen.add(argument)
            return convert(argument)

        return note

    replace(executor, "__call__", forgetting)
    replace(interpreter, "_implicit_cvt", noting)
    for name, access, mask_at in (
        ("create_masked_load", "load", 1),
        ("create_masked_store", "store", 2),
        ("create_atomic_rmw", "atomic", 3),
    ):

        def checking(run: Any, access: str = access, mask_at: int = mask_at) -> Any:
            def checked(self: Any, *arguments: Any) -> Any:
                pointers = arguments[1 if access == "atomic" else 0]
                seen.check(access, pointers, arguments[mask_at])
                return run(self, *arguments)

            return checked

        replace(builder, name, checking)
    try:
        yield seen
    finally:
        for owner, name, original in reversed(replaced):
            setattr(owner, name, original)
