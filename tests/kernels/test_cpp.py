"""The C++ backend: vectors and their rests, threads, values that are none, and who must not see it.

Its parity, its edges and its laws stand with those of the other backends, in test_parity, test_edges and
test_warp3d_laws.

Tests: cpp_kernels.warp_op, cpp_kernels.adain_op, cpp_kernels.library.
"""

import itertools
import subprocess
import sys

import pytest
import torch
from torch.autograd import forward_ad

from flow3d_kernels import adain3d, use_backend, warp3d
from flow3d_kernels.cpp_kernels import build, library

LAYOUTS = ("contiguous", "channels-last")
PADDINGS = ("border", "zeros")
WARP_NAMES = ("out", "volume", "flow", "mask")
ADAIN_NAMES = ("out", "x", "gamma", "beta", "residual")


@pytest.fixture(autouse=True, scope="module")
def a_compiler():
    try:
        build.compiler()
    except RuntimeError as error:
        pytest.skip(str(error))


@pytest.fixture
def calls(monkeypatch):
    """The names of the library's functions that are called and their arguments, in order."""
    seen = []
    found = library.function

    def noted(name, dtype):
        return lambda *arguments: seen.append((name, arguments)) or found(name, dtype)(*arguments)

    for module in ("warp_op", "adain_op"):
        monkeypatch.setattr(f"flow3d_kernels.cpp_kernels.{module}.function", noted)
    return seen


@pytest.fixture(scope="session")
def assert_cpp_parity(with_gradients, assert_close):
    """Compare C++ with the reference: values and gradients."""

    def check(function, tensors, names, tolerance):
        with use_backend("cpp"):
            got = with_gradients(function, *tensors)
        with use_backend("reference"):
            expected = with_gradients(function, *tensors)
        for name, a, b in zip(names, got, expected, strict=False):
            assert a.dtype == b.dtype, name
            assert_close(a, b, tolerance, name)

    return check


# One, a few, those of each vector and one more or less, and more than a block's.
CHANNELS = (1, 3, 4, 5, 7, 8, 9, 16, 17, 24, 33, 70, 130)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("width", [1, 5, 67])  # 67: more than a tile of a line
def test_warps_of_any_number_of_channels(channels, layout, dtype, width, draw, draw_flow, assert_cpp_parity):
    shape = (2, channels, 2, 3, width)
    flow = draw_flow((2, 3, 2, 3, width), dtype).contiguous(
        memory_format=torch.channels_last_3d if channels % 2 else torch.contiguous_format
    )
    tensors = (draw(shape, dtype, layout), flow, draw((2, 1, 2, 3, width), dtype, seed=2))
    tolerance = "warp3d float64" if dtype == torch.float64 else "warp3d 64 voxels, channels-last"
    for padding in PADDINGS:
        assert_cpp_parity(lambda *t, padding=padding: warp3d(*t, padding=padding), tensors, WARP_NAMES, tolerance)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("axes", list(itertools.product((2, 3, 5), repeat=2)))
def test_adain_of_any_number_of_channels(channels, layout, dtype, axes, draw, assert_cpp_parity):
    shape = (2, channels, 2, 3, 23)
    styles = (draw(shape[:each], dtype, layout, seed=each) for each in axes)
    tensors = (draw(shape, dtype, layout), *styles, draw(shape, dtype, "contiguous", seed=4))

    def restyle(x, gamma, beta, residual):
        return adain3d(x, gamma, beta, negative_slope=0.1, residual=residual)

    tolerance = "adain3d float64" if dtype == torch.float64 else "adain3d float32 gradients"
    assert_cpp_parity(restyle, tensors, ADAIN_NAMES, tolerance)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_threads_change_no_bit(layout, draw, draw_flow, with_gradients):
    """More values than two threads are started for, in one sample and in several."""
    for shape in ((1, 40, 4, 32, 48), (3, 3, 4, 64, 130)):
        B, C, *space = shape
        x, flow = draw(shape, torch.float32, layout), draw_flow((B, 3, *space), torch.float32)
        mask, style = draw((B, 1, *space), torch.float32, seed=2), draw((B, C, space[0]), torch.float32, seed=3)
        found = []
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            with use_backend("cpp"):
                warped = with_gradients(warp3d, x, flow, mask)
                styled = with_gradients(lambda *t: adain3d(*t, negative_slope=0.1), x, style, style)
            found.append([*warped, *styled])
        for other in found[1:]:
            assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("channels", [3, 6])  # few, and enough for vectors
