"""Short sums of long channels: statistics and gradients in both layouts, to the accuracy that they are there for.

Tests: channel_sums, fast_adain.
"""

import pytest
import torch

from flow3d_kernels import adain3d, channel_sums, fast_adain, use_backend
from flow3d_kernels._layout import channels_innermost
from tolerances import KERNELS

LAYOUTS = ("contiguous", "channels-last")
SHAPES = ((2, 3, 2, 4, 5), (1, 5, 1, 64, 65), (2, 3, 16, 32, 32), (1, 2, 33, 99, 3), (1, 4, 1, 6, 4))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_pieces_share_a_channel_out(shape, layout, lay):
    x = lay(torch.randn(shape), layout)
    count, voxels = channel_sums.pieces(x), x[0, 0].numel()
    assert voxels % count == 0
    few = channel_sums.LONGEST if channels_innermost(x) else channel_sums.FEW
    assert (count == 1) == (voxels <= few)
    assert voxels // count <= few
    if channels_innermost(x):
        rows = channel_sums.rows(x)
        assert rows.data_ptr() == x.data_ptr()
        assert torch.equal(rows.view(shape[0], -1, shape[1]).mT.reshape(shape), x)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("folded", [True, False])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_norm_and_its_gradients(shape, folded, layout, draw, assert_close):
    x, grad = draw(shape, layout=layout), draw(shape, layout=layout, seed=3)
    scale, shift = (draw(shape[:2], seed=seed) if folded else None for seed in (1, 2))
    out, mean, inverse = channel_sums.normalised(x, scale, shift, 1e-5)
    assert out.stride() == x.stride()

    leaves = [x.clone().requires_grad_(), *(torch.full(shape[:2], value, dtype=x.dtype) for value in (1.0, 0.0))]
    if scale is not None and shift is not None:
        leaves[1:] = scale.clone(), shift.clone()
    centred = leaves[0] - leaves[0].mean((2, 3, 4), keepdim=True)
    plain = centred / (centred.square().mean((2, 3, 4), keepdim=True) + 1e-5).sqrt()
    plain = (
        plain * leaves[1].requires_grad_()[..., None, None, None] + leaves[2].requires_grad_()[..., None, None, None]
    )
    assert_close(out, plain.detach(), "adain3d float64")
    expected = torch.autograd.grad(plain, leaves, grad)
    if scale is None:
        got = [channel_sums.gradient_of_normalised(grad, x, mean, inverse)]
    else:
        got = channel_sums.gradients(grad, x, scale[..., None], mean, inverse)
    for a, b in zip(got, expected, strict=False):
        assert_close(a.view(b.shape), b, "sums of channels")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_sums_of_65536_voxels_keep_their_digits(layout, draw):
    x = draw((1, 3, 16, 64, 64), torch.float32, layout)
    grad = draw((1, 3, 16, 64, 64), torch.float32, layout, seed=1)
    out, mean, inverse = channel_sums.normalised(x, None, None, 1e-5)
    exact = x.double()
    variance, average = torch.var_mean(exact, (2, 3, 4), correction=0)
    limit, _ = KERNELS["sums of 65536 voxels"]
    deviation = (variance + 1e-5).sqrt()
    assert ((mean.view(1, 3) - average).abs() / deviation).max() < limit
    assert ((inverse.view(1, 3) * deviation) - 1).abs().max() < limit
    _, of_scale, _ = channel_sums.gradients(grad, x, torch.ones(1, 3, 1), mean, inverse)
    normalised = (exact - average[..., None, None, None]) / deviation[..., None, None, None]
    products = (grad.double() * normalised).sum((2, 3, 4))
    assert (of_scale[..., 0] - products).abs().max() / products.abs().max() < limit
    assert out.dtype == torch.float32


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("axes", [(2, 2), (2, 3), (3, 3), (5, 2), (5, 5)], ids=str)
@pytest.mark.parametrize("residual", [False, True])
def test_large_volumes_take_another_path(residual, axes, layout, draw, with_gradients, assert_close, monkeypatch):
    limits = {fast_adain: ("SMALL", "SIMPLE"), channel_sums: ("FEW", "LONGEST")}
    for owner, limit in ((owner, name) for owner, names in limits.items() for name in names):
        monkeypatch.setattr(owner, limit, 6)
    shape = (2, 5, 3, 4, 7)
    tensors = [draw(shape, layout=layout), *(draw(shape[:count], seed=seed) for seed, count in enumerate(axes, 1))]
    if residual:
        tensors.append(draw(shape, seed=3))

    def restyle(x, gamma, beta, residual=None):
        return adain3d(x, gamma, beta, negative_slope=0.1, residual=residual)

    got = with_gradients(restyle, *tensors)
    with torch.no_grad():
        assert_close(restyle(*tensors), got[0], "adain3d float64")
    with use_backend("reference"):
        expected = with_gradients(restyle, *tensors)
    for a, b in zip(got, expected, strict=True):
        assert_close(a, b, "adain3d float64")
    assert got[0].stride() == tensors[0].stride()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("small", [True, False], ids=["small", "large"])
def test_a_result_may_be_changed_before_the_backward_pass(small, layout, draw, monkeypatch):
    if not small:
        monkeypatch.setattr(fast_adain, "SMALL", 0)
        monkeypatch.setattr(fast_adain, "SIMPLE", 0)
    x, style = draw((1, 3, 2, 4, 4), layout=layout).requires_grad_(), draw((1, 3), seed=1)
    expected = torch.autograd.grad(2 * adain3d(x, style, style, negative_slope=0.1).sum(), x)[0]
    y = adain3d(x, style, style, negative_slope=0.1)
    y *= 2
    assert torch.equal(torch.autograd.grad(y.sum(), x)[0], expected)
