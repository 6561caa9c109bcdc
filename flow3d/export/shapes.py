"""Functions that only move numbers, in ONNX: cut, join, permute, pixels to channels and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from .recorder import Recorder, Translation, Value


def same_elements(recorder: Recorder, result: Tensor, x: Tensor, *_: Any, **__: Any) -> Value:
    """Another shape, at no cost before somebody needs it."""
    return recorder.value_of(x)


def joined(recorder: Recorder, result: Tensor, tensors: Sequence[Tensor], dim: int = 0) -> str:
    """One behind the other."""
    return recorder.graph.node("Concat", *(recorder.name_of(each) for each in tensors), axis=dim)


def stacked(recorder: Recorder, result: Tensor, tensors: Sequence[Tensor], dim: int = 0) -> str:
    """Along a new axis."""
    names = (recorder.name_of(each, tuple(each.unsqueeze(dim).shape)) for each in tensors)
    return recorder.graph.node("Concat", *names, axis=dim)


def chunked(recorder: Recorder, result: Sequence[Tensor], x: Tensor, chunks: int, dim: int = 0) -> list[str]:
    """Cut into parts."""
    return _split(recorder, x, [part.shape[dim] for part in result], dim)


def unbound(recorder: Recorder, result: Sequence[Tensor], x: Tensor, dim: int = 0) -> list[Value]:
    """Cut into slices of one, without their axis."""
    shape = list(x.shape)
    shape[dim] = 1
    return [Value(name, tuple(shape)) for name in _split(recorder, x, [1] * len(result), dim)]


def _split(recorder: Recorder, x: Tensor, sizes: list[int], dim: int) -> list[str]:
    graph = recorder.graph
    return graph.split("Split", recorder.name_of(x), graph.whole(sizes), outputs=len(sizes), axis=dim)


def indexed(recorder: Recorder, result: Tensor, x: Tensor, index: Any) -> Value:
    """Ranges, single numbers, new axes and dots between square brackets."""
    keys = list(index) if isinstance(index, tuple) else [index]
    if any(key is not None and key is not Ellipsis and not isinstance(key, int | slice) for key in keys):
        raise NotImplementedError(f"expected ranges and numbers as an index, got {index!r}")
    if Ellipsis in keys:
        dots, named = keys.index(Ellipsis), sum(key is not None and key is not Ellipsis for key in keys)
        keys[dots : dots + 1] = [slice(None)] * (x.ndim - named)
    shape, cuts = list(x.shape), []
    for axis, key in enumerate(key for key in keys if key is not None):
        places = range(shape[axis])[key]
        wanted = range(places, places + 1) if isinstance(places, int) else places
        if len(wanted) < shape[axis]:
            cuts.append((wanted.start, wanted.stop, axis, wanted.step))
            shape[axis] = len(wanted)
    if not cuts:
        return recorder.value_of(x)
    name = recorder.graph.node("Slice", recorder.name_of(x), *map(recorder.graph.whole, zip(*cuts, strict=True)))
    return Value(name, tuple(shape))


def expanded(recorder: Recorder, result: Tensor, x: Tensor, *sizes: int) -> str:
    """Repeat axes of one."""
    if result.shape == x.shape:
        return recorder.name_of(x)
    return recorder.graph.node("Expand", recorder.name_of(x), recorder.graph.whole(result.shape))


def permuted(function: Callable[..., Tensor]) -> Translation:
    """A function that moves axes: which, an empty tensor with sides of 1, 2, 3, ... tells."""

    def translation(recorder: Recorder, result: Tensor, x: Tensor, *arguments: Any) -> str:
        told = function(torch.empty(tuple(range(1, x.ndim + 1)), device="meta"), *arguments)
        return recorder.graph.node("Transpose", recorder.name_of(x), perm=[side - 1 for side in told.shape])

    return translation


def shuffled(recorder: Recorder, result: Tensor, x: Tensor, factor: int) -> str:
    """Channels become pixels."""
    return recorder.graph.node("DepthToSpace", recorder.name_of(x), blocksize=factor, mode="CRD")


def unshuffled(recorder: Recorder, result: Tensor, x: Tensor, factor: int) -> Value:
    """Pixels become channels; ONNX's SpaceToDepth puts them in another order."""
    batch, outputs, height, width = result.shape
    channels = outputs // factor**2
    apart = (batch, channels, height, factor, width, factor)
    name = recorder.graph.node("Transpose", recorder.name_of(x, apart), perm=[0, 1, 3, 5, 2, 4])
    return Value(name, (batch, channels, factor, factor, height, width))
