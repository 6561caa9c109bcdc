"""Modulated convolutions: weights at unit strength instead of a norm, and kernels as deep as the slices they meet."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from flow3d.warping.adain import GAIN, SLOPE, AdaINConv2d, AdaINConv3d, DemodulatedConv2d
from tolerances import NETWORKS

LAYER = NETWORKS["layer"][0]


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def scaled(layer: DemodulatedConv2d, z: Tensor) -> Tensor:
    """The weights that the motion leaves, (B, O, C, 3, 3): scaled for each input, at a strength of ``GAIN``."""
    scale = 1 + layer.scale(layer.shared(z))
    weight = layer.convolution.weight[None] * scale[:, None, :, None, None]
    return GAIN * weight / weight.square().sum((2, 3, 4), keepdim=True).sqrt()


@torch.no_grad()
def test_demodulated_weights_have_unit_strength_and_are_those_that_work():
    layer, x, z = DemodulatedConv2d(5, 7, 8, 6), torch.randn(3, 5, 9, 9), 4 * torch.randn(3, 8)
    layer.bias.normal_()
    weights = scaled(layer, z)
    assert layer.scale(layer.shared(z)).std(1).min() > 0.2  # the motion does scale the inputs apart
    torch.testing.assert_close(weights.square().sum((2, 3, 4)), torch.full((3, 7), GAIN**2))
    each = [functional.conv2d(x[k : k + 1], weights[k], layer.bias, padding=1) for k in range(3)]
    expected = functional.leaky_relu(torch.cat(each), SLOPE)
    torch.testing.assert_close(layer(x, z), expected, rtol=LAYER, atol=LAYER)


@torch.no_grad()
def test_noise_keeps_its_strength_through_many_layers():
    x, z = torch.randn(1, 24, 48, 48), torch.randn(1, 8)
    layers = [DemodulatedConv2d(24, 24, 8, 6) for _ in range(6)]
    first, last = x, x
    for number, layer in enumerate(layers):
        last = layer(last, z)
        first = first if number else last
    inner = (..., slice(6, -6), slice(6, -6))  # padding weakens the rim
    assert 0.8 < first[inner].square().mean() < 1.25
    assert 0.3 < last[inner].square().mean() < 3  # values are correlated by then, yet nothing grows or dies


@torch.no_grad()
def test_demodulated_weights_follow_the_motion():
    layer, x = DemodulatedConv2d(3, 4, 8, 6), torch.randn(1, 3, 8, 8)
    assert not torch.allclose(layer(x, torch.randn(1, 8)), layer(x, torch.randn(1, 8)))


@torch.no_grad()
def test_a_scale_is_kept_that_a_norm_would_take_away():
    x, z = torch.randn(1, 3, 8, 8), torch.randn(1, 8)
    layer, normed = DemodulatedConv2d(3, 4, 8, 6), AdaINConv2d(3, 4, 8, 6)
    assert torch.equal(layer(4 * x, z), 4 * layer(x, z))  # a power of two: to the bit
    torch.testing.assert_close(normed(4 * x, z), normed(x, z), rtol=0, atol=NETWORKS["norm of four times"][0])


@torch.no_grad()
def test_one_huge_value_changes_nothing_far_from_it():
    """Before a norm it scales everything else down: the way that a network hid a scale, seen as a white spot."""
    x, z = torch.randn(1, 3, 16, 16), torch.randn(1, 8)
    spoiled = x.clone()
    spoiled[..., 8, 8] = 1000.0
    layer, normed = DemodulatedConv2d(3, 4, 8, 6), AdaINConv2d(3, 4, 8, 6)
    far = torch.ones(16, 16, dtype=torch.bool)
    far[7:10, 7:10] = False
    assert torch.equal(layer(x, z)[..., far], layer(spoiled, z)[..., far])
    assert (normed(x, z) - normed(spoiled, z))[..., far].abs().mean() > 0.3


# What a stage of the flow network does, on how many slices, and the kernel's depth; before, it was 3, or 4 to halve.
CASES = {
    "mixes one slice": ({}, 1, 1),
    "mixes two slices": ({}, 2, 3),
    "halves one slice's sides": ({"halve": (False, True)}, 1, 1),
    "halves two slices": ({"halve": (True, True)}, 2, 2),
    "halves four slices": ({"halve": (True, True)}, 4, 4),
    "doubles one slice's sides": ({"double": (False, True)}, 1, 1),
    "doubles one slice": ({"double": (True, True)}, 1, 2),
    "doubles two slices": ({"double": (True, True)}, 2, 4),
}


def old_shape(resize: dict[str, tuple[bool, bool]]) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Kernel and stride as they were on any number of slices."""
    deep, wide = next(iter(resize.values()), (False, False))
    side, step = (4, 2) if wide else (3, 1)
    return (4 if deep else 3, side, side), (2 if deep else 1, step, step)


@torch.no_grad()
@pytest.mark.parametrize("case", CASES)
def test_a_kernel_is_as_deep_as_its_slices_and_computes_what_the_deeper_one_did(case):
    """Whole numbers, whose sums are exact in any order; the deeper kernel's further taps meet padding alone."""
    resize, slices, deep = CASES[case]
    options: dict[str, Any] = {"slices": slices, **resize}
    layer = AdaINConv3d(3, 2, 8, 6, **options).convolution
    assert isinstance(layer, torch.nn.Conv3d | torch.nn.ConvTranspose3d)
    assert layer.kernel_size[0] == deep
    kernel, stride = old_shape(resize)
    transposed = isinstance(layer, torch.nn.ConvTranspose3d)
    old = torch.randint(-4, 5, (*layer.weight.shape[:2], *kernel)).float()
    first = (kernel[0] - deep) // 2
    layer.weight.copy_(old[:, :, first : first + deep])
    x = torch.randint(-4, 5, (2, 3, slices, 6, 6)).float()
    convolve = functional.conv_transpose3d if transposed else functional.conv3d
    expected = convolve(x, old, None, stride, 1)
    with torch.enable_grad():  # PyTorch's own way, as training has it
        assert torch.equal(layer(x), expected)
    assert torch.equal(layer(x), expected)


def test_styles_are_one_per_channel_or_one_per_channel_and_slice_that_is_made():
    for styles, expected in ((None, 2 * 5), (2, 2 * 5 * 2)):
        layer = AdaINConv3d(3, 5, 8, 6, slices=1, styles=styles, double=(True, True))
        assert layer.adain.scale_and_bias.out_features == expected
        assert layer(torch.randn(1, 3, 1, 4, 4), torch.randn(1, 8)).shape == (1, 5, 2, 8, 8)
