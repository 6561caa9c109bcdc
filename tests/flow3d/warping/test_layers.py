"""Layers that pass a small frame quickly on a CPU compute what PyTorch's own compute."""

import pytest
import torch
from torch import nn

from flow3d import FlowRenderer
from flow3d.datasets import make_pair
from flow3d.warping.layers import Conv3d, ConvTranspose3d, InstanceNorm2d, flat_weight, laid_out, slices_after, taps
from tolerances import NETWORKS

DEPTHS = (1, 2, 4, 8)
# kernel, stride and padding of depth and of height and width, as AdaINConv3d makes them
PLAIN, HALF_WIDE, HALF = ((3, 3, 3), (1, 1, 1)), ((3, 4, 4), (1, 2, 2)), ((4, 4, 4), (2, 2, 2))


def agree(layer: nn.Module, reference: nn.Module, x: torch.Tensor) -> None:
    reference.load_state_dict(layer.state_dict())
    with torch.no_grad():
        quick, plain = layer(x), reference(x)
    assert quick.shape == plain.shape
    limit, _ = NETWORKS["quick layer"]
    torch.testing.assert_close(quick, plain, rtol=limit, atol=limit)


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("kernel", "stride"), [PLAIN, HALF_WIDE, HALF], ids=["plain", "half wide", "half"])
def test_a_convolution_is_pytorchs(depth, bias, kernel, stride):
    if depth + 2 < kernel[0]:
        pytest.skip("the kernel is deeper than the padded volume")
    torch.manual_seed(depth)
    sizes = (5, 7, kernel, stride, 1)
    agree(Conv3d(*sizes, bias=bias), nn.Conv3d(*sizes, bias=bias), torch.randn(2, 5, depth, 12, 10))


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize(("kernel", "stride"), [PLAIN, HALF_WIDE, HALF], ids=["plain", "double wide", "double"])
def test_a_transposed_convolution_is_pytorchs(depth, kernel, stride):
    torch.manual_seed(depth)
    sizes = (6, 4, kernel, stride, 1)
    agree(ConvTranspose3d(*sizes), nn.ConvTranspose3d(*sizes), torch.randn(2, 6, depth, 5, 7))


def test_an_instance_norm_is_pytorchs():
    torch.manual_seed(0)
    layer = InstanceNorm2d(6, affine=True)
    nn.init.normal_(layer.weight)
    nn.init.normal_(layer.bias)
    x = 3 * torch.randn(2, 6, 9, 7) + 1
    agree(layer, nn.InstanceNorm2d(6, affine=True), laid_out(x))


def test_the_kept_kernel_follows_the_weights():
    layer, x = Conv3d(3, 3, 3, padding=1), torch.randn(1, 3, 2, 6, 6)
    with torch.no_grad():
        before = layer(x)
        layer.weight.mul_(2.0)  # in place, as an optimiser does
        layer.bias.zero_() if layer.bias is not None else None
        after = layer(x)
        plain = nn.functional.conv3d(x, layer.weight, None, 1, 1)
        torch.testing.assert_close(after, plain, rtol=0, atol=NETWORKS["quick layer"][0])
    assert (before - after).abs().max() > 0.1


def test_converted_weights_are_the_ones_that_work():
    layer, x = Conv3d(3, 3, 3, padding=1), torch.randn(1, 3, 2, 6, 6)
    with torch.no_grad():
        before = layer(x)
        layer.half().float()  # rounded, perhaps in the memory of the old ones
        plain = nn.functional.conv3d(x, layer.weight, layer.bias, 1, 1)
        torch.testing.assert_close(layer(x), plain, rtol=0, atol=NETWORKS["quick layer"][0])
        assert not torch.equal(before, layer(x))


def test_weights_made_in_inference_mode_work():
    with torch.inference_mode():
        layer, x = Conv3d(3, 3, 3, padding=1), torch.randn(1, 3, 2, 6, 6)
        plain = nn.functional.conv3d(x, layer.weight, layer.bias, 1, 1)
        torch.testing.assert_close(layer(x), plain, rtol=0, atol=NETWORKS["quick layer"][0])


def test_gradients_take_pytorchs_own_way_to_the_bit():
    layer, x = Conv3d(3, 4, 3, padding=1), torch.randn(1, 3, 2, 6, 6)
    plain = nn.Conv3d(3, 4, 3, padding=1)
    plain.load_state_dict(layer.state_dict())
    assert torch.equal(layer(x), plain(x))
    assert layer(x).requires_grad


def test_the_flat_kernel_holds_zeros_where_slices_never_meet():
    weight = torch.ones(1, 1, 3, 1, 1)
    flat = flat_weight(weight, 4, 1, 1, transposed=False)[:, :, 0, 0]
    band = torch.ones(4, 4).tril(1).triu(-1)
    assert torch.equal(flat, band)
    assert slices_after(4, 3, 1, 1, transposed=False) == 4
    assert len(taps(4, 3, 1, 1, transposed=False)) == int(band.sum()) == 10


def test_a_frame_is_the_same_with_and_without_gradients():
    """The quick ways work without gradients, PyTorch's own layers with them."""
    pair, renderer = make_pair(1_000_053, 64), FlowRenderer.from_pretrained("tiny")
    windows = torch.stack([pair.driving_window, pair.source_window])
    source = renderer.prepare(pair.source, pair.source_alpha, pair.source_window)
    plain = renderer.stages(source, windows).output.detach()
    with torch.no_grad():
        quick = renderer.stages(source, windows).output
    assert not torch.equal(quick, plain)  # another order of the same sums
    torch.testing.assert_close(quick, plain, rtol=0, atol=NETWORKS["quick frame"][0])
