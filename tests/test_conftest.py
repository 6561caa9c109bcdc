"""The test harness itself: shapes are checked, the checker can be switched off, GPU tests skip."""

import importlib
import importlib.util
import re
import sys
from functools import partial

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


def double_of(value, by):
    return value * by


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


def unreadable(case: str, arguments) -> bool:
    """Whether a case is named by the place of its values in a list, by an object's address, or at too great length."""
    numbered = any(re.search(rf"(^|-){re.escape(argument)}\d+(-|$)", case) for argument in arguments)
    return numbered or len(case) > 150 or re.search(r"<.*>|0x[0-9a-f]{6}", case) is not None


def test_every_case_has_a_readable_name(request):
    named = [(item.nodeid, item.callspec) for item in request.session.items if hasattr(item, "callspec")]
    assert [name for name, case in named if unreadable(case.id, case.params)] == []


def test_an_unreadable_name_is_found():
    for name in ("value0", "1-value12-x", "<lambda>", "<object at 0x7f00a1b2c3d4>", "x" * 151):
        assert unreadable(name, ("value",)), name
    assert not unreadable("size=60-value: expected 1, got 0", ("value",))


@pytest.mark.parametrize(
    ("shape", "value"),
    [
        ((3, 4), torch.float16),
        ((), torch.zeros(2, 3)),
        ([5], {"size": 60, "pair": (1, 2)}),
        ((1,), partial(double_of, torch.zeros(2), by=2)),
        ((2,), ValueError("x")),
        ((0,), "a long message " * 9),
    ],
)
def test_values_name_their_case(request, shape, value):
    expected = {
        "3x4-float16", "nothing-float32 2x3", "5-size=60, pair=1, 2", "1-double_of(float32 2, by=2)", "2-ValueError",
        "0-a long message a long message a long message a long message…",
    }  # fmt: skip
    assert request.node.callspec.id in expected
