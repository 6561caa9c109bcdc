"""Notebook 08's helpers: the package's kernels as text, with a planted mistake, or compiled for absent cards.

``triton`` and ``tl`` here stand in for Triton where no wheel of it exists (macOS, Windows). They run small kernels on
PyTorch tensors, one program after the other: enough to learn on, and nothing that the package itself ever uses.
"""

import ast
import functools
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from IPython.display import Markdown, display
from torch import Tensor

import flow3d_kernels

KERNELS = Path(flow3d_kernels.__file__).parent / "triton_kernels"


def kernel_text(name: str) -> str:
    """Return the source of a kernel such as ``warp_forward.warp3d_forward``; it is read, not imported.

    Raises:
        ValueError: there is no such module or function.
    """
    module, _, function = name.partition(".")
    path = KERNELS / f"{module}.py"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef) and node.name == function:
            lines, note = text.splitlines(), node.body[0]
            whole = range(node.lineno - 1, node.end_lineno or node.lineno)
            docstring = range(note.lineno - 1, note.end_lineno or note.lineno) if ast.get_docstring(node) else ()
            kept = [lines[i] for i in whole if i not in docstring]
            return "\n".join(["@triton.jit", *kept])
    raise ValueError(f"name: expected module.function of {KERNELS.name}, got {name!r}")


def show_kernel(*names: str) -> None:
    """Display kernels of the package, as ``show_source`` does with functions, whether or not Triton is there."""
    for name in names:
        place = f"flow3d_kernels/{KERNELS.name}/{name.partition('.')[0]}.py"
        display(Markdown(f"```python\n# {place}\n{kernel_text(name)}\n```"))


def launches() -> Counter[str]:
    """How often each of the package's kernels ran: a counter that keeps counting; empty where there is no Triton."""
    if importlib.util.find_spec("triton") is None:
        return Counter()
    from flow3d_kernels.triton_kernels import launch

    return launch.launches


@contextmanager
def planted(right: str, wrong: str) -> Generator[None]:
    """Let the package's forward warp run, within a block, as if its source said ``wrong`` instead of ``right``.

    Raises:
        ValueError: the source does not say ``right`` exactly once.
    """
    from flow3d_kernels.triton_kernels import warp_op

    source = (KERNELS / "warp_forward.py").read_text(encoding="utf-8")
    if source.count(right) != 1:
        raise ValueError(
            f"right: expected text that warp_forward.py has once, got {right!r}, {source.count(right)} times"
        )
    kernels: Any = warp_op
    whole = kernels.warp3d_forward
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "spoilt_warp_forward.py")
        file.write_text(source.replace(right, wrong), encoding="utf-8")
        spec = importlib.util.spec_from_file_location(file.stem, file)
        assert spec is not None
        assert spec.loader is not None
        spoilt = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(spoilt)
        kernels.warp3d_forward = spoilt.warp3d_forward
        try:
            yield
        finally:
            kernels.warp3d_forward = whole


COMPILE = """
import json, sys
from dataclasses import asdict
from flow3d_kernels.triton_kernels.compile_ahead import compiled
architectures, variants = json.loads(sys.argv[1])
for architecture in architectures:
    for variant in variants:
        for kernel in compiled(variant, architecture):
            print(json.dumps(asdict(kernel)))
"""


def compile_ahead(architectures: Sequence[str], variants: Sequence[str]) -> tuple[list[dict[str, Any]], str]:
    """Compile kernels in a process of its own, without the interpreter, which would take the compiler's place.

    Args:
        architectures: such as "sm_90"; the card need not be there.
        variants: names from ``flow3d_kernels.triton_kernels.compiled_cases``.

    Returns:
        One mapping per kernel (the fields of ``compile_ahead.Compiled``), and why there is none, if there is none.
    """
    if importlib.util.find_spec("triton") is None:
        return [], "Triton is not installed, so there is no compiler"
    with tempfile.TemporaryDirectory() as cache:
        environment = {key: value for key, value in os.environ.items() if key != "TRITON_INTERPRET"}
        environment |= {"TRITON_CACHE_DIR": cache, "TRITON_DEFAULT_FP_FUSION": "1"}
        command = [sys.executable, "-c", COMPILE, json.dumps([list(architectures), list(variants)])]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        return [], f"the compiler failed: {(done.stderr.strip().splitlines() or ['without a word'])[-1]}"
    return [json.loads(line) for line in done.stdout.splitlines()], ""


# What follows stands in for Triton.


@dataclass(frozen=True)
class Pointer:
    """Places in a tensor's memory, counted in elements."""

    memory: Tensor
    place: Any = 0

    def __add__(self, offset: Any) -> "Pointer":
        return Pointer(self.memory, self.place + offset)


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
    """What a kernel gets for an argument: for a tensor, where its memory begins."""
    if not isinstance(value, Tensor):
        return value
    size = value.untyped_storage().nbytes() // value.element_size()
    return Pointer(value.as_strided((size,), (1,), 0), value.storage_offset())


def _places(pointer: Pointer, mask: Any) -> tuple[Tensor, Tensor]:
    """Every lane's place, and which lanes work; a place outside of the memory is refused, as no card would."""
    mask = torch.as_tensor(True if mask is None else mask)
    place, works = torch.broadcast_tensors(torch.as_tensor(pointer.place), mask)
    if (works & ((place < 0) | (place >= len(pointer.memory)))).any():
        raise IndexError("a kernel reads or writes outside of a tensor: is its mask right?")
    return place, works


def _load(pointer: Pointer, mask: Any = None, other: float = 0) -> Tensor:
    place, works = _places(pointer, mask)
    value = pointer.memory[torch.where(works, place, 0)]
    return torch.where(works, value, torch.as_tensor(other, dtype=value.dtype))


def _put(pointer: Pointer, value: Any, mask: Any, add: bool) -> None:
    place, works = _places(pointer, mask)
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
    static_range=range,
    program_id=lambda axis: Kernel.program,
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
