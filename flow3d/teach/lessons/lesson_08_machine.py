"""Notebook 08's counts: what the compiler makes of kernels for a card that is not there."""

import importlib.util
import inspect
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flow3d_kernels.triton_kernels.counts import SHORTEST_LOOP, machine_instructions

KINDS = {
    "multiply-adds": ("FFMA",),
    "memory": ("LDG", "STG", "RED", "ATOM"),
    "shared memory": ("LDS", "STS", "BAR"),  # where lanes of one program exchange values
    "places and shares": ("FADD", "FMUL", "FMNMX", "I2F", "F2I", "MUFU", "FRND", "FSE"),
    "masks": ("ISETP", "PLOP3", "P2R", "R2P", "SEL", "CS2R"),  # CS2R writes the zeros of masked lanes
}
REST = "addresses"  # whole numbers, and a few that start and end a program

# What one of four warps was told by the package's first forward warp (its commit 1f6d6e4, channels-last, float32, with
# mask), counted as everything here is, with Triton 3.9.0. Four warps bent 32 voxels.
FIRST_GENERATION = Counter(
    {"multiply-adds": 64, "memory": 26, "places and shares": 102, "masks": 126, REST: 213},
)

IMPORTS = "from typing import no_type_check\n\nimport triton\nimport triton.language as tl\n\n\n"

WITHOUT_CARD = """
import importlib.util, json, sys
import torch
from flow3d_kernels.triton_kernels.compile_ahead import TARGETS, VARIANTS, compile_launch
from flow3d_kernels.triton_kernels.launch import Launch, recorded
from flow3d_kernels.triton_kernels.tiles import tiles_of
import pathlib, subprocess, tempfile, triton
folder, asked = sys.argv[1], json.loads(sys.argv[2])
sys.path.insert(0, folder)
import counted_kernels
def tensor(value):
    return torch.empty(1, dtype=getattr(torch, value), device="meta") if isinstance(value, str) else value
launches = {}
for name, (kernel, arguments) in asked["kernels"].items():
    arguments = {key: tensor(value) for key, value in arguments.items()}
    launches[name] = Launch(getattr(counted_kernels, kernel), 1, arguments)
for name, variant in asked["variants"].items():
    with tiles_of("sm_90"), recorded() as started:
        VARIANTS[variant]()
    launches[name] = started[0]
reader = pathlib.Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
for name, launch in launches.items():
    binary = compile_launch(launch, TARGETS["sm_90"])
    file = pathlib.Path(folder, "kernel.cubin")
    file.write_bytes(binary.asm["cubin"])
    command = [reader, "-sass", "-res-usage", file]
    sass = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    plain = {key: value for key, value in launch.arguments.items() if isinstance(value, int)}
    print(json.dumps([name, sass, binary.asm["ptx"], launch.programs, plain]))
"""


@dataclass(frozen=True)
class Machine:
    """A kernel as NVIDIA's machine code for sm_90 (H100, H200)."""

    program: list[tuple[str, int]]  # each instruction in order, and how often a warp issues it
    ptx: str
    registers: int
    spilled_bytes: int
    warps: int  # of all programs; of one where the kernel is not the package's

    @property
    def issued(self) -> int:
        """Instructions that one warp issues."""
        return sum(times for _, times in self.program)

    def kinds(self) -> Counter[str]:
        """How many instructions of each kind one warp issues."""
        total: Counter[str] = Counter()
        for name, times in self.program:
            total[kind_of(name)] += times
        return total


def kind_of(instruction: str) -> str:
    """The kind of an instruction, such as "memory" for LDG.E.128."""
    return next((kind for kind, begins in KINDS.items() if instruction.startswith(begins)), REST)


def machine_code(
    kernels: Mapping[str, tuple[Any, Mapping[str, Any]]],
    channels: int = 32,
    variants: Mapping[str, str] | None = None,
) -> tuple[dict[str, Machine], str]:
    """Compile kernels of a notebook for sm_90 in a process of its own, without the interpreter, and read them.

    Args:
        kernels: name -> kernel and its arguments; a tensor's argument is the name of its type, such as "float32".
        channels: a loop runs over so many, BLOCK_C a step.
        variants: name -> one of ``flow3d_kernels.triton_kernels.compiled_cases.VARIANTS``, of which the first launch
            is compiled.

    Returns:
        One machine code for each name, and why there is none, if there is none.
    """
    if importlib.util.find_spec("triton") is None:
        return {}, "Triton is not installed, so there is no compiler"
    asked = {name: (function_of(kernel).__name__, dict(arguments)) for name, (kernel, arguments) in kernels.items()}
    parts: dict[str, str] = {}
    for kernel, _ in kernels.values():
        gather_sources(function_of(kernel), parts)
    return compiled_text("\n\n".join(parts.values()), asked, channels, variants or {})


def compiled_text(
    source: str, kernels: Mapping[str, tuple[str, Mapping[str, Any]]], channels: int, variants: Mapping[str, str]
) -> tuple[dict[str, Machine], str]:
    """The same for kernels given as text, each by its function's name."""
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "counted_kernels.py"), "w", encoding="utf-8") as file:
            file.write(IMPORTS + source + "\n")
        environment = {key: value for key, value in os.environ.items() if key != "TRITON_INTERPRET"}
        environment |= {"TRITON_CACHE_DIR": os.path.join(folder, "cache"), "TRITON_DEFAULT_FP_FUSION": "1"}
        asked = json.dumps({"kernels": kernels, "variants": dict(variants)})
        command = [sys.executable, "-c", WITHOUT_CARD, folder, asked]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        return {}, f"the compiler failed: {(done.stderr.strip().splitlines() or ['without a word'])[-1]}"
    machines = {}
    for line in done.stdout.splitlines():
        name, sass, ptx, programs, arguments = json.loads(line)
        program = instructions(sass, 1 if name in variants else -(-channels // arguments.get("BLOCK_C", channels)))
        usage = re.search(r"REG:(\d+) STACK:(\d+)", sass)  # nothing but spilled registers takes stack
        assert usage is not None, "cuobjdump reports registers otherwise than it did"
        machines[name] = Machine(program, ptx, int(usage[1]), int(usage[2]), programs * arguments["num_warps"])
    return machines, ""


def function_of(kernel: Any) -> Any:
    """The Python function behind a kernel of Triton, of its interpreter or of the stand-in."""
    return getattr(kernel, "fn", None) or kernel.function


def gather_sources(function: Any, parts: dict[str, str]) -> None:
    """Add the source of a kernel's function, after that of every kernel that it calls."""
    for name in function.__code__.co_names:
        helper = function.__globals__.get(name)
        if type(helper).__name__ in ("JITFunction", "InterpretedFunction", "Kernel"):
            gather_sources(function_of(helper), parts)
    parts.setdefault(function.__name__, inspect.getsource(function))


def instructions(sass: str, trips: int) -> list[tuple[str, int]]:
    """Read a disassembly: each instruction in order with how often it is issued, if every loop runs ``trips`` times."""
    program = [(at, re.sub(r"^@!?U?P\w+\s+", "", text)) for at, text in machine_instructions(sass)]
    times = dict.fromkeys((at for at, _ in program), 1)
    for at, text in program:
        jump = re.match(r"BRA\b.*?(0x[0-9a-f]+)", text)
        body = [place for place in times if jump and int(jump[1], 16) <= place <= at]
        if len(body) >= SHORTEST_LOOP:
            times |= dict.fromkeys(body, trips)
    return [(text.split()[0], times[at]) for at, text in program]
