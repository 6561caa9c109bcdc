"""The backends of a CPU at the edges: values that are none, far means, 1e20, second derivatives.

Tests: fast_warp, fast_adain, channel_sums, reference.
"""

import pytest
import torch
import torch.nn.functional as F

from flow3d_kernels import adain3d, bags, channel_sums, use_backend, warp3d
from tolerances import KERNELS

LAYOUTS = ("contiguous", "channels-last")
BACKENDS = ("torch", "cpp", "reference")


@pytest.mark.usefixtures("fast")
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("padding", ["border", "zeros"])
def test_values_that_are_no_numbers_reach_whom_they_concern(layout, padding, broken_volume, assert_alike):
    volume, flow, mask = broken_volume(layout)
    with use_backend("reference"):
        expected = warp3d(volume, flow, mask, padding=padding)
    got = warp3d(volume, flow, mask, padding=padding)
    assert_alike(got, expected)
    assert got.stride() == volume.stride()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_what_reads_nothing_is_0_whatever_the_volume_holds(layout, backend, lay):
    volume = torch.ones(1, 2, 4, 4, 4)
    volume[..., -1, -1, -1] = torch.inf
    volume = lay(volume, layout)
    outside = torch.zeros(1, 3, 4, 4, 4)
    outside[:, 0] = 100.0
    with use_backend(backend):
        assert not warp3d(volume, outside, padding="zeros").any()
        assert not warp3d(volume, torch.full_like(outside, torch.nan)).any()
        assert torch.equal(warp3d(volume, torch.zeros_like(outside)), volume)


def test_rows_are_numbered_in_64_bits_from_2_to_the_28_voxels(monkeypatch):
    """F.embedding_bag numbers eight of them for each voxel, in the type of the rows; only shapes are looked at."""
    types = []
    plain = bags.BagsOfRows.of
    monkeypatch.setattr(bags.BagsOfRows, "of", lambda *a: types.append(a[1].dtype) or plain(*a))
    for depth in (2**8 - 1, 2**8):
        volume = torch.empty(1, 2, depth, 2**10, 2**10, device="meta").to(memory_format=torch.channels_last_3d)
        warp3d(volume, torch.empty(1, 3, depth, 2**10, 2**10, device="meta"), deterministic=True)
    assert types == [torch.int32, torch.int64]


CHANNELS = {"mean 0": (0, 1), "mean 10": (10, 1), "mean 100": (100, 1), "mean 1000": (1000, 1), "constant 7": (7, 0)}


@pytest.mark.usefixtures("fast")
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("shape", [(2, 4, 16, 32, 32), (2, 12, 16, 32, 32)], ids=["small", "large"])
def test_the_gradient_of_gamma_is_as_good_as_instance_norms(shape, layout, channel, draw, lay, with_gradients):
    mean, deviation = CHANNELS[channel]
    x = lay(mean + deviation * draw(shape, torch.float32), layout)
    gamma, beta = draw(shape[:2], torch.float32, seed=1), draw(shape[:2], torch.float32, seed=2)

    def plain(x, gamma, beta):
        return F.instance_norm(x) * (1 + gamma[..., None, None, None]) + beta[..., None, None, None]

    with use_backend("reference"):
        exact = with_gradients(adain3d, *(tensor.double() for tensor in (x, gamma, beta)))
    scale = exact[2].abs().max().clamp(min=1)
    ours, theirs = (
        ((with_gradients(function, x, gamma, beta)[2] - exact[2]).abs().max() / scale).item()
        for function in (adain3d, plain)
    )
    assert ours <= max(5 * theirs, KERNELS["adain3d gradient of gamma"][0]), (ours, theirs)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("axes", [2, 3, 5])
def test_adain3d_of_constant_and_of_huge_channels(layout, backend, axes, draw, lay, assert_close, with_gradients):
    shape = (1, 2, 4, 8, 8)
    gamma, beta = draw(shape[:axes], torch.float32, seed=1), draw(shape[:axes], torch.float32, seed=2)
    spread = beta.view(*beta.shape, *(1,) * (5 - axes)).expand(shape)
    x = draw(shape, torch.float32, layout)
    with use_backend(backend):
        for value in (7.0, 0.1, 1e4, 1.2345678e7, 1e20):
            out = adain3d(lay(torch.full(shape, value), layout), gamma, beta)
            assert torch.equal(out, spread), value
        expected = with_gradients(adain3d, *(tensor.double() for tensor in (x, gamma, beta)))
        got = with_gradients(adain3d, 1e20 * x, gamma, beta)
    # An eps of 1e-5 is nothing beside 1e40: the result is that of x to five digits, its gradient that much smaller.
    assert_close(got[0], expected[0], "adain3d 1e20")
    assert_close(got[1] * 1e20, expected[1], "adain3d 1e20")
    assert_close(got[2], expected[2], "adain3d 1e20")


def grid_sample_twice() -> bool:
    """Whether this torch knows the second derivative of its own 3D grid_sample; torch 2.8 does not."""
    volume = torch.ones(1, 1, 2, 2, 2, requires_grad=True)
    sampled = torch.nn.functional.grid_sample(volume, torch.zeros(1, 1, 1, 1, 3), align_corners=False)
    (grad,) = torch.autograd.grad(sampled.square().sum(), volume, create_graph=True)
    try:
        grad.sum().backward()
    except RuntimeError:
        return False
    return True


@pytest.mark.usefixtures("fast")
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("wanted", ["volume", "flow"])
def test_a_second_derivative_of_the_warp(layout, wanted, draw, draw_flow):
    if layout == "contiguous" and not grid_sample_twice():
        pytest.skip("this torch's own grid_sampler_3d has no second derivative")
    volume, flow = draw((1, 2, 2, 3, 2), layout=layout), draw_flow((1, 3, 2, 3, 2))
    leaf = {"volume": volume, "flow": flow}[wanted].requires_grad_()
    limit = KERNELS["warp3d second derivative"][0]
    assert torch.autograd.gradgradcheck(lambda _: warp3d(volume, flow, padding="zeros"), (leaf,), atol=limit)


@pytest.mark.usefixtures("fast")
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("axes", [2, 3, 5])
@pytest.mark.parametrize("negative_slope", [None, 0.1])
@pytest.mark.parametrize("large", [False, True], ids=["small", "large"])
def test_a_second_derivative_of_adain(layout, axes, negative_slope, large, draw, monkeypatch):
    for limit in ("FEW", "LONGEST") if large else ():
        monkeypatch.setattr(channel_sums, limit, 1)
    shape = (1, 2, 2, 2, 3)
    leaves = [draw(shape, layout=layout), draw(shape[:axes], seed=1), draw(shape[:axes], seed=2)]
    restyle = lambda *t: adain3d(*t, negative_slope=negative_slope)  # noqa: E731
    assert torch.autograd.gradgradcheck(restyle, [leaf.requires_grad_() for leaf in leaves], fast_mode=True)


@pytest.mark.usefixtures("fast")
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("negative_slope", [None, 0.1])
def test_gradients_by_torch_func_are_autograds(layout, negative_slope, draw, draw_flow):
    x, style = draw((1, 3, 2, 4, 4), layout=layout), draw((1, 3), seed=1)
    flow = draw_flow((1, 3, 2, 4, 4))
    for function in (
        lambda x: adain3d(x, style, style, negative_slope=negative_slope).square().sum(),
        lambda x: warp3d(x, flow).square().sum(),
    ):
        leaf = x.clone().requires_grad_()
        function(leaf).backward()
        torch.testing.assert_close(torch.func.grad(function)(x), leaf.grad)
