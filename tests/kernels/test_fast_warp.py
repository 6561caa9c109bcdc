"""The paths of a warp on a CPU: volumes of one slice, and every path forced on the same volumes.

Tests: fast_warp, warp_by_grid, warp_by_rows, bags.
"""

import itertools

import pytest
import torch

from flow3d_kernels import bags, fast_warp, use_backend, warp3d
from tolerances import KERNELS

LAYOUTS = ("contiguous", "channels-last")
PADDINGS = ("border", "zeros")
SLICES = ((2, 3, 1, 8, 4), (2, 3, 1, 5, 7), (1, 1, 1, 4, 4), (1, 20, 1, 4, 8))  # sizes that are powers of two, and not
everywhere = pytest.mark.parametrize(("layout", "padding"), list(itertools.product(LAYOUTS, PADDINGS)))


@pytest.fixture(scope="session")
def parity(with_gradients, assert_close):
    """Values and gradients of both backends, and the result's layout."""

    def check(tensors, padding):
        function = lambda *given: warp3d(*given, padding=padding)  # noqa: E731
        got = with_gradients(function, *tensors)
        with torch.no_grad():
            assert_close(function(*tensors), got[0], "warp3d float64", "without gradients")
        with use_backend("reference"):
            expected = with_gradients(function, *tensors)
        for name, a, b in zip(("out", "volume", "flow", "mask"), got, expected, strict=False):
            assert_close(a, b, "warp3d float64", name)
        assert got[0].stride() == tensors[0].stride()

    return check


@everywhere
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("shape", SLICES, ids=str)
def test_one_slice(shape, masked, layout, padding, parity, draw, draw_flow):
    """Flows within the slice and off it by less and by more than a voxel, where zeros fade."""
    B, _, *space = shape
    flow = draw_flow((B, 3, *space))
    flow[:, 2] = 0.7 * flow[:, 2]
    tensors = [draw(shape, layout=layout), flow]
    if masked:
        tensors.append(draw((B, 1, *space), seed=2))
    parity(tensors, padding)


@everywhere
def test_one_slice_at_whole_positions(layout, padding, parity, draw):
    volume = draw((1, 2, 1, 4, 8), layout=layout)
    for flow in (torch.zeros(1, 3, 1, 4, 8).double(), (2 * draw((1, 3, 1, 4, 8), seed=1)).round()):
        parity((volume, flow), padding)


@everywhere
@pytest.mark.parametrize("shape", [(1, 3, 1, 4, 8), (1, 3, 1, 5, 7), (1, 3, 2, 1, 8), (1, 40, 2, 4, 3)], ids=str)
def test_flows_without_a_place(shape, layout, padding, parity, draw, draw_flow):
    volume, flow = draw(shape, layout=layout), draw_flow((1, 3, *shape[2:]))
    for value, axis in itertools.product((1e30, -1e38, 1e300, torch.inf, -torch.inf, torch.nan), range(3)):
        lost = flow.clone()
        lost[0, axis, 0, 0, 1], lost[0, axis, -1, 0, 2] = value, -value
        parity((volume, lost), padding)


@everywhere
def test_one_slice_of_values_that_are_no_numbers(layout, padding, broken_volume, assert_alike):
    volume, flow, mask = broken_volume(layout, (2, 3, 3, 4, 8))
    flow[:, 2] = flow[:, 2].clamp(-0.5, 0.5)  # near the slice, or NaN
    for number in range(3):
        slices = volume[:, :, number : number + 1], flow[:, :, number : number + 1], mask[:, :, number : number + 1]
        with use_backend("reference"):
            expected = warp3d(*slices, padding=padding)
        assert_alike(warp3d(*slices, padding=padding), expected)


@everywhere
@pytest.mark.parametrize("many", [1, 1000], ids=["rows", "pictures"])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("size", [(3, 5, 6), (4, 2, 8), (1, 4, 4), (3, 1, 2)], ids=str)
def test_each_path_forced(size, masked, many, layout, padding, parity, draw, draw_flow, monkeypatch):
    monkeypatch.setattr(fast_warp, "MANY", many)
    monkeypatch.setattr(fast_warp, "MANY_BACK", many)
    tensors = [draw((2, 5, *size), layout=layout), draw_flow((2, 3, *size))]
    if masked:
        tensors.append(draw((2, 1, *size), seed=2))
    parity(tensors, padding)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_flow_has_no_slope_at_the_edge_whatever_the_size(layout, draw, with_gradients):
    """Whole flows to the edge and beyond, of sizes for which PyTorch's own way there is rounded."""
    for size in ((1, 5, 7), (3, 6, 11), (2, 4, 8)):
        volume, flow = draw((1, 3, *size), torch.float32, layout), torch.zeros(1, 3, *size)
        for shift in (-1, 1):
            across = torch.arange(size[-1]).float()
            flow[:, 0] = (0 if shift < 0 else size[-1] - 1) - across  # everybody reads an edge
            *_, slope = with_gradients(warp3d, volume, flow)
            assert not slope[:, 0].any(), (size, shift)


@pytest.mark.parametrize("channels", [1, 3, 32])
def test_the_rows_owe_what_pytorch_says(channels):
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(50, channels, generator=generator, dtype=torch.float64).requires_grad_()
    index = torch.randint(0, 40, (70, 8), generator=generator, dtype=torch.int32)  # the last ten are read by nobody
    weight = torch.randn(70, 8, generator=generator, dtype=torch.float64).requires_grad_()
    grad = torch.randn(70, channels, generator=generator, dtype=torch.float64)
    out, *bookkeeping = bags.summed(rows.detach(), index, weight.detach())
    plain = (rows[index.long()] * weight[..., None]).sum(1)
    torch.testing.assert_close(out, plain)
    of_rows, of_weight = torch.autograd.grad(plain, (rows, weight), grad)
    torch.testing.assert_close(bags.owed_to_rows(grad, index, weight.detach(), 50), of_rows)
    torch.testing.assert_close(bags.owed_to_weight(grad, rows.detach(), index, tuple(bookkeeping)), of_weight)


@pytest.mark.parametrize("wanted", ["volume", "flow"])
@pytest.mark.parametrize("padding", PADDINGS)
def test_a_second_derivative_of_a_picture(padding, wanted, draw, draw_flow):
    volume, flow = draw((1, 2, 1, 3, 4)), draw_flow((1, 3, 1, 3, 4))
    flow[:, 2] = 0.3
    leaf = {"volume": volume, "flow": flow}[wanted].requires_grad_()
    try:
        out = warp3d(volume, flow, padding=padding)
        (slope,) = torch.autograd.grad(out.square().sum(), leaf, create_graph=True)
        slope.sum().backward()
    except RuntimeError as error:  # torch 2.8 does not know it, and says so
        pytest.skip(str(error).partition("\n")[0])
    limit = KERNELS["warp3d second derivative"][0]
    assert torch.autograd.gradgradcheck(lambda _: warp3d(volume, flow, padding=padding), (leaf,), atol=limit)
