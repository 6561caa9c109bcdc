"""Kernels against the float64 reference, in a process whose Triton is an interpreter: see ../test_interpreter.py."""

import importlib.util
import pathlib
import sys

import pytest
import torch

from flow3d_kernels import backend


@pytest.fixture(autouse=True)
def the_kernels_work(outputs_begin_as_nan):
    """Nothing here may fall back unnoticed."""
    assert backend(torch.zeros(1)).name == "triton", backend(torch.zeros(1)).reason


@pytest.fixture
def assert_parity(assert_kernel_parity):
    return assert_kernel_parity


@pytest.fixture
def mutated(tmp_path, monkeypatch):
    """``mutated(module, right, wrong)``: the module as its source would be with a mistake in it."""

    def spoil(module, right, wrong):
        source = pathlib.Path(module.__file__).read_text(encoding="utf-8")
        name = module.__name__.rpartition(".")[2]
        assert source.count(right) == 1, f"{name} says it {source.count(right)} times: {right}"
        file = tmp_path / f"spoilt_{name}.py"
        file.write_text(source.replace(right, wrong), encoding="utf-8")
        name = f"{module.__package__}.{file.stem}"  # inside the package, whose modules it imports
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None
        assert spec.loader is not None
        spoilt = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, spoilt)
        spec.loader.exec_module(spoilt)
        return spoilt

    return spoil
