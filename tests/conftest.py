"""Shape checking for every test, headless figures, and the skipping of GPU tests where there is no GPU."""

import importlib.util

import jaxtyping
import pytest
import torch

# A bare GPU server may lack beartype; the tests then run without the run-time shape checker.
# A @triton.jit kernel must carry typing.no_type_check too: Triton reads the function that the checker would wrap.
if importlib.util.find_spec("beartype"):
    # is_pep484_tower: a whole number may stand for a float, as Python's type checkers allow.
    beartype = "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"
    jaxtyping.install_import_hook(["flow3d", "flow3d_kernels"], beartype)

# Set in this process only: through the environment it would reach the notebooks' kernels and hide their figures.
if importlib.util.find_spec("matplotlib"):
    import matplotlib

    matplotlib.use("Agg")

torch.set_num_threads(2)


@pytest.fixture
def no_shape_checks(monkeypatch):
    """Switch the run-time shape checker off, so that bad input reaches the function's own checks."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


def pytest_collection_modifyitems(items):
    """Skip tests marked ``gpu`` where torch sees no CUDA or ROCm device, and say so."""
    if torch.cuda.is_available():
        return
    skip = pytest.mark.skip(reason="needs a CUDA or ROCm device; torch sees none")
    for item in items:
        if "gpu" in item.keywords:
            item.add_marker(skip)