def test_gradients_of_values_that_are_no_numbers(
    layout, padding, channels, broken_volume, with_gradients, assert_alike
):
    volume, flow, mask = broken_volume(layout, (2, channels, 4, 5, 6))
    mask = mask.nan_to_num(0.25)
    found = {}
    for name in ("cpp", "reference"):
        with use_backend(name):
            found[name] = with_gradients(lambda *t: warp3d(*t, padding=padding), volume, flow, mask)
    nowhere = flow.isnan().any(dim=1, keepdim=True)
    found["reference"][3][nowhere] = (
        0.0  # the reference multiplies what it has not read by 0, and infinity is no number
    )
    for index, (got, expected) in enumerate(zip(*found.values(), strict=True)):
        if index == 1:  # no gradient of a volume depends on its values
            torch.testing.assert_close(got, expected)
        else:
            assert_alike(got, expected)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("mean", [1000.0, 10000.0])
def test_a_far_mean_costs_no_digits(layout, mean, draw, assert_close):
    x = draw((1, 6, 4, 16, 16), torch.float32, layout) + mean
    style = torch.zeros(1, 6)
    with use_backend("reference"):
        expected = adain3d(x.double(), style, style)
    with use_backend("cpp"):
        assert_close(adain3d(x, style, style), expected, "adain3d float32 gradients")


def test_only_what_is_wanted_is_called_for(calls, draw, draw_flow):
    volume, flow = draw((1, 6, 2, 3, 4), torch.float32, "channels-last"), draw_flow((1, 3, 2, 3, 4), torch.float32)
    with use_backend("cpp"):
        warp3d(volume, flow.requires_grad_()).sum().backward()
        warp3d(volume.requires_grad_(), flow.detach()).sum().backward()
        adain3d(volume.detach(), torch.zeros(1, 6), torch.zeros(1, 6, requires_grad=True)).sum().backward()
    warps = ["warp3d_forward", "warp3d_backward"] * 2
    assert [name for name, _ in calls] == [*warps, "adain3d_forward", "adain3d_backward"]
    null = [[argument is None for argument in arguments[-5:]] for _, arguments in calls[1::2]]
    # Of the warp the gradients of volume, flow and mask; of AdaIN those of x, gamma, beta and the value.
    assert null == [
        [False, False, True, False, True],
        [False, False, False, True, True],
        [False, True, True, False, True],
    ]


COMPILED = """
import torch
from torch._subclasses import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx
from flow3d_kernels import adain3d, backend, use_backend, warp3d
from flow3d_kernels.cpp_kernels import library, warp_op, adain_op

called, found = [], library.function
warp_op.function = adain_op.function = lambda name, dtype: called.append(name) or found(name, dtype)

def both(volume, flow):
    style = volume.mean((2, 3, 4))
    return adain3d(warp3d(volume, flow), style, style, negative_slope=0.1)

class Both(torch.nn.Module):
    forward = staticmethod(both)

class Noted(torch.Tensor):
    pass

volume, flow = torch.randn(1, 6, 2, 3, 4), torch.randn(1, 3, 2, 3, 4)
expected = both(volume, flow)
with use_backend("cpp"):
    assert backend(volume).name == "cpp"
    for dynamic in (False, True):
        torch.testing.assert_close(torch.compile(both, backend="aot_eager", dynamic=dynamic)(volume, flow), expected)
    torch.testing.assert_close(torch.export.export(Both(), (volume, flow)).module()(volume, flow), expected)
    torch.testing.assert_close(make_fx(both)(volume, flow)(volume, flow), expected)
    with FakeTensorMode() as mode:
        assert both(mode.from_tensor(volume), mode.from_tensor(flow)).shape == volume.shape
    assert isinstance(warp3d(volume.as_subclass(Noted), flow), Noted)
    assert called == [], called
    with torch.device("meta"):
        torch.testing.assert_close(both(volume, torch.nn.Parameter(flow)), expected)
    assert called == ["warp3d_forward", "planes", "adain3d_forward"], called
"""


@pytest.mark.slow
def test_whoever_records_or_compiles_sees_plain_operations():
    """In a process without the shape checker of these tests, which a compiler cannot look through."""
    done = subprocess.run([sys.executable, "-c", COMPILED], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")  # torch's own use of it
def test_a_derivative_along_a_direction_is_the_references(draw, draw_flow, calls):
    volume, flow = draw((1, 6, 2, 3, 4)), draw_flow((1, 3, 2, 3, 4))
    with use_backend("cpp"):
        derivatives = [torch.func.jvp(lambda volume: warp3d(volume, flow), (volume,), (volume,))[1]]
        with torch.no_grad(), forward_ad.dual_level():
            derivatives.append(forward_ad.unpack_dual(warp3d(forward_ad.make_dual(volume, volume), flow)).tangent)
        assert calls == []
        for derivative in derivatives:  # a warp is linear in the volume
            torch.testing.assert_close(derivative, warp3d(volume, flow))
