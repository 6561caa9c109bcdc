"""One thread and checked shapes for every test, headless figures, readable names of cases, and files side by side."""

import importlib.util
from functools import partial

import jaxtyping
import numpy as np
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

torch.set_num_threads(1)

# Files whose cases start processes of their own and share nothing: side by side, each case may go to another core.
APART = ("test_interpreter.py",)
LONGEST_NAME = 60


@pytest.fixture(autouse=True)
def one_thread():
    """A command sets how many threads torch has; the next test has one again.

    Tests run side by side, one process on each core, and a second thread would wait for a busy one.
    """
    yield
    torch.set_num_threads(1)


@pytest.fixture
def two_threads(one_thread):
    """More than the one thread that the package takes for small pictures, so that a test sees whether it gives back."""
    torch.set_num_threads(2)


@pytest.fixture
def no_shape_checks(monkeypatch):
    """Switch the run-time shape checker off, so that bad input reaches the function's own checks."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


def pytest_collection_modifyitems(config, items):
    """Skip tests marked ``gpu`` where torch sees no card, and say so; side by side, begin with what takes longest."""
    if not torch.cuda.is_available():
        skip = pytest.mark.skip(reason="needs a CUDA or ROCm device; torch sees none")
        for item in items:
            if "gpu" in item.keywords:
                item.add_marker(skip)
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: item.path.suffix != ".ipynb" and "slow" not in item.keywords)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Give a file's tests to one process, because they share fixtures, but each case of the files APART to any."""
    from xdist.scheduler import LoadFileScheduling

    class ByFile(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return nodeid if file.endswith(APART) else file

    return ByFile(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_make_parametrize_id(val, argname):
    """Name a case after its values; None leaves the name to pytest."""
    match val:
        case torch.dtype():
            return str(val).removeprefix("torch.")
        case torch.Tensor() | np.ndarray():
            return f"{str(val.dtype).removeprefix('torch.')} {'x'.join(map(str, val.shape)) or 'scalar'}"
        case Exception():
            return type(val).__name__
        case dict():
            return ", ".join(f"{key}={in_short(value)}" for key, value in val.items()) or "nothing"
        case partial():
            given = [*map(in_short, val.args), *(f"{key}={in_short(value)}" for key, value in val.keywords.items())]
            return f"{val.func.__name__}({', '.join(given)})"
        case tuple() | list():
            return cut(("x" if "shape" in argname else ", ").join(map(in_short, val))) or "nothing"
        case str() if not val or not val.isprintable() or "\\" in val or len(val) > LONGEST_NAME:
            return cut(" ".join(val.replace("\\", "").split())) or "nothing"
    return None


def in_short(value) -> str:
    """One value within a name."""
    return cut(str(pytest_make_parametrize_id(value, "") or value))


def cut(text: str) -> str:
    return text if len(text) <= LONGEST_NAME else text[: LONGEST_NAME - 1].rstrip() + "…"
