"""Compile the kernels for a card that is not there, and read what the compiler made of them.

    python -m flow3d_kernels.triton_kernels.compile_ahead sm_90 --variant "warp3d backward, channels-last, float32"

prints one line of JSON per kernel: registers, spilled bytes, vector loads and reductions, instructions of the whole
call; ``--assembly FOLDER`` keeps the PTX too. Without a variant, all of them. It needs neither card nor driver, but the
interpreter must be off (no TRITON_INTERPRET): it replaces the compiler.
"""

import argparse
import json
import pathlib
import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
import triton
from torch import Tensor
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from .._triton import interpreted
from .compiled_cases import VARIANTS
from .counts import issued
from .launch import Launch, blocks_of, recorded
from .tiles import tiles_of

TARGETS = {
    "sm_80": GPUTarget("cuda", 80, 32),
    "sm_90": GPUTarget("cuda", 90, 32),
    "gfx942": GPUTarget("hip", "gfx942", 64),
}
TYPES = {
    torch.float64: "fp64",
    torch.float32: "fp32",
    torch.float16: "fp16",
    torch.bfloat16: "bf16",
    torch.int32: "i32",
    torch.int64: "i64",
}


VECTORS = r"ld\.global\S*\.v4\.b32|cp\.async\S* \[[^]]*\], \[[^]]*\], (?:0x10|16)\b"  # the second into shared memory


@dataclass(frozen=True)
class Compiled:
    """What the compiler made of one kernel."""

    variant: str
    kernel: str
    architecture: str
    registers: int
    spilled_bytes: int
    shared_bytes: int
    vector_loads: int  # of 16 bytes
    half_vector_loads: int  # of 8 bytes
    vector_reductions: int  # of four float32 into memory, in one instruction
    atomics: int  # instructions whose order is not fixed, vector reductions among them
    lone_products: int | None  # see lone_products; None for AMD
    warp_instructions: (
        int | None
    )  # that the call issues, all programs and warps; of the warp's two passes on NVIDIA only
    assembly: str = field(repr=False)  # PTX, or AMD's assembly


def compiled(variant: str, architecture: str) -> Iterator[Compiled]:
    """Compile every kernel that the variant launches, with the tiles and the arguments that it is launched with.

    Raises:
        RuntimeError: the interpreter is on.
    """
    if interpreted():
        raise RuntimeError("TRITON_INTERPRET=1 replaces Triton's compiler: start Python without it")
    with tiles_of(architecture), recorded() as launches:
        VARIANTS[variant]()
    for launch, programs in alike(launches):
        binary = compile_launch(launch, TARGETS[architecture])
        amd = architecture.startswith("gfx")
        assembly = binary.asm["amdgcn" if amd else "ptx"]
        registers, spilled = amd_registers(assembly) if amd else nvidia_registers(binary.asm["cubin"])
        yield Compiled(
            variant,
            launch.kernel.__name__,
            architecture,
            registers,
            spilled,
            binary.metadata.shared,
            len(re.findall(r"global_load_dwordx4" if amd else VECTORS, assembly)),
            len(re.findall(r"global_load_dwordx2" if amd else r"ld\.global\S*\.v2\.b32", assembly)),
            len(re.findall(r"(?:red|atom)\.global\S*\.v4\.f32", assembly)),
            len(re.findall(r"global_atomic_" if amd else r"\b(?:red|atom)\.", assembly)),
            None if amd else lone_products(assembly),
            None if amd else warp_instructions(launch, programs, binary.asm["cubin"]),
            assembly,
        )


def alike(launches: Sequence[Launch]) -> Iterator[tuple[Launch, int]]:
    """Launches that differ in the values of their tensors only, once, with the programs of all of them."""
    groups: dict[Any, tuple[Launch, int]] = {}
    for launch in launches:
        known = {name: each.dtype if isinstance(each, Tensor) else str(each) for name, each in launch.arguments.items()}
        key = (launch.kernel.__name__, *known.items())
        first, programs = groups.get(key, (launch, 0))
        groups[key] = first, programs + launch.programs
    yield from groups.values()


