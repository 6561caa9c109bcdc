"""Convolutions in ONNX: over few slices, one 2D convolution over (channel, slice) pairs, which engines do fastest."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from torch import Tensor

from ..warping.layers import flat_weight, slices_after, taps
from .recorder import Recorder, Value

FULL = 0.3  # share of the flat kernel's blocks that hold weights; below it, a convolution stays 3D
FEW = 4  # outputs that leave most of an engine's 8 or 16 lanes idle
Sizes = int | Sequence[int]


def convolution(
    recorder: Recorder,
    result: Tensor,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> str | Value:
    """A convolution over one, two or three axes."""
    axes = x.ndim - 2
    strides, pads, steps = (_sizes(each, axes) for each in (stride, padding, dilation))
    dense = groups == 1 and max(steps) == 1
    if dense and axes == 3 and _is_full(x, weight, strides, pads, transposed=False):
        return _flat("Conv", recorder, result, x, weight, bias, strides, pads)
    even = axes == 2 and max(strides) == 1 and not any(side % 2 for side in result.shape[2:])
    if dense and even and len(weight) <= FEW:
        return _by_squares(recorder, x, weight, bias, pads)
    attributes = {"strides": strides, "pads": pads * 2, "dilations": steps, "group": groups}
    return recorder.graph.node("Conv", *_names(recorder, x, weight, bias), **attributes)


def transposed_convolution(
    recorder: Recorder,
    result: Tensor,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> str | Value:
    """A transposed convolution over three axes."""
    axes = x.ndim - 2
    strides, pads, extra, steps = (_sizes(each, axes) for each in (stride, padding, output_padding, dilation))
    dense = groups == 1 and max(steps) == 1 and not any(extra)
    if dense and _is_full(x, weight, strides, pads, transposed=True):
        return _flat("ConvTranspose", recorder, result, x, weight, bias, strides, pads)
    attributes = {"strides": strides, "pads": pads * 2, "dilations": steps, "group": groups, "output_padding": extra}
    return recorder.graph.node("ConvTranspose", *_names(recorder, x, weight, bias), **attributes)


def _sizes(given: Sizes, axes: int) -> list[int]:
    return [given] * axes if isinstance(given, int) else list(given) * (axes // len(given))


def _names(recorder: Recorder, *tensors: Tensor | None) -> list[str]:
    return [recorder.name_of(each) for each in tensors if each is not None]


def _is_full(x: Tensor, weight: Tensor, strides: list[int], pads: list[int], transposed: bool) -> bool:
    """Whether enough blocks of the flat kernel hold weights."""
    depth = (x.shape[2], weight.shape[2], strides[0], pads[0], transposed)
    return len(taps(*depth)) >= FULL * x.shape[2] * slices_after(*depth)


def _flat(
    operator: str,
    recorder: Recorder,
    result: Tensor,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    strides: list[int],
    pads: list[int],
) -> Value:
    """One 2D convolution. Channels come first in a pair, so that no number moves before it or behind it."""
    _, channels, depth, *plane = x.shape
    _, outputs, after, *out_plane = result.shape
    flat = flat_weight(weight, depth, strides[0], pads[0], operator == "ConvTranspose")
    pairs = (depth, channels, after, outputs) if operator == "ConvTranspose" else (after, outputs, depth, channels)
    first, second = pairs[0] * pairs[1], pairs[2] * pairs[3]
    kernel = flat.view(*pairs, *flat.shape[2:]).transpose(0, 1).transpose(2, 3).reshape(first, second, *flat.shape[2:])
    inputs = [recorder.name_of(x, (1, channels * depth, *plane)), recorder.graph.constant(kernel)]
    if bias is not None:
        inputs.append(recorder.graph.constant(bias.repeat_interleave(after)))
    name = recorder.graph.node(operator, *inputs, strides=strides[1:], pads=pads[1:] * 2)
    return Value(name, (1, outputs * after, *out_plane))


def _by_squares(recorder: Recorder, x: Tensor, weight: Tensor, bias: Tensor | None, pads: list[int]) -> str:
    """Two by two pixels at once, as four times the outputs: the kernel at four places of one that is larger by one."""
    outputs, inputs, height, width = weight.shape
    square = weight.new_zeros(outputs, 2, 2, inputs, height + 1, width + 1)
    for row, column in product(range(2), repeat=2):
        square[:, row, column, :, row : row + height, column : column + width] = weight
    names = [recorder.name_of(x), recorder.graph.constant(square.flatten(0, 2))]
    if bias is not None:
        names.append(recorder.graph.constant(bias.repeat_interleave(4)))
    squares = recorder.graph.node("Conv", *names, strides=[2, 2], pads=pads * 2)
    return recorder.graph.node("DepthToSpace", squares, blocksize=2, mode="CRD")
