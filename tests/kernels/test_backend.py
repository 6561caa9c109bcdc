"""Who works on a tensor, why, and who may overrule that; and what the package may lean on.

Tests: operations, _dispatch, _triton, fast_warp.
"""

import ast
import dataclasses
import doctest
import functools
import logging
import pathlib
import sys

import pytest
import torch

import flow3d_kernels
from flow3d_kernels import Backend, _dispatch, _triton, backend, fast_warp, operations, use_backend, warp3d


@pytest.fixture(autouse=True)
def nothing_asked_for(monkeypatch):
    monkeypatch.delenv("FLOW3D_BACKEND", raising=False)
    _dispatch._say_once.cache_clear()
    _dispatch._chosen.cache_clear()


def test_a_cpu_tensor_is_worked_by_pytorch_and_the_reason_is_a_sentence():
    for answer in (backend(torch.zeros(1)), backend()):
        assert answer.name == "torch"
        assert answer.reason.endswith(".")
        assert answer.reason[0].isupper()
    assert "CPU" in backend(torch.zeros(1)).reason


def test_the_answer_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(backend(), "name", "triton")  # noqa: B010
    assert backend() == Backend(backend().name, backend().reason)


@pytest.mark.parametrize(
    ("request_", "name"), [("reference", "reference"), ("Torch", "torch"), ("auto", "torch"), ("", "torch")]
)
def test_the_environment_chooses(request_, name, monkeypatch):
    monkeypatch.setenv("FLOW3D_BACKEND", request_)
    assert backend(torch.zeros(1)).name == name


def test_a_block_overrules_the_environment_and_ends(monkeypatch):
    monkeypatch.setenv("FLOW3D_BACKEND", "torch")
    with use_backend("reference"):
        assert backend().name == "reference"
        assert 'use_backend("reference")' in backend().reason
        with use_backend("auto"):
            assert backend(torch.zeros(1)).name == "torch"
        assert backend().name == "reference"
    with pytest.raises(ValueError, match="must be one of"), use_backend("reference"), use_backend("unknown"):
        pass
    assert backend().name == "torch"


def test_triton_falls_back_with_one_notice_that_says_why(monkeypatch, caplog, draw, draw_flow):
    monkeypatch.setenv("FLOW3D_BACKEND", "triton")
    volume, flow = draw((1, 2, 3, 4, 5)), draw_flow((1, 3, 3, 4, 5))
    with caplog.at_level(logging.INFO, logger="flow3d_kernels"):
        results = [warp3d(volume, flow) for _ in range(3)]
    assert len(caplog.records) == 1
    assert "FLOW3D_BACKEND=triton asks for Triton, but the tensor is on the CPU" in caplog.text
    assert backend(volume).name == "torch"
    assert backend(volume).reason.startswith("FLOW3D_BACKEND=triton asks for Triton, but")
    monkeypatch.delenv("FLOW3D_BACKEND")
    assert torch.equal(results[0], warp3d(volume, flow))


@pytest.fixture
def fresh_triton():
    """What loading Triton says is remembered; forget it before and after."""
    _triton.load.cache_clear()
    yield
    _triton.load.cache_clear()


def test_a_gpu_tensor_is_worked_by_triton(fresh_triton):
    pytest.importorskip("triton", reason="Triton has no wheel here")
    assert _dispatch._choose("cuda") == Backend("triton", "The tensor is on a GPU.")
    assert _dispatch.OPERATIONS["triton"].keys() == {"warp3d", "adain3d"}
    from flow3d_kernels.triton_kernels import adain_forward, warp_forward

    for kernel in (warp_forward.warp3d_forward, adain_forward.adain3d_forward):
        assert kernel.fn.__module__.startswith("flow3d_kernels"), "the shape checker has wrapped a kernel"


def test_an_absent_triton_is_a_notice_and_no_error(fresh_triton, monkeypatch, caplog):
    monkeypatch.setattr(_triton.importlib.util, "find_spec", lambda name: None)
    answers = [_dispatch._choose("cuda") for _ in range(3)]
    assert {answer.name for answer in answers} == {"torch"}
    assert answers[0].reason == "Triton is not installed."
    assert caplog.messages == ["Triton is not installed. PyTorch's own operations are used."]


