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


# Two processes of about the same length, side by side.
HALVES = (
    ("interpreted/warp_cases.py", "interpreted/integration_cases.py", "test_warp3d_laws.py"),
    ("interpreted/adain_cases.py", "interpreted/planted_bug_cases.py"),
)


@triton_is_here
@pytest.mark.slow
def test_every_interpreted_case_passes():
    assert sum(name.startswith("interpreted/") for half in HALVES for name in half) == len(
        list((HERE / "interpreted").glob("*_cases.py"))
    )
    options = ("-q", "-p", "no:cacheprovider", "--confcutdir", str(HERE))
    environment = os.environ | {"TRITON_INTERPRET": "1", "FLOW3D_BACKEND": "triton", "OMP_NUM_THREADS": "1"}
    runs = [
        subprocess.Popen(
            [sys.executable, "-m", "pytest", *options, *(str(HERE / name) for name in half)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
            cwd=HERE.parents[1],
        )
        for half in HALVES
    ]
    outputs = [run.communicate()[0] for run in runs]
    for run, output in zip(runs, outputs, strict=True):
        assert run.returncode == 0, output[-20000:]
    passed = [re.search(r"(\d+) passed", output) for output in outputs]
    assert sum(int(each[1]) for each in passed if each) > 200, outputs
