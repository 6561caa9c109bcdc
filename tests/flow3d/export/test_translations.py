"""Each function alone, by onnxruntime beside PyTorch, also at the edges that a renderer seldom meets.

Tests: shapes, convolutions, volumes.
"""

from functools import partial

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from flow3d_kernels import adain3d, warp3d
from tolerances import EXPORT

STATE = torch.Generator().manual_seed(3)


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, generator=STATE)


def agree(both, function, *tensors: Tensor) -> list[str]:
    """Compare; return the graph's operators."""
    plain, exported, model = both(function, *tensors)
    assert [x.shape for x in plain] == [x.shape for x in exported]
    for one, other in zip(plain, exported, strict=True):
        torch.testing.assert_close(other, one, rtol=EXPORT["function"][0], atol=EXPORT["function"][0])
    return [node.op_type for node in model.graph.node if node.op_type != "Identity"]


ELEMENTS = {
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "atanh": lambda x: torch.atanh(torch.tanh(x)),
    "logit": lambda x: torch.logit(torch.sigmoid(x)),
    "sin and cos": lambda x: x.sin() + x.cos(),
    "relu": functional.relu,
    "leaky relu": partial(functional.leaky_relu, negative_slope=0.1),
    "clamp": lambda x: x.clamp(-0.5, 0.7),
    "clamp below": lambda x: x.clamp_min(0.1),
    "clamp above": lambda x: x.clamp(max=0.1),
    "numbers on both sides": lambda x: 2 - (1 + x * 3) / 4 - x + (-x),
    "softmax": lambda x: x.softmax(2),
    "mean": lambda x: x.mean(-1),
    "sum": lambda x: x.sum(1),
    "matrices": lambda x: x @ x.mT,
    "moved axis": lambda x: x.movedim(-1, 1),
    "max pool": lambda x: functional.max_pool2d(x, 2),
    "max pool around each": lambda x: functional.max_pool2d(x, 3, 1, 1),
    "sum, axis kept": lambda x: x.sum(2, keepdim=True),
    "mean pool": lambda x: functional.avg_pool2d(x, 3),
    "pixels to channels": lambda x: functional.pixel_unshuffle(x[..., :4, :], 2),
    "channels to pixels": lambda x: functional.pixel_shuffle(x, 2),
    "joined": lambda x: torch.cat([x, x[:, :2], torch.zeros(1, 1, 5, 6)], 1),
    "stacked": lambda x: torch.stack([x, 2 * x], -1),
    "chunks": lambda x: x.chunk(2, 1),
    "uneven chunks": lambda x: x.chunk(2, 2),
    "unbound": lambda x: (x + 1).unbind(2),
    "expanded": lambda x: x[:, :1].expand(-1, 7, -1, -1),
    "expanded in front": lambda x: x.unsqueeze(2).expand(1, 8, 2, 5, 6),
    "nearest": partial(functional.interpolate, scale_factor=2.0),
    "nearest to a size": partial(functional.interpolate, size=(7, 15)),
    "bilinear": partial(functional.interpolate, scale_factor=2.0, mode="bilinear"),
    "bilinear to a size": partial(functional.interpolate, size=(13, 9), mode="bilinear", align_corners=False),
}
INDICES = {
    "range": (slice(None), slice(1, 3)),
    "from behind": (Ellipsis, slice(-3, -1)),
    "steps": (slice(None), slice(None, None, 2), slice(1, 5, 3)),
    "number": (slice(None), 2),
    "last": (0, -1, slice(None), -2),
    "new axis": (slice(None), slice(0, 2), None, slice(2, None)),
    "dots": (0, Ellipsis, None, 1),
    "one number": 0,
    "all": slice(None),
}


@pytest.mark.parametrize("name", ELEMENTS)
def test_a_function_is_pytorch_s(both, name):
    assert agree(both, ELEMENTS[name], drawn(1, 8, 5, 6))


@pytest.mark.parametrize("name", INDICES)
def test_an_index_is_pytorch_s(both, name):
    agree(both, lambda x: torch.tanh(x)[INDICES[name]], drawn(1, 8, 5, 6))


def test_a_linear_layer_is_one_node(both):
    weight, bias = drawn(7, 5), drawn(7)
    assert agree(both, lambda x: functional.linear(x, weight, bias), drawn(1, 5)) == ["Gemm"]
    assert agree(both, lambda x: functional.linear(x, weight), drawn(1, 5)) == ["Gemm"]


# kernel, stride and padding, as the renderer's layers have them
KERNELS = {"plain": (3, 1, 1), "half": (4, 2, 1), "half wide": ((3, 4, 4), (1, 2, 2), 1), "point": (1, 1, 0)}
# up to how many slices a convolution is flat, and a transposed one
FLAT = {"plain": (8, 8), "half": (8, 4), "half wide": (8, 8), "point": (2, 2)}


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("transposed", [False, True])
def test_a_convolution_of_volumes_is_pytorch_s(both, depth, kernel, transposed):
    sizes, stride, padding = KERNELS[kernel]
    torch.manual_seed(depth)
    make = torch.nn.ConvTranspose3d if transposed else torch.nn.Conv3d
    if not transposed and depth + 2 * padding < (sizes if isinstance(sizes, int) else sizes[0]):
        pytest.skip("the kernel is deeper than the padded volume")
    layer = make(3, 5, sizes, stride, padding)
    used, operator = agree(both, layer, drawn(1, 3, depth, 6, 4)), "ConvTranspose" if transposed else "Conv"
    assert used == (["Reshape", operator, "Reshape"] if depth <= FLAT[kernel][transposed] else [operator])


