"""The operations of the 3D warping stage in ONNX: one GridSample, and one InstanceNormalization."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .recorder import Recorder, Value


def instance_norm(
    recorder: Recorder,
    result: Tensor,
    x: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> str:
    """Each channel with mean 0 and variance 1, then a scale and a shift that were learnt."""
    if running_mean is not None or running_var is not None or not use_input_stats:
        raise NotImplementedError("expected instance_norm by the sample's own mean and variance")
    channels = x.shape[1]
    scale = torch.ones(channels) if weight is None else weight
    shift = torch.zeros(channels) if bias is None else bias
    names = (recorder.name_of(each) for each in (x, scale, shift))
    return recorder.graph.node("InstanceNormalization", *names, epsilon=eps)


def adain(
    recorder: Recorder,
    result: Tensor,
    x: Tensor,
    gamma: Tensor,
    beta: Tensor,
    *,
    eps: float,
    negative_slope: float | None,
    residual: Tensor | None,
) -> str | Value:
    """See :func:`flow3d_kernels.adain3d`; a style per channel is the normalisation's own scale and shift."""
    node, channels = recorder.graph.node, x.shape[1]
    value = recorder.value_of(x)
    shape = value.shape if value.shape[:2] == x.shape[:2] else tuple(x.shape)  # of one channel each, whatever its axes
    one_more = node("Add", recorder.name_of(gamma), recorder.name_of(1.0))
    if gamma.ndim == beta.ndim == 2:
        styles = (recorder.graph.reshaped(one_more, (channels,)), recorder.name_of(beta, (channels,)))
        name = node("InstanceNormalization", recorder.name_of(x, shape), *styles, epsilon=eps)
    else:
        shape = tuple(x.shape)
        names = (recorder.name_of(each) for each in (x, torch.ones(channels), torch.zeros(channels)))
        name = node("InstanceNormalization", *names, epsilon=eps)
        wide = [(*style.shape, 1, 1, 1)[: x.ndim] for style in (gamma, beta)]
        name = node("Mul", name, recorder.graph.reshaped(one_more, wide[0]))
        name = node("Add", name, recorder.name_of(beta, wide[1]))
    if residual is not None:
        name = node("Add", name, recorder.name_of(residual, shape))
    if negative_slope is not None:
        name = node("LeakyRelu", name, alpha=negative_slope)
    return Value(name, shape)


def warp(
    recorder: Recorder,
    result: Tensor,
    volume: Tensor,
    flow: Tensor,
    mask: Tensor | None,
    *,
    padding: str,
    deterministic: Any,
) -> Value:
    """See :func:`flow3d_kernels.warp3d`; finite flows only. A picture is sampled as one, without dz."""
    if mask is not None or padding != "border":
        raise NotImplementedError(f"expected warp3d without a mask and with padding 'border', got {padding!r}")
    node, sizes = recorder.graph.node, volume.shape[2:]
    axes = 2 if sizes[0] == 1 else 3  # x and y, or all; the border repeats a single slice whatever dz is
    flat = tuple(side for side in sizes[3 - axes :])
    lattice = torch.meshgrid(*(torch.arange(side) for side in flat), indexing="ij")[::-1]  # x first
    # GridSample counts from -1 to 1 between the outer edges of the outermost voxels
    still = torch.stack([(2 * places + 1) / side - 1 for places, side in zip(lattice, flat[::-1], strict=True)], -1)
    step = 2 / torch.tensor(flat[::-1])
    moved = node("Transpose", _channels(recorder, flow, axes, flat), perm=[0, *range(2, 2 + axes), 1])
    grid = node("Add", node("Mul", moved, recorder.name_of(step)), recorder.name_of(still))
    picture = recorder.name_of(volume, (*volume.shape[:2], *flat))
    options = {"mode": "linear", "padding_mode": "border", "align_corners": 0}
    return Value(node("GridSample", picture, grid, **options), (*volume.shape[:2], *flat))


def _channels(recorder: Recorder, flow: Tensor, axes: int, sides: tuple[int, ...]) -> str:
    """The flow's first channels, as many as axes."""
    name = recorder.name_of(flow, (1, 3, *sides))
    if axes == 3:
        return name
    whole = recorder.graph.whole
    return recorder.graph.node("Slice", name, whole([0]), whole([2]), whole([1]))
