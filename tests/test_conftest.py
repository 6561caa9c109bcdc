"""The test harness itself: shapes are checked, the checker can be switched off, GPU tests skip."""

import importlib
import importlib.util
import sys

import jaxtyping
import pytest
import torch

MODULE = """
from dataclasses import dataclass
from jaxtyping import Float
from torch import Tensor

def double(x: Float[Tensor, "C H W"]) -> Float[Tensor, "C H W"]:
    if x.ndim != 3:
        raise ValueError("x must be (C, H, W)")
    return 2 * x

@dataclass
class Holder:
    x: Float[Tensor, "C H W"]
"""


@pytest.fixture
def sample(tmp_path, monkeypatch):
    """A module imported through the same hook that the package is imported through."""
    pytest.importorskip("beartype", reason="the run-time shape checker is not installed")
    (tmp_path / "checked_sample.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "checked_sample", raising=False)
    with jaxtyping.install_import_hook("checked_sample", "beartype.beartype"):
        return importlib.import_module("checked_sample")


def test_wrong_shapes_are_caught(sample):
    with pytest.raises(jaxtyping.TypeCheckError):
        sample.double(torch.zeros(2))
    with pytest.raises(jaxtyping.TypeCheckError):
        sample.Holder(torch.zeros(2))


def test_bad_input_reaches_the_function_without_the_checker(sample, no_shape_checks):
    with pytest.raises(ValueError, match="x must be"):
        sample.double(torch.zeros(2))
    sample.Holder(torch.zeros(2))


def test_the_package_is_under_the_checker():
    pytest.importorskip("beartype", reason="the run-time shape checker is not installed")
    for name in ("flow3d", "flow3d_kernels"):
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert "Jaxtyping" in type(spec.loader).__name__


def test_the_repository_offers_no_package_named_kernels():
    spec = importlib.util.find_spec("kernels")
    assert spec is None or spec.origin is None, "kernels/__init__.py would shadow the package of that name on PyPI"