def test_flat_convolutions_need_no_shape_between_them(both):
    first, second = torch.nn.Conv3d(3, 4, 3, padding=1), torch.nn.Conv3d(4, 2, 3, padding=1, bias=False)
    assert agree(both, lambda x: second(first(x)), drawn(1, 3, 2, 6, 4)) == ["Reshape", "Conv", "Conv", "Reshape"]


@pytest.mark.parametrize("outputs", [1, 3, 5])
@pytest.mark.parametrize("size", [(8, 6), (7, 6)])
@pytest.mark.parametrize("kernel", [1, 3, 7])
def test_a_convolution_with_few_outputs_makes_four_pixels_at_once(both, outputs, size, kernel):
    layer = torch.nn.Conv2d(4, outputs, kernel, padding=kernel // 2)
    used = agree(both, layer, drawn(1, 4, *size))
    assert used == (["Conv", "DepthToSpace"] if outputs < 5 and size == (8, 6) else ["Conv"])


OTHERS = {
    "stride": torch.nn.Conv2d(4, 3, 3, 2),
    "groups": torch.nn.Conv2d(4, 4, 3, groups=2),
    "dilation": torch.nn.Conv2d(4, 3, 3, dilation=2),
    "volumes' dilation": torch.nn.Conv3d(4, 3, 3, padding=2, dilation=2),
    "volumes' groups": torch.nn.Conv3d(4, 4, 3, padding=1, groups=2),
    "transposed, dilation": torch.nn.ConvTranspose3d(4, 3, 3, padding=1, dilation=2),
    "transposed, groups": torch.nn.ConvTranspose3d(4, 4, 3, groups=4),
    "transposed, larger": torch.nn.ConvTranspose3d(4, 3, 3, 2, output_padding=1),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_convolutions_are_pytorch_s(both, name):
    shape = (1, 4, 2, 8, 6) if OTHERS[name].weight.ndim == 5 else (1, 4, 8, 6)
    assert agree(both, OTHERS[name], drawn(*shape)) == ["ConvTranspose" if "transposed" in name else "Conv"]


def test_a_convolution_over_time_is_pytorch_s(both):
    assert agree(both, torch.nn.Conv1d(4, 3, 3, dilation=3), drawn(1, 4, 27)) == ["Conv"]


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("shape", [(1, 4, 6, 5), (1, 4, 2, 6, 5)])
def test_instance_norm_is_one_node(both, affine, shape):
    layer = (torch.nn.InstanceNorm2d if len(shape) == 4 else torch.nn.InstanceNorm3d)(4, affine=affine)
    if affine:
        torch.nn.init.normal_(layer.weight)
        torch.nn.init.normal_(layer.bias)
    assert agree(both, layer, 3 * drawn(*shape) + 1) == ["InstanceNormalization"]


@pytest.mark.parametrize("style", [(1, 4), (1, 4, 2), (1, 4, 2, 6, 5)])
@pytest.mark.parametrize("slope", [None, 0.1])
@pytest.mark.parametrize("residual", [False, True])
def test_adain_is_the_package_s(both, style, slope, residual):
    x, gamma, beta, added = drawn(1, 4, 2, 6, 5), drawn(*style), drawn(*style), drawn(1, 4, 2, 6, 5)

    def function(*tensors: Tensor) -> Tensor:
        x, gamma, beta, *rest = tensors
        return adain3d(x, gamma, beta, negative_slope=slope, residual=rest[0] if rest else None)

    used = agree(both, function, x, gamma, beta, *[added] * residual)
    assert used.count("InstanceNormalization") == 1


@pytest.mark.parametrize("shape", [(1, 3, 4, 6, 5), (1, 3, 1, 6, 5), (1, 3, 2, 1, 5), (1, 1, 1, 8, 8)])
@pytest.mark.parametrize("reach", [0.0, 0.4, 3.0, 100.0])
def test_a_warp_is_the_package_s_inside_and_outside(both, shape, reach):
    volume, flow = drawn(*shape), reach * drawn(1, 3, *shape[2:])
    used = agree(both, warp3d, volume, flow)
    assert used.count("GridSample") == 1


@pytest.mark.parametrize(
    ("function", "named"),
    [
        (lambda v, f: warp3d(v, f, v[:, :1]), "without a mask"),
        (lambda v, f: warp3d(v, f, padding="zeros"), "padding 'border', got 'zeros'"),
        (
            lambda v, f: functional.linear(v, torch.ones(2, 6)),
            r"linear layers of shape \(B, C\), got \(1, 3, 2, 6, 6\)",
        ),
        (lambda v, f: functional.instance_norm(v, torch.ones(3), torch.ones(3)), "by the sample's own mean"),
        (lambda v, f: functional.max_pool2d(v[:, :, 0], 3, 2), "pooling over squares that touch"),
        (
            lambda v, f: functional.interpolate(v[:, :, 0], 12, mode="bicubic"),
            "bilinear between centres, got 'bicubic'",
        ),
        (
            lambda v, f: functional.interpolate(v[:, :, 0], 12, mode="bilinear", align_corners=True),
            "between centres, got 'bilinear'",
        ),
    ],
    ids=["mask", "zeros", "linear", "running", "pooling", "bicubic", "corners"],
)
def test_what_has_no_translation_is_refused(both, function, named):
    with pytest.raises(ValueError, match=named):
        both(function, drawn(1, 3, 2, 6, 6), drawn(1, 3, 2, 6, 6))
