"""Notebook 08 without a card and without Triton: its kernels run on the stand-in, and compile for real."""

import ast
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from flow3d.teach.lessons import lesson_08
from flow3d.teach.lessons.lesson_08 import tl, triton
from tolerances import LESSONS

NOTEBOOK = Path(__file__).resolve().parents[4] / "notebooks" / "08_triton_kernels.ipynb"
CELLS = [
    "".join(cell["source"])
    for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    if cell["cell_type"] == "code"
]
needs_triton = pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed")


def kernels_of_the_notebook() -> str:
    """The source of every kernel that a cell defines."""
    found = []
    for cell in CELLS:
        for node in ast.parse(cell).body:
            if isinstance(node, ast.FunctionDef) and node.decorator_list:
                found.append("@triton.jit\n" + ast.unparse(node).partition("\n")[2])
    return "\n\n".join(found)


@pytest.fixture
def stand_in():
    """The notebook's kernels, run by the stand-in."""
    space: dict = {"tl": tl, "triton": triton}
    exec(kernels_of_the_notebook(), space)
    return SimpleNamespace(**space)


def test_lanes_beyond_the_mask_touch_nothing(stand_in):
    memory = torch.full((48,), -1, dtype=torch.int32)
    stand_in.sign_name[(3,)](memory, 37, BLOCK=16)
    assert memory.tolist() == [0] * 16 + [1] * 16 + [2] * 5 + [-1] * 11


def test_the_stand_in_gathers(stand_in):
    row, dx, out = torch.arange(20.0), torch.full((20,), 3.6), torch.full((20,), torch.nan)
    stand_in.warp_row_nearest[(2,)](row, dx, out, 20, BLOCK=16)
    assert out.tolist() == (row + 4).clamp(max=19).tolist()


def test_atomics_add_up_and_stores_do_not(stand_in):
    ones, at = torch.ones(16), torch.arange(16) // 4
    for atomic, expected in ((True, 4), (False, 1)):
        total = torch.zeros(4)
        stand_in.hand_back[(1,)](ones, at, total, 16, ATOMIC=atomic, BLOCK=16)
        assert total.tolist() == [expected] * 4


def test_the_stand_in_reduces(stand_in):
    torch.manual_seed(0)
    x, out = 5 + torch.randn(3, 21), torch.empty(3, 21)
    gamma, beta = torch.randn(2, 3)
    stand_in.restyle_row[(3,)](x, gamma, beta, out, 21, SLOPE=1.0, BLOCK=32)
    expected = torch.nn.functional.layer_norm(x, (21,)) * (1 + gamma[:, None]) + beta[:, None]
    torch.testing.assert_close(out, expected, rtol=0, atol=LESSONS["restyled row"][0])


def test_a_view_is_read_from_where_it_begins(stand_in):
    memory, out = torch.arange(8.0), torch.empty(4)
    stand_in.warp_row_nearest[(1,)](memory[4:], torch.zeros(4), out, 4, BLOCK=4)
    assert out.tolist() == [4, 5, 6, 7]


def test_a_wrong_mask_is_refused(stand_in):
    with pytest.raises(IndexError, match="is its mask right"):
        stand_in.sign_name[(3,)](torch.zeros(37, dtype=torch.int32), 48, BLOCK=16)


def test_a_kernel_is_shown_as_it_stands():
    text = lesson_08.kernel_text("warp_forward.warp3d_forward")
    assert text.startswith("@triton.jit\ndef warp3d_forward(\n    volume,  # ")
    assert '"""' not in text
    assert text.endswith("mask=exists[:, None] & (c < C)[None, :])")
    for name in ("warp_forward.nothing", "nothing.warp3d_forward"):
        with pytest.raises(ValueError, match=r"name: expected module\.function"):
            lesson_08.kernel_text(name)


@needs_triton
def test_a_mistake_is_planted_and_taken_back():
    from flow3d_kernels.triton_kernels import warp_op

    whole = warp_op.warp3d_forward
    with lesson_08.planted("(y + j)) * W + (x + i)", "(x + i)) * W + (y + j)"):
        assert warp_op.warp3d_forward is not whole
    assert warp_op.warp3d_forward is whole
    with (
        pytest.raises(ValueError, match=r"right: expected text .* once, got .*, 0 times"),
        lesson_08.planted("no such line", ""),
    ):
        pass


def test_without_a_compiler_the_reason_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "triton", None)
    assert lesson_08.compile_ahead(["sm_90"], []) == ([], "Triton is not installed, so there is no compiler")
    assert not lesson_08.launches()


@needs_triton
def test_a_failing_compiler_says_why():
    rows, reason = lesson_08.compile_ahead(["sm_90"], ["no such variant"])
    assert not rows
    assert "no such variant" in reason


COMPILE = """
import sys
import torch
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
sys.path.insert(0, sys.argv[1])
import lesson_kernels
P = "*fp32"
SIGNATURES = {
    "sign_name": ("*i32", "i32", 16),
    "warp_row_nearest": (P, P, P, "i32", 16),
    "my_kernel": (P, P, P, "i32", 16),
    "hand_back": (P, "*i32", P, "i32", True, 16),
    "restyle_row": (P, P, P, P, "i32", 0.1, 256),
}
import triton
for name, kinds in SIGNATURES.items():
    kernel = getattr(lesson_kernels, name)
    constants = {(i,): kind for i, kind in enumerate(kinds) if not isinstance(kind, str)}
    signature = {n: k if isinstance(k, str) else "constexpr" for n, k in zip(kernel.arg_names, kinds, strict=True)}
    for target in (GPUTarget("cuda", 80, 32), GPUTarget("cuda", 90, 32), GPUTarget("hip", "gfx942", 64)):
        triton.compile(ASTSource(fn=kernel, signature=signature, constexprs=constants), target=target)
    print(name)
"""


@needs_triton
def test_the_notebook_s_kernels_compile(tmp_path):
    """The interpreter checks no types: a card's compiler must accept what the lesson shows."""
    source = kernels_of_the_notebook()
    (tmp_path / "lesson_kernels.py").write_text(f"import triton\nimport triton.language as tl\n\n{source}\n")
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    environment |= {"TRITON_CACHE_DIR": str(tmp_path / "cache"), "TRITON_DEFAULT_FP_FUSION": "1"}
    done = subprocess.run(
        [sys.executable, "-c", COMPILE, str(tmp_path)], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) == source.count("@triton.jit")


@pytest.mark.slow
def test_the_notebook_runs_without_triton(tmp_path):
    """As on macOS and Windows: nothing may need more than the stand-in."""
    blocked = "import sys\nsys.modules['triton'] = None\nimport matplotlib\nmatplotlib.use('agg')\n"
    (tmp_path / "lesson.py").write_text(blocked + "\n\n".join(CELLS), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, tmp_path / "lesson.py"], capture_output=True, text=True, cwd=NOTEBOOK.parent, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Triton is not installed" in done.stdout
    assert "6.5 times fewer bytes" in done.stdout
