"""The kernels at the edges of what numbers can say: values that are none, large means, 1e20, odd pairs of types.

Tests: warp_op, adain_op.
"""

import pytest
import torch

from flow3d_kernels import adain3d, use_backend, warp3d

LAYOUTS = ("contiguous", "channels-last")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("padding", ["border", "zeros"])
def test_values_that_are_no_numbers_reach_whom_they_concern(layout, padding, broken_volume, assert_alike):
    volume, flow, mask = broken_volume(layout)
    with use_backend("reference"):
        expected = warp3d(volume, flow, mask, padding=padding)
    assert_alike(warp3d(volume, flow, mask, padding=padding), expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_a_half_precision_volume_with_a_float64_flow(dtype, draw, draw_flow, assert_parity):
    tensors = (draw((1, 4, 2, 3, 4), dtype, "channels-last"), draw_flow((1, 3, 2, 3, 4)))
    tolerance = f"interpreted warp3d {str(dtype)[6:]}"
    assert_parity(warp3d, tensors, ("out", "volume", "flow"), tolerance, ("warp3d_forward", "warp3d_backward"))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", [(1, 4, 8), (3, 32, 32)], ids=["one program", "parts"])
def test_adain3d_of_constant_and_of_huge_channels(layout, size, draw, lay, assert_close):
    """A constant is its own mean, to the bit; and 1e20 has a square."""
    style = torch.zeros(1, 2)
    for value in (7.0, 0.1, 1e4, 1.2345678e7, 1e20):
        assert not adain3d(lay(torch.full((1, 2, *size), value), layout), style, style).any(), value
    x = draw((1, 2, *size), torch.float32, layout)
    with use_backend("reference"):
        expected = adain3d(x.double(), style.double(), style.double(), eps=1e-12)
    for scale in (1e20, 1e-3):
        assert_close(adain3d(scale * x, style, style, eps=1e-12), expected, "adain3d 65536 voxels", str(scale))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("mean", "tolerance"), [(1e3, "adain3d mean 1000"), (1e4, "adain3d mean 10000")], ids=["1000", "10000"]
)
def test_adain3d_keeps_its_mean(layout, mean, tolerance, draw, assert_close):
    """As good as its input: float32 holds mean + x to a fourteen-millionth of the mean."""
    x, style = draw((1, 4, 4, 16, 16), torch.float32, layout) + mean, torch.zeros(1, 4)
    with use_backend("reference"):
        expected = adain3d(x.double(), style.double(), style.double())
    assert_close(adain3d(x, style, style), expected, tolerance)
