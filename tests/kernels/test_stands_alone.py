"""The folder flow3d_kernels, copied to where nothing but torch can be imported, does its work.

Tests: _shapes, operations.
"""

import pathlib
import shutil
import subprocess
import sys

import flow3d_kernels
from tolerances import KERNELS

# Standing before anything else: what the other packages of this environment would bring is not there.
ALONE = """
import importlib.abc, sys
class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, *_):
        if name.partition(".")[0] in {"jaxtyping", "beartype", "triton", "flow3d", "cv2", "matplotlib", "IPython"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
import torch
import flow3d_kernels as copied
from flow3d_kernels import adain3d, backend, use_backend, warp3d
from flow3d_kernels.cpp_kernels import build
assert copied.__file__.startswith(sys.argv[1]), copied.__file__
assert backend(torch.zeros(1)).name == "torch"
names = ["reference", "torch"]
try:
    build.compiler()
    names.append("cpp")
except RuntimeError:
    pass
torch.manual_seed(0)
for layout in (torch.contiguous_format, torch.channels_last_3d):
    x = torch.randn(2, 3, 4, 5, 6).contiguous(memory_format=layout).requires_grad_()
    flow, style = 2 * torch.randn(2, 3, 4, 5, 6), torch.randn(2, 3)
    answers = []
    for name in names:
        with use_backend(name):
            out = adain3d(warp3d(x, flow, padding="zeros"), style, style, negative_slope=0.1)
            answers.append((out, *torch.autograd.grad(out.square().sum(), x)))
    for answer in answers[1:]:
        for ours, expected in zip(answer, answers[0]):
            torch.testing.assert_close(ours, expected, atol=float(sys.argv[2]), rtol=float(sys.argv[2]))
assert not {"jaxtyping", "triton", "flow3d"} & {name.partition(".")[0] for name in sys.modules}
try:
    warp3d(x, flow[:, :2])
except ValueError as error:
    print(error)
"""


def test_the_package_works_where_only_torch_is(tmp_path):
    source = pathlib.Path(flow3d_kernels.__file__).parent
    shutil.copytree(source, tmp_path / "flow3d_kernels", ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-c", ALONE, str(tmp_path), str(KERNELS["fallback alone"][0])]
    environment = {"PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("flow must be (B, 3, D, H, W)")


def test_the_package_names_itself_nowhere():
    """Relative imports only: a copy under another name imports no other copy."""
    for file in pathlib.Path(flow3d_kernels.__file__).parent.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        assert "from flow3d_kernels" not in text, file
        assert "import flow3d_kernels" not in text, file
        assert '"flow3d::' not in text, file
