"""Inputs, gradients and comparison for the tests of the two operations."""

import pytest
import torch

from flow3d_kernels import use_backend
from flow3d_kernels.cpp_kernels import build
from tolerances import KERNELS

LAYOUTS = {"contiguous": torch.contiguous_format, "channels-last": torch.channels_last_3d}


@pytest.fixture(autouse=True)
def a_compiler_for_cpp(request):
    """Skip a case of the backend "cpp" where there is no compiler, and say so."""
    if "cpp" in getattr(getattr(request.node, "callspec", None), "params", {}).values():
        try:
            build.compiler()
        except RuntimeError as error:
            pytest.skip(str(error))


@pytest.fixture(params=["torch", "cpp"])
def fast(request):
    """Each fast backend of a CPU, asked for in turn."""
    with use_backend(request.param):
        yield


@pytest.fixture(scope="session")
def lay():
    """``lay(tensor, "channels-last")``: the same values in another memory layout."""
    return lay_out


def lay_out(tensor, layout):
    return tensor.contiguous(memory_format=LAYOUTS[layout])


@pytest.fixture(scope="session")
def draw():
    """Random tensors of a layout: ``draw(shape, dtype, layout, seed)``."""

    def make(shape, dtype=torch.float64, layout="contiguous", seed=0):
        values = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)
        return lay_out(values, layout) if len(shape) == 5 else values

    return make


@pytest.fixture(scope="session")
def draw_flow():
    """Flows of a few voxels that stay off whole positions, where the gradient jumps and paths may differ."""

    def make(shape, dtype=torch.float64, reach=2, seed=1):
        generator = torch.Generator().manual_seed(seed)
        whole = torch.randint(-reach, reach + 1, shape, generator=generator)
        part = torch.rand(shape, generator=generator, dtype=torch.float64) * 0.8 + 0.1
        return (whole + part).to(dtype)

    return make


@pytest.fixture(scope="session")
def with_gradients():
    """The result of ``function(*tensors)`` and the gradient of a fixed projection of it in each tensor."""

    def run(function, *tensors):
        leaves = [tensor.detach().requires_grad_() for tensor in tensors]
        out = function(*leaves)
        weight = torch.randn(out.shape, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
        return [out.detach(), *torch.autograd.grad(out, leaves, weight.to(out))]

    return run


@pytest.fixture(scope="session")
def assert_close():
    """Compare tensors under a named tolerance: ``assert_close(got, expected, "warp3d float64", name)``."""

    def check(got, expected, tolerance, name="result"):
        limit, _ = KERNELS[tolerance]
        assert got.shape == expected.shape, f"{name}: {tuple(got.shape)} against {tuple(expected.shape)}"
        scale = max(1.0, expected.abs().max().item())
        error = (got.double() - expected.double()).abs().max().item() / scale
        assert error <= limit, f"{name}: error {error:.2e} exceeds {limit:.0e} ({tolerance})"

    return check


@pytest.fixture
def outputs_begin_as_nan(monkeypatch):
    """Memory that a kernel should have written and did not must not look like an answer."""
    for owner, name in ((torch, "empty"), (torch, "empty_like"), (torch.Tensor, "new_empty")):
        original = getattr(owner, name)

        def poisoned(*args, original=original, **options):
            made = original(*args, **options)
            values = made.is_floating_point() and made.device.type != "meta"
            if values:
                made.detach().fill_(torch.nan)  # a compiler may ask for memory that requires a gradient
            return made

        monkeypatch.setattr(owner, name, poisoned)


@pytest.fixture
def assert_kernel_parity(with_gradients, assert_close):
    """Compare a Triton kernel's values and gradients with the reference in float64, and count the kernels that ran."""
    from flow3d_kernels.triton_kernels.launch import launches

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


@pytest.fixture(scope="session")
def broken_volume(draw, draw_flow):
    """``broken_volume(layout)``: a volume with infinities and NaN, a flow inside, at the edge, outside and nowhere."""

    def make(layout, shape=(2, 3, 4, 5, 6)):
        volume = draw(shape, torch.float32, layout)
        holes = torch.rand(shape[2:], generator=torch.Generator().manual_seed(3))
        for value, (low, high) in {torch.nan: (0, 0.1), torch.inf: (0.1, 0.2), -torch.inf: (0.2, 0.3)}.items():
            volume[:, 1:, (holes >= low) & (holes < high)] = value
        flow = draw_flow((shape[0], 3, *shape[2:]), torch.float32)
        flow[:, :, ::2] = flow[:, :, ::2].round()
        flow[0, 0, 0], flow[0, 1, 1], flow[1, 2, 2] = 100.0, -torch.inf, torch.nan
        mask = torch.ones(shape[0], 1, *shape[2:])
        mask[:, :, :, 0], mask[1, :, 2, :, 0] = 0.5, torch.nan
        return volume, flow, mask

    return make


@pytest.fixture(scope="session")
def assert_alike():
    """Compare tensors that hold infinities and NaN: in the same places, and close elsewhere."""

    def check(got, expected):
        assert expected.isfinite().any()
        assert not expected.isfinite().all()
        torch.testing.assert_close(got, expected, equal_nan=True)

    return check
