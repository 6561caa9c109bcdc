"""Kernels against the float64 reference, in a process whose Triton is an interpreter: see ../test_interpreter.py."""

import importlib.util
import pathlib
import sys

import pytest
import torch

from flow3d_kernels import backend, use_backend
from flow3d_kernels.triton_kernels.launch import launches


@pytest.fixture(autouse=True)
def the_kernels_work():
    """Nothing here may fall back unnoticed."""
    assert backend(torch.zeros(1)).name == "triton", backend(torch.zeros(1)).reason


@pytest.fixture(autouse=True)
def outputs_begin_as_nan(monkeypatch):
    """Memory that a kernel should have written and did not must not look like an answer."""
    for owner, name in ((torch, "empty"), (torch, "empty_like"), (torch.Tensor, "new_empty")):
        original = getattr(owner, name)

        def poisoned(*args, original=original, **options):
            made = original(*args, **options)
            return made.fill_(torch.nan) if made.is_floating_point() and made.device.type == "cpu" else made

        monkeypatch.setattr(owner, name, poisoned)


@pytest.fixture
def assert_parity(with_gradients, assert_close):
    """Compare values and gradients with the reference in float64, and count the kernels that ran."""

    def check(function, tensors, names, tolerance, kernels):
        before = launches.copy()
        got = with_gradients(function, *tensors)
        assert set(launches - before) == set(kernels)
        with use_backend("reference"):
            expected = with_gradients(function, *(tensor.double() for tensor in tensors))
        for name, a, b, tensor in zip(names, got, expected, (tensors[0], *tensors), strict=True):
            assert a.dtype == tensor.dtype, name
            assert_close(a, b, tolerance, name)
        return got

    return check


@pytest.fixture
def mutated(tmp_path, monkeypatch):
    """``mutated(module, right, wrong)``: the module as its source would be with a mistake in it."""

    def spoil(module, right, wrong):
        source = pathlib.Path(module.__file__).read_text(encoding="utf-8")
        name = module.__name__.rpartition(".")[2]
        assert source.count(right) == 1, f"{name} says it {source.count(right)} times: {right}"
        file = tmp_path / f"spoilt_{name}.py"
        file.write_text(source.replace(right, wrong), encoding="utf-8")
        spec = importlib.util.spec_from_file_location(file.stem, file)
        assert spec is not None
        assert spec.loader is not None
        spoilt = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, file.stem, spoilt)
        spec.loader.exec_module(spoilt)
        return spoilt

    return spoil
