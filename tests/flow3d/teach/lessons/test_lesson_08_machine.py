"""What notebook 08 counts without a card: instructions of machine code, by kind, loops multiplied out."""

import ast
import importlib.util
import json
from pathlib import Path

import pytest

from flow3d.teach.lessons import lesson_08_machine as machine
from flow3d.teach.lessons import lesson_08_parts
from flow3d.teach.lessons.lesson_08_stand_in import tl, triton

ROOT = Path(__file__).resolve().parents[4]
needs_triton = pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed")
SASS = """
        /*0000*/                   LDC R1, c[0x0][0x28] ;    /* 0x00000a00ff017b82 */
        /*0010*/                   S2R R0, SR_TID.X ;
        /*0020*/               @P0 LDG.E.128 R4, desc[UR4][R2.64] ;
        /*0030*/                   FFMA R4, R5, R6, R4 ;
        /*0040*/                   IMAD.MOV.U32 R9, RZ, RZ, R8 ;
        /*0050*/              @!P6 BRA 0x20 ;
        /*0060*/                   EXIT ;
        /*0070*/                   BRA 0x70;
        /*0080*/                   NOP;
"""


def test_a_loop_is_multiplied_out_and_the_jump_at_the_end_is_none():
    program = machine.instructions(SASS, 8)
    assert [name for name, _ in program] == ["LDC", "S2R", "LDG.E.128", "FFMA", "IMAD.MOV.U32", "BRA", "EXIT", "BRA"]
    assert [times for _, times in program] == [1, 1, 8, 8, 8, 8, 1, 1]


def test_instructions_have_kinds():
    counted = machine.Machine(machine.instructions(SASS, 1), "", 32, 0, 4)
    assert counted.issued == 8
    assert counted.kinds() == {"memory": 1, "multiply-adds": 1, "addresses": 6}


def test_the_first_generation_is_what_it_was():
    """531 instructions, of which 64 are the work and 26 touch memory."""
    assert sum(machine.FIRST_GENERATION.values()) == 531
    assert machine.FIRST_GENERATION.keys() <= {*machine.KINDS, machine.REST}


def test_without_a_compiler_the_reason_is_told(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert machine.machine_code({}) == ({}, "Triton is not installed, so there is no compiler")


@needs_triton
def test_a_failing_compiler_says_why():
    machines, reason = machine.machine_code({}, variants={"ours": "no such variant"})
    assert not machines
    assert "no such variant" in reason


@needs_triton
def test_the_rungs_that_a_card_times_are_those_that_the_lesson_counts():
    """Else measured times would stand beside the predictions of other kernels."""
    cells = json.loads((ROOT / "notebooks" / "08_triton_kernels.ipynb").read_text(encoding="utf-8"))["cells"]
    parts = Path(lesson_08_parts.__file__).read_text(encoding="utf-8")
    lesson = functions_of(
        "\n\n".join([parts, *("".join(each["source"]) for each in cells if each["cell_type"] == "code")])
    )
    bench = functions_of((ROOT / "kernels" / "bench" / "ladder.py").read_text(encoding="utf-8"))
    sizes = dict.fromkeys(("volume", "flow", "out"), "float32") | {"num_warps": 4, "C": 32, "D": 16, "H": 64, "W": 64}
    rungs = {
        "scalar gathers": ("warp_by_index", {"CHANNELS_LAST": False, "BLOCK_P": 128, "BLOCK_C": 4}),
        "rows of channels": ("warp_by_index", {"CHANNELS_LAST": True, "BLOCK_P": 32, "BLOCK_C": 32}),
        "bricks of 2x4x4": ("warp_at_distances", {"TZ": 2, "TY": 4, "TX": 4, "BLOCK_C": 16}),
    }
    asked = {name: (kernel, sizes | constants) for name, (kernel, constants) in rungs.items()}
    ours, theirs = (machine.compiled_text(text, asked, 32, {})[0] for text in (lesson, bench))
    assert {name: each.issued for name, each in ours.items()} == {name: each.issued for name, each in theirs.items()}
    issued = [ours[name].issued for name in rungs]
    assert issued[0] > issued[1] > 2 * issued[2], "what the lesson shows"
    assert all(each.kinds()["multiply-adds"] % 64 == 0 and not each.spilled_bytes for each in ours.values())


def functions_of(text: str) -> str:
    """The source of every function that Triton compiles."""
    nodes = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef) and node.decorator_list]
    return "\n\n".join("\n".join([f"@{ast.unparse(d)}" for d in node.decorator_list] + [body(node)]) for node in nodes)


def body(node: ast.FunctionDef) -> str:
    """The function without its decorators."""
    node.decorator_list = []
    return ast.unparse(node)


def test_the_sources_of_helpers_come_with_a_kernel():
    assert machine.function_of(triton.jit(len)) is len
    parts: dict[str, str] = {}
    machine.gather_sources(machine.function_of(outer), parts)
    assert list(parts) == ["helper", "outer"]
    assert parts["helper"].startswith("@triton.jit\ndef helper(")


@triton.jit
def helper(x):
    return x + 1


@triton.jit
def outer(out, BLOCK: tl.constexpr):
    tl.store(out + tl.arange(0, BLOCK), helper(tl.arange(0, BLOCK)))
