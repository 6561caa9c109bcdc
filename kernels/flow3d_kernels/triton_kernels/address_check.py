"""An address checker for Triton's interpreter, which by itself reads and writes wherever a pointer leads.

    with checked_addresses() as seen:  # in a process started with TRITON_INTERPRET=1
        warp3d(volume, flow)
    print(seen.lanes)

Every lane that a mask lets through must lie inside one of the tensors that its kernel was given; else the kernel ends
with an error that says which access, how many lanes and how far outside. It holds for kernels of any package.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy
from torch import Tensor
from triton.runtime import interpreter


@dataclass
class Seen:
    """The tensors of the kernel that runs, as (first byte, byte behind, name); lanes looked at, bytes loaded."""

    tensors: list[tuple[int, int, str]] = field(default_factory=list)
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
        places = places[numpy.broadcast_to(mask.data, places.shape).astype(bool)]
        size = numpy.uint64(max(1, pointers.get_element_ty().primitive_bitwidth // 8))
        inside = numpy.zeros(places.shape, bool)
        for first, end, _ in self.tensors:
            inside |= (places >= numpy.uint64(first)) & (places + size <= numpy.uint64(end))
        self.lanes += places.size
        self.loaded += places.size * int(size) if access == "load" else 0
        if not inside.all():
            stray = int(places[~inside][0])
            near = min(self.tensors, key=lambda tensor: min(abs(stray - tensor[0]), abs(stray - tensor[1])))
            where = (
                f"{near[0] - stray} bytes before" if stray < near[0] else f"{stray - near[1]} bytes behind the end of"
            )
            raise IndexError(
                f"{access}: {(~inside).sum()} of {places.size} lanes lie outside every tensor; {where} {near[2]}"
            )


@contextmanager
def checked_addresses() -> Generator[Seen]:
    """Check every kernel that runs interpreted within the block."""
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
