"""How each function that a renderer calls is said in ONNX; shapes are known, and a batch is one frame.

Each translation takes the recorder, what PyTorch returned, and the call's own arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from flow3d_kernels import adain3d, warp3d

from . import shapes
from .convolutions import convolution, transposed_convolution
from .recorder import Recorder, Translation, getter
from .volumes import adain, instance_norm, warp

ONE_TENSOR = {
    torch.tanh: "Tanh", torch.atanh: "Atanh", torch.sigmoid: "Sigmoid", Tensor.neg: "Neg", Tensor.sin: "Sin",
    Tensor.cos: "Cos", Tensor.sqrt: "Sqrt",
}  # fmt: skip
TWO_TENSORS = {
    Tensor.add: "Add", Tensor.sub: "Sub", Tensor.mul: "Mul", Tensor.div: "Div", Tensor.matmul: "MatMul",
}  # fmt: skip
SAME_ELEMENTS = (
    Tensor.view, Tensor.flatten, Tensor.unflatten, Tensor.unsqueeze, Tensor.squeeze, Tensor.detach, Tensor.float,
)  # fmt: skip
Number = Tensor | float


def one_tensor(operator: str) -> Translation:
    """A function of one tensor, element by element."""
    return lambda recorder, result, x: recorder.graph.node(operator, recorder.name_of(x))


def two_tensors(operator: str) -> Translation:
    """A function of two tensors, or of one and a number; ONNX broadcasts as PyTorch does."""
    return lambda recorder, result, a, b: recorder.graph.node(operator, recorder.name_of(a), recorder.name_of(b))


def squared(recorder: Recorder, result: Tensor, x: Tensor) -> str:
    """``x * x``."""
    return recorder.graph.node("Mul", *2 * [recorder.name_of(x)])


def subtracted(recorder: Recorder, result: Tensor, a: Tensor, b: Number) -> str:
    """``b - a``."""
    return recorder.graph.node("Sub", recorder.name_of(b), recorder.name_of(a))


def relu(recorder: Recorder, result: Tensor, x: Tensor, inplace: bool = False) -> str:
    """Nothing below zero."""
    return recorder.graph.node("Relu", recorder.name_of(x))


def leaky_relu(recorder: Recorder, result: Tensor, x: Tensor, negative_slope: float, inplace: bool = False) -> str:
    """With its slope below zero."""
    return recorder.graph.node("LeakyRelu", recorder.name_of(x), alpha=negative_slope)


def logit(recorder: Recorder, result: Tensor, x: Tensor) -> str:
    """``log(x / (1 - x))``."""
    node, name = recorder.graph.node, recorder.name_of(x)
    return node("Log", node("Div", name, node("Sub", recorder.name_of(1.0), name)))


def clamp(recorder: Recorder, result: Tensor, x: Tensor, min: float | None = None, max: float | None = None) -> str:
    """Between two numbers, or on one side of one."""
    ends = ("" if end is None else recorder.name_of(end) for end in (min, max))
    return recorder.graph.node("Clip", recorder.name_of(x), *ends)


def softmax(recorder: Recorder, result: Tensor, x: Tensor, dim: int) -> str:
    """Over one axis."""
    return recorder.graph.node("Softmax", recorder.name_of(x), axis=dim)


def reduced(operator: str) -> Translation:
    """Over one axis."""

    def translation(recorder: Recorder, result: Tensor, x: Tensor, dim: int, keepdim: bool = False) -> str:
        axis = recorder.graph.whole([dim])
        return recorder.graph.node(operator, recorder.name_of(x), axis, keepdims=int(keepdim))

    return translation


def linear(recorder: Recorder, result: Tensor, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> str:
    """A matrix and a bias, of vectors."""
    if x.ndim != 2:
        raise NotImplementedError(f"expected linear layers of shape (B, C), got {tuple(x.shape)}")
    names = (recorder.name_of(each) for each in (x, weight, bias) if each is not None)
    return recorder.graph.node("Gemm", *names, transB=1)


def pooled(operator: str) -> Translation:
    """Pooling over squares that touch, or over one around every pixel."""

    def translation(
        recorder: Recorder,
        result: Tensor,
        x: Tensor,
        kernel_size: int,
        stride: int | None = None,
        padding: int = 0,
        dilation: int = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> str:
        step = kernel_size if stride is None else stride
        if (step, padding) not in ((kernel_size, 0), (1, kernel_size // 2)) or dilation != 1 or ceil_mode:
            raise NotImplementedError("expected pooling over squares that touch, or over one around every pixel")
        sides = {"kernel_shape": [kernel_size] * 2, "strides": [step] * 2, "pads": [padding] * 4}
        return recorder.graph.node(operator, recorder.name_of(x), **sides)

    return translation


def interpolated(
    recorder: Recorder,
    result: Tensor,
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> str:
    """Enlarge a picture, by repeating pixels or linearly between their centres."""
    how = {
        "nearest": {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
        "bilinear": {"mode": "linear", "coordinate_transformation_mode": "half_pixel"},
    }
    if mode not in how or align_corners or antialias:
        raise NotImplementedError(f"expected interpolate to be nearest, or bilinear between centres, got {mode!r}")
    return recorder.graph.node(
        "Resize", recorder.name_of(input), "", "", recorder.graph.whole(result.shape), **how[mode]
    )


TRANSLATIONS: dict[Callable[..., Any], Translation] = {
    **{function: one_tensor(operator) for function, operator in ONE_TENSOR.items()},
    **{function: two_tensors(operator) for function, operator in TWO_TENSORS.items()},
    **dict.fromkeys(SAME_ELEMENTS, shapes.same_elements),
    Tensor.__rsub__: subtracted,
    functional.relu: relu,
    functional.leaky_relu: leaky_relu,
    torch.logit: logit,
    Tensor.square: squared,
    Tensor.clamp: clamp,
    Tensor.clamp_min: clamp,
    Tensor.softmax: softmax,
    Tensor.mean: reduced("ReduceMean"),
    Tensor.sum: reduced("ReduceSum"),
    functional.linear: linear,
    torch.cat: shapes.joined,
    torch.stack: shapes.stacked,
    Tensor.chunk: shapes.chunked,
    Tensor.unbind: shapes.unbound,
    Tensor.__getitem__: shapes.indexed,
    Tensor.expand: shapes.expanded,
    Tensor.movedim: shapes.permuted(Tensor.movedim),
    getter("mT"): shapes.permuted(getter("mT")),
    functional.max_pool2d: pooled("MaxPool"),
    functional.avg_pool2d: pooled("AveragePool"),
    functional.interpolate: interpolated,
    functional.pixel_shuffle: shapes.shuffled,
    functional.pixel_unshuffle: shapes.unshuffled,
    functional.conv1d: convolution,
    functional.conv2d: convolution,
    functional.conv3d: convolution,
    functional.conv_transpose3d: transposed_convolution,
    functional.instance_norm: instance_norm,
    adain3d: adain,
    warp3d: warp,
}
