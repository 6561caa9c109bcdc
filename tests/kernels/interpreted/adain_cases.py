"""adain3d's kernels: values and every gradient, with whole rows and with rows cut into parts.

Tests: adain_op, adain_forward, adain_backward, adain_parts, tiles.
"""

import itertools

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flow3d_kernels import adain3d, use_backend
from flow3d_kernels.triton_kernels import tiles

LAYOUTS = ("contiguous", "channels-last")
NAMES = ("out", "x", "gamma", "beta", "residual")
WHOLE = ("adain3d_forward", "adain3d_backward")
PARTS = (*WHOLE, "adain3d_moments", "adain3d_join", "adain3d_gradient_sums")
AXES = (2, 3, 5)
sizes = st.integers(1, 6)


@pytest.fixture(params=["whole rows", "parts"])
def kernels(request, monkeypatch):
    """Small steps, on a card that the rows fill and on one that they do not; and which kernels that takes."""
    small = dict.fromkeys(tiles.TILES["interpreter"], tiles.Tile(32, 4))
    monkeypatch.setitem(tiles.TILES, "interpreter", small)
    monkeypatch.setitem(tiles.PROCESSORS, "interpreter", 1 if request.param == "whole rows" else 5)
    return WHOLE if request.param == "whole rows" else PARTS


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("gamma_axes", "beta_axes"), list(itertools.product(AXES, repeat=2)))
def test_adain3d_of_every_style(layout, gamma_axes, beta_axes, kernels, draw, assert_parity):
    shape = (2, 3, 3, 4, 5)
    tensors = [draw(shape, layout=layout), draw(shape[:gamma_axes], seed=1), draw(shape[:beta_axes], seed=2)]
    tensors.append(draw(shape, seed=3))

    def restyle(x, gamma, beta, residual):
        return adain3d(x, gamma, beta, negative_slope=0.1, residual=residual)

    got = assert_parity(restyle, tensors, NAMES, "interpreted adain3d float64", kernels)
    assert got[0].stride() == got[1].stride() == tensors[0].stride()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("negative_slope", [None, 0.0])
@pytest.mark.parametrize("with_residual", [False, True])
def test_adain3d_without_activation_or_residual(layout, negative_slope, with_residual, draw, assert_parity):
    shape = (2, 3, 3, 4, 5)
    tensors = [draw(shape, layout=layout), draw(shape[:2], seed=1), draw(shape, seed=2)]
    if with_residual:
        tensors.append(draw(shape, seed=3))

    def restyle(x, gamma, beta, residual=None):
        return adain3d(x, gamma, beta, negative_slope=negative_slope, residual=residual)

    assert_parity(restyle, tensors, NAMES[: len(tensors) + 1], "interpreted adain3d float64", WHOLE)


@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 6), sizes, sizes, st.integers(2, 7)),
    layout=st.sampled_from(LAYOUTS),
    gamma_axes=st.sampled_from(AXES),
    beta_axes=st.sampled_from(AXES),
    seed=st.integers(0, 1000),
)
def test_adain3d_of_any_shape(shape, layout, gamma_axes, beta_axes, seed, draw, assert_parity):
    tensors = [
        draw(shape, layout=layout, seed=seed),
        draw(shape[:gamma_axes], seed=seed + 1),
        draw(shape[:beta_axes], seed=seed + 2),
    ]
    # eps of 0.1: two voxels drawn close together would otherwise make gradients of thousands.
    restyle = lambda *t: adain3d(*t, eps=0.1, negative_slope=0.1)  # noqa: E731
    assert_parity(restyle, tensors, NAMES[:4], "interpreted adain3d float64", WHOLE)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize(("gamma_axes", "beta_axes"), [(2, 3), (5, 5)])
def test_adain3d_in_single_and_half_precision(layout, dtype, gamma_axes, beta_axes, draw, assert_parity):
    shape = (2, 8, 4, 5, 7)
    tensors = (
        draw(shape, dtype, layout),
        draw(shape[:gamma_axes], torch.float32, seed=1),
        draw(shape[:beta_axes], dtype, seed=2),
        draw(shape, dtype, seed=3),
    )

    def restyle(x, gamma, beta, residual):
        return adain3d(x, gamma, beta, negative_slope=0.1, residual=residual)

    assert_parity(restyle, tensors, NAMES, f"interpreted adain3d {str(dtype)[6:]}", WHOLE)


def test_adain3d_of_views(draw, assert_parity):
    wide = draw((2, 8, 3, 4, 5), layout="channels-last")
    style, channel = draw((2, 3, 3, 4, 5), seed=1).transpose(3, 4).contiguous().transpose(3, 4), draw((3, 2), seed=2).mT
    for x in (wide[:, :3], draw((2, 3, 6, 4, 5))[:, :, ::2], draw((2, 3, 3, 5, 4)).transpose(3, 4)):
        assert_parity(adain3d, (x, style, channel), NAMES[:4], "interpreted adain3d float64", WHOLE)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_adain3d_forgets_a_large_mean(layout, kernels, draw, assert_close):
    x, style = draw((1, 4, 4, 8, 8), torch.float32, layout), torch.zeros(1, 4)
    with use_backend("reference"):
        expected = adain3d(x.double(), style, style)
    assert_close(adain3d(x + 100, style, style), expected, "adain3d large mean")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("axes", AXES)
def test_adain3d_gradcheck(layout, axes, draw):
    shape = (2, 2, 2, 2, 2)
    tensors = (draw(shape, layout=layout), draw(shape[:axes], seed=1), draw(shape[:axes], seed=2), draw(shape, seed=3))
    leaves = [tensor.requires_grad_() for tensor in tensors]

    def restyle(x, gamma, beta, residual):
        return adain3d(x, gamma, beta, negative_slope=0.1, residual=residual)

    assert torch.autograd.gradcheck(restyle, leaves, fast_mode=True)