def warp_instructions(launch: Launch, programs: int, cubin: bytes) -> int | None:
    """What all warps of all programs issue; its one loop runs over the channels, at most four steps at a time."""
    if launch.kernel.__name__ not in ("warp3d_forward", "warp3d_backward"):
        return None
    C, block = launch.arguments["C"], launch.arguments["BLOCK_C"]
    steps = blocks_of(C, block)
    return programs * launch.arguments["num_warps"] * issued(dumped(cubin, "-sass"), blocks_of(steps, min(steps, 4)))


def compile_launch(launch: Launch, target: GPUTarget) -> Any:
    """Compile a recorded launch as the just-in-time compiler would: same types, same knowledge of 1 and of 16."""
    signature, constants, attributes = {}, {}, {}
    for index, parameter in enumerate(launch.kernel.params):
        value = launch.arguments[parameter.name]
        if parameter.is_constexpr or (isinstance(value, int) and value == 1):
            signature[parameter.name], constants[(index,)] = "constexpr", value
            continue
        if isinstance(value, Tensor):
            signature[parameter.name] = "*" + TYPES[value.dtype]  # PyTorch's memory begins at multiples of 16 bytes
        else:
            signature[parameter.name] = "i32" if value < 2**31 else "i64"
        if isinstance(value, Tensor) or value % 16 == 0:
            attributes[(index,)] = [["tt.divisibility", 16]]
    source = ASTSource(fn=launch.kernel, signature=signature, constexprs=constants, attrs=attributes)
    return triton.compile(source, target=target, options={"num_warps": launch.arguments["num_warps"]})


def nvidia_registers(cubin: bytes) -> tuple[int, int]:
    """Registers per thread and bytes of stack, which nothing but spilled registers takes, of the program as it runs.

    The assembler's own report is of no use: called once more, with other options, it divides registers otherwise.
    """
    report = dumped(cubin, "-res-usage")
    usage = re.search(r"REG:(\d+) STACK:(\d+)", report)
    if usage is None:
        raise RuntimeError(f"the report of registers has changed: {report}")
    return int(usage[1]), int(usage[2])


def dumped(cubin: bytes, option: str) -> str:
    """What cuobjdump, which comes with Triton, says of a program."""
    reader = pathlib.Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
    with tempfile.TemporaryDirectory() as folder:
        program = pathlib.Path(folder, "kernel.cubin")
        program.write_bytes(cubin)
        return subprocess.run([reader, option, program], capture_output=True, text=True, check=True).stdout


def lone_products(ptx: str) -> int:
    """Shuffles of a bare product: the assembler may fuse it into the sum that follows, in each lane another one.

    Then the lanes' sums differ in a last bit, and which of them is kept depends on who writes last.
    """
    made_by, found = {}, 0
    for line in ptx.splitlines():
        parts = re.findall(r"[%\w.]+", line)
        if len(parts) >= 3 and parts[1].startswith("%"):
            kind = made_by.get(parts[2]) if parts[0] == "mov.b32" else parts[0]
            found += parts[0].startswith("shfl") and made_by.get(parts[2], "").startswith("mul.f")
            made_by[parts[1]] = kind or ""
    return found


def amd_registers(assembly: str) -> tuple[int, int]:
    """Vector registers per thread and spilled bytes (a spilled register is 4)."""
    registers = re.search(r"\.vgpr_count:\s*(\d+)", assembly)
    spills = re.search(r"\.vgpr_spill_count:\s*(\d+)", assembly)
    if registers is None or spills is None:
        raise RuntimeError("the assembly's report of registers has changed")
    return int(registers[1]), 4 * int(spills[1])


def main() -> None:
    """Print what was compiled, one line of JSON per kernel."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("architectures", nargs="+", choices=TARGETS)
    parser.add_argument("--variant", action="append", choices=VARIANTS, help="may be repeated; default: all")
    parser.add_argument("--assembly", type=pathlib.Path, help="folder for what was compiled, as text")
    options = parser.parse_args()
    for architecture in options.architectures:
        for variant in options.variant or VARIANTS:
            for found in compiled(variant, architecture):
                print(json.dumps(asdict(found) | {"assembly": len(found.assembly)}), flush=True)
                if options.assembly:
                    options.assembly.mkdir(parents=True, exist_ok=True)
                    name = f"{variant}, {found.kernel}, {architecture}".replace(", ", "-").replace(" ", "_")
                    (options.assembly / f"{name}.txt").write_text(found.assembly, encoding="utf-8")


if __name__ == "__main__":
    main()
