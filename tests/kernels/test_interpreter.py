"""The kernels without a GPU: Triton's interpreter runs them line by line on CPU tensors, in a process of its own.

The interpreter must be chosen before Triton is imported, and torch.compile cannot look through the run-time shape
checker of ../conftest.py; hence the process. To run one case of it:

    TRITON_INTERPRET=1 FLOW3D_BACKEND=triton python -m pytest --confcutdir=tests/kernels \
        tests/kernels/interpreted/warp_cases.py -k gradcheck

Tests: launch.
"""

import importlib.util
import os
import pathlib
import re
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).parent
triton_is_here = pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton has no wheel here")


# What one process runs: parts of about the same length, which may run side by side.
PARTS = {
    "warp3d": ("interpreted/warp_cases.py", "test_warp3d_laws.py"),
    "adain3d and what holds both": ("interpreted/adain_cases.py", "interpreted/integration_cases.py"),
    "planted bugs": ("interpreted/planted_bug_cases.py",),
    "edges and addresses": ("interpreted/edge_cases.py", "interpreted/address_cases.py"),
}


def test_every_file_of_cases_is_in_one_part():
    named = sorted(name for part in PARTS.values() for name in part if name.startswith("interpreted/"))
    assert named == sorted(f"interpreted/{file.name}" for file in (HERE / "interpreted").glob("*_cases.py"))


@triton_is_here
@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
def test_every_interpreted_case_passes(part):
    options = ("-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--confcutdir", str(HERE))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment |= {"TRITON_INTERPRET": "1", "FLOW3D_BACKEND": "triton", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", *options, *(str(HERE / name) for name in PARTS[part])]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=HERE.parents[1], check=False)
    assert done.returncode == 0, done.stdout[-20000:] + done.stderr[-2000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None, done.stdout
    assert int(passed[1]) > 20, done.stdout
    assert "skipped" not in done.stdout.splitlines()[-1] or part == "adain3d and what holds both"