@pytest.mark.parametrize("error", [ImportError("libcuda is missing"), AttributeError("an old release")])
def test_a_broken_triton_is_a_notice_and_no_error(error, fresh_triton, monkeypatch, caplog):
    class Broken:
        def find_spec(self, name, *_):
            if name == "flow3d_kernels.triton_kernels" or name == "triton":
                raise error

    for name in [name for name in sys.modules if name.startswith("flow3d_kernels.triton_kernels")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr(flow3d_kernels, "triton_kernels", raising=False)
    monkeypatch.setattr(_triton.importlib.util, "find_spec", lambda name: True)
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    assert [_dispatch._choose("cuda").name for _ in range(2)] == ["torch", "torch"]
    assert len(caplog.records) == 1
    assert f"Triton cannot be imported ({type(error).__name__}: {error})." in caplog.text


def test_an_interpreter_asked_for_too_late_is_a_notice(fresh_triton, monkeypatch, caplog, draw, draw_flow):
    pytest.importorskip("triton", reason="Triton has no wheel here")
    _triton.load()
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    monkeypatch.setenv("FLOW3D_BACKEND", "triton")
    assert warp3d(draw((1, 2, 3, 4, 5)), draw_flow((1, 3, 3, 4, 5))).shape == (1, 2, 3, 4, 5)
    assert "TRITON_INTERPRET=1 was set after Triton had been imported" in caplog.text
    assert len(caplog.records) == 1


def test_other_devices_are_worked_by_pytorch_where_it_can(caplog, monkeypatch):
    registered = {("aten::grid_sampler_3d", "XPU"), ("aten::grid_sampler_3d_backward", "XPU")}
    registered.add(("aten::grid_sampler_3d", "MPS"))  # for a year without its gradient
    monkeypatch.setattr(torch._C, "_dispatch_has_kernel_for_dispatch_key", lambda *key: key in registered)
    assert _dispatch._choose("xpu") == Backend("torch", "Triton has no kernel here for xpu tensors.")
    assert _dispatch._choose("mps").name == "reference"
    assert "PyTorch has no 3D grid_sample for mps tensors either. The readable reference is used." in caplog.text
    registered.add(("aten::grid_sampler_3d_backward", "MPS"))
    assert _dispatch._choose("mps").name == "torch"


def test_what_pytorch_does_not_tell_is_no_obstacle(monkeypatch):
    assert _triton.has_grid_sample("cuda")
    assert not _triton.has_grid_sample("mps")  # no wheel for the CPU has a kernel for it
    monkeypatch.delattr(torch._C, "_dispatch_has_kernel_for_dispatch_key")
    assert _triton.has_grid_sample("mps")


def test_the_dispatch_decides_what_runs(monkeypatch, draw, draw_flow):
    called = []
    monkeypatch.setitem(_dispatch.OPERATIONS["reference"], "warp3d", lambda *a: called.append("reference") or a[0])
    with use_backend("reference"):
        warp3d(draw((1, 2, 3, 4, 5)), draw_flow((1, 3, 3, 4, 5)))
    assert called == ["reference"]


@pytest.mark.parametrize(
    ("layout", "channels", "differentiated", "path"),
    [
        ("contiguous", 3, True, "sampled"),
        ("contiguous", 16, True, "sampled"),
        ("contiguous", 16, False, "Bagged"),
        ("contiguous", 32, True, "Bagged"),
        ("channels-last", 3, True, "sampled"),
        ("channels-last", 16, True, "Bagged"),
    ],
)
def test_layout_and_channels_decide_which_path_runs(
    layout, channels, differentiated, path, monkeypatch, draw, draw_flow
):
    called = []
    sampled, bagged = fast_warp.sampled, fast_warp.Bagged
    monkeypatch.setattr(fast_warp, "sampled", lambda *a: called.append("sampled") or sampled(*a))
    for name in ("of", "forward"):
        run = getattr(bagged, name)
        monkeypatch.setattr(bagged, name, lambda *a, run=run: called.append("Bagged") or run(*a))
    warp3d(draw((1, channels, 2, 4, 8), layout=layout), draw_flow((1, 3, 2, 4, 8)).requires_grad_(differentiated))
    assert called[:1] == [path]


def test_a_request_is_looked_at_once(monkeypatch, draw, draw_flow):
    asked = []
    choice = _dispatch._choice
    monkeypatch.setattr(_dispatch, "_chosen", functools.cache(lambda *a: asked.append(a) or choice(*a)))
    tensors = draw((1, 2, 3, 4, 5)), draw_flow((1, 3, 3, 4, 5))
    for _ in range(3):
        warp3d(*tensors)
        with use_backend("reference"):
            warp3d(*tensors)
    monkeypatch.setenv("FLOW3D_BACKEND", "torch")
    warp3d(*tensors)
    assert asked == [("cpu", None, None), ("cpu", "reference", None), ("cpu", None, "torch")]


def test_deterministic_gradients_repeat(draw, draw_flow, with_gradients, two_threads):
    tensors = (draw((1, 8, 4, 16, 16), torch.float32, "channels-last"), draw_flow((1, 3, 4, 16, 16), torch.float32))
    once, again = (with_gradients(lambda *t: warp3d(*t, deterministic=True), *tensors) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(once, again, strict=True))


@pytest.mark.parametrize("function", [operations.warp3d, operations.adain3d, backend, use_backend])
def test_the_docstring_example_runs(function):
    names = vars(flow3d_kernels) | {"torch": torch}
    runner = doctest.DocTestRunner()
    for test in doctest.DocTestFinder(recurse=False).find(function, function.__name__, module=False, globs=names):
        runner.run(test)
    assert runner.tries > 0
    assert runner.failures == 0


def test_the_package_knows_nothing_of_faces():
    for file in pathlib.Path(flow3d_kernels.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            modules = [node.module] if isinstance(node, ast.ImportFrom) else []
            modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert not any((module or "").split(".")[0] == "flow3d" for module in modules), file
