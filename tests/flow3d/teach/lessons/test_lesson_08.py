"""Notebook 08 without a card and without Triton: its kernels run on the stand-in, and compile for real.

Tests: lesson_08_stand_in, lesson_08_parts.
"""

import ast
import importlib.util
import json
import math
import os
import re
import subprocess
import sys
from math import prod
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from flow3d.teach.lessons import lesson_08, lesson_08_parts
from flow3d.teach.lessons.lesson_08_stand_in import checked_addresses, tl, triton
from flow3d_kernels import warp3d
from tolerances import LESSONS

ROOT = Path(__file__).resolve().parents[4]
NOTEBOOK = ROOT / "notebooks" / "08_triton_kernels.ipynb"
PARTS = Path(lesson_08_parts.__file__).read_text(encoding="utf-8")
CELLS = [
    "".join(cell["source"])
    for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    if cell["cell_type"] == "code"
]
needs_triton = pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed")


def kernels_of_the_notebook() -> str:
    """The source of every kernel that a cell defines, and of the pieces that it calls."""
    found = []
    for text in (PARTS, *CELLS):
        for node in ast.parse(text).body:
            if isinstance(node, ast.FunctionDef) and node.decorator_list:
                node.decorator_list = []
                found.append("@triton.jit\n" + ast.unparse(node))
    return "\n\n".join(found)


@pytest.fixture
def stand_in():
    """The notebook's kernels, run by the stand-in."""
    space: dict = {"tl": tl, "triton": triton}
    exec(kernels_of_the_notebook(), space)
    return SimpleNamespace(**space)


@pytest.fixture
def random_warp():
    """A volume in either layout, a flow that leaves it, and the package's warp."""

    def make(channels_last: bool):
        draw = torch.Generator().manual_seed(0)
        volume = torch.randn(2, 4, 3, 5, 7, generator=draw)
        volume = volume.to(memory_format=torch.channels_last_3d) if channels_last else volume
        flow = 3 * torch.randn(2, 3, 3, 5, 7, generator=draw)
        return volume, flow, warp3d(volume, flow)

    return make


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


@pytest.mark.parametrize("channels_last", [False, True], ids=["contiguous", "channels-last"])
def test_the_stand_in_climbs_by_index(stand_in, random_warp, channels_last):
    volume, flow, expected = random_warp(channels_last)
    out = torch.full_like(volume, torch.nan)
    sizes = {"CHANNELS_LAST": channels_last, "BLOCK_P": 32, "BLOCK_C": 2}
    stand_in.warp_by_index[(2 * 4,)](volume, flow, out, *volume.shape[1:], **sizes)
    torch.testing.assert_close(out, expected, rtol=0, atol=LESSONS["rung"][0])


@pytest.mark.parametrize("brick", [(1, 1, 32), (2, 4, 4)], ids=str)
def test_the_stand_in_climbs_by_distances(stand_in, random_warp, brick):
    volume, flow, expected = random_warp(True)
    out = torch.full_like(volume, torch.nan)
    bricks = prod(-(-size // side) for size, side in zip(volume.shape[2:], brick, strict=True))
    sizes = dict(zip(("TZ", "TY", "TX"), brick, strict=True))
    stand_in.warp_at_distances[(2 * bricks,)](volume, flow, out, *volume.shape[1:], **sizes, BLOCK_C=2)
    torch.testing.assert_close(out, expected, rtol=0, atol=LESSONS["rung"][0])


def test_a_view_is_read_from_where_it_begins(stand_in):
    memory, out = torch.arange(8.0), torch.empty(4)
    stand_in.warp_row_nearest[(1,)](memory[4:], torch.zeros(4), out, 4, BLOCK=4)
    assert out.tolist() == [4, 5, 6, 7]


def test_a_wrong_mask_spoils_a_neighbour_or_is_named_by_the_checker(stand_in):
    memory = torch.full((48,), -1, dtype=torch.int32)
    with pytest.raises(IndexError, match="store: 11 of 16 lanes lie outside every tensor"), checked_addresses():
        stand_in.sign_name[(3,)](memory[:37], 48, BLOCK=16)
    assert memory[37:].tolist() == [-1] * 11
    stand_in.sign_name[(3,)](memory[:37], 48, BLOCK=16)
    assert memory[37:].tolist() == [2] * 11
    with pytest.raises(IndexError, match="lie outside"):
        stand_in.sign_name[(4,)](memory, 64, BLOCK=16)


def test_without_triton_the_stand_in_checks(stand_in, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    ours = torch.full((37,), -1, dtype=torch.int32)
    assert lesson_08.stray(lambda: stand_in.sign_name[(3,)](ours, 37, BLOCK=16)) == ""
    assert "11 of 16 lanes" in lesson_08.stray(lambda: stand_in.sign_name[(3,)](ours, 48, BLOCK=16))
    with pytest.raises(ZeroDivisionError):
        lesson_08.stray(lambda: 1 / 0)


def test_the_learner_s_finder_looks_for_the_checker(stand_in, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    ours, asked = torch.full((37,), -1, dtype=torch.int32), []

    def finder(places, works, size, tensors):
        asked.append((len(places), int(works.sum()), size, tensors[0][1] - tensors[0][0]))
        return works & (places < tensors[0][0] + 40)

    complaint = lesson_08.stray(lambda: stand_in.sign_name[(3,)](ours, 37, BLOCK=16), finder)
    assert complaint.startswith("store: 10 of 16 lanes")
    assert asked == [(16, 16, 4, 148)]
    assert lesson_08.stray(lambda: stand_in.sign_name[(3,)](ours, 37, BLOCK=16)) == "", "the package's own is back"


def test_a_warp_is_held_against_the_reference():
    assert lesson_08.error_of(warp3d) < LESSONS["rung"][0]
    assert lesson_08.error_of(lambda volume, flow: warp3d(volume, -flow), channels_last=False) > 0.1


def test_reads_are_counted_where_the_interpreter_works():
    """In this process it does not; the notebook's own run counts them."""
    volume = torch.ones(1, 2, 2, 2, 2)
    assert math.isnan(lesson_08.volumes_read(lambda: 1 / 0, volume))


def test_a_smooth_flow_is_two_voxels_long_and_changes_slowly():
    flow = lesson_08.smooth_flow((8, 16, 24))
    assert flow.shape == (3, 8, 16, 24)
    assert (flow**2).mean() == pytest.approx(4)
    assert (lesson_08.smooth_flow((8, 16, 24)) == flow).all()
    assert abs(flow[..., 1:] - flow[..., :-1]).max() < 2


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
    with lesson_08.planted("j * step_y + i * step_x", "i * step_y + j * step_x"):
        assert warp_op.warp3d_forward is not whole
    assert warp_op.warp3d_forward is whole
    with (
        pytest.raises(ValueError, match=r"right: expected text .* once, got .*, 0 times"),
        lesson_08.planted("no such line", ""),
    ):
        pass


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
    "warp_by_index": (P, P, P, 32, "i32", "i32", "i32", True, 32, 32),
    "warp_at_distances": (P, P, P, 32, 16, 64, 64, 2, 4, 4, 16),
    "my_steps": (P, P, P, "i32", 32, 16, 16),
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
    inlined = {"held_positions", "my_brick", "lower_neighbour"}
    assert inlined | set(done.stdout.split()) == set(re.findall(r"(?m)^def (\w+)", source))


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
    assert "store: 11 of 16 lanes" in done.stdout
    assert "on a card, µs                not measured" in done.stdout
