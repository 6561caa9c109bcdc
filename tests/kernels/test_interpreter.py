"""The kernels without a GPU: Triton's interpreter runs them line by line on CPU tensors, in a process of its own.

The interpreter must be chosen before Triton is imported, and torch.compile cannot look through the run-time shape
checker of ../conftest.py; hence the process. To run one case of it:

    TRITON_INTERPRET=1 FLOW3D_BACKEND=triton python -m pytest --confcutdir=tests/kernels \
        tests/kernels/interpreted/warp_cases.py -k gradcheck
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


@triton_is_here
@pytest.mark.slow
def test_every_interpreted_case_passes():
    cases = [*sorted((HERE / "interpreted").glob("*_cases.py")), HERE / "test_warp3d_laws.py"]
    command = [sys.executable, "-m", "pytest", "-q", "--confcutdir", HERE, "-p", "no:cacheprovider", *cases]
    environment = os.environ | {"TRITON_INTERPRET": "1", "FLOW3D_BACKEND": "triton"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=HERE.parents[1], check=False)
    assert done.returncode == 0, done.stdout[-20000:] + done.stderr[-2000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) > 150, done.stdout[-2000:]
