"""PyTorch's functions recorded while they work: each call becomes operators of an ONNX graph.

It is PyTorch's own protocol for this (torch.overrides): a mode sees every public function that a network calls. What
depends on no followed tensor is a constant, so weights, grids and shapes need no rule. A function without a
translation, and a value that leaves the graph, as in ``if x.sum() > 0``, are refused by name: a graph never lacks a
part silently.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode, resolve_name
from torch.utils import _pytree

from .graph import Graph, Shape


def getter(name: str) -> Callable[..., Any]:
    """The function that reads an attribute of a tensor."""
    return getattr(Tensor, name).__get__


# What they say of a tensor, or make of its shape, is the same for all its values.
OUTLINES = {
    *(getter(name) for name in ("shape", "dtype", "device", "ndim")), Tensor.dim, Tensor.size, Tensor.__len__,
    torch.zeros_like, torch.ones_like, Tensor.new_full, Tensor.new_zeros,
}  # fmt: skip


@dataclass(frozen=True)
class Value:
    """A result in the graph: the elements of a tensor in row-major order, perhaps in another shape."""

    name: str
    shape: Shape


Translated = str | Value | list[str] | list[Value]
Translation = Callable[..., Translated]  # (recorder, what PyTorch returned, the call's own arguments)


class Recorder(TorchFunctionMode):
    """While it is entered, every call that a followed tensor reaches is added to ``graph``.

    Args:
        graph: where operators and constants go.
        translations: functions of PyTorch -> how they are added.

    Raises:
        NotImplementedError: a call that cannot be translated; the message names the function.
    """

    def __init__(self, graph: Graph, translations: Mapping[Callable[..., Any], Translation]) -> None:
        super().__init__()
        self.graph, self.translations = graph, translations
        self._followed: dict[int, tuple[Tensor, Value]] = {}  # by id; the tensor is kept, so that its id stays its own

    def follow(self, tensor: Tensor, value: Value) -> None:
        """Take ``tensor`` for ``value`` from now on."""
        if tensor.dtype != torch.float32:
            raise NotImplementedError(f"expected float32 in an exported graph, got {tensor.dtype}")
        if self._followed.get(id(tensor), (tensor, value))[1] != value:
            raise NotImplementedError("expected functions that return a new tensor, got one that works in place")
        self._followed[id(tensor)] = (tensor, value)

    def value_of(self, x: Tensor | float) -> Value:
        """The value of a followed tensor, or a constant."""
        if isinstance(x, Tensor) and id(x) in self._followed:
            return self._followed[id(x)][1]
        constant = torch.as_tensor(x, dtype=torch.float32)
        return Value(self.graph.constant(constant), tuple(constant.shape))

    def name_of(self, x: Tensor | float, shape: Shape | None = None) -> str:
        """The name of ``x`` in the graph, in its own shape or in another one of as many elements."""
        value = self.value_of(x)
        wanted = shape if shape is not None else tuple(x.shape) if isinstance(x, Tensor) else ()
        return value.name if value.shape == wanted else self.graph.reshaped(value.name, wanted)

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call the function and, if a followed tensor is among its arguments, add it to the graph."""
        kwargs = kwargs or {}
        with torch.no_grad():
            result = func(*args, **kwargs)
        if func in OUTLINES or not any(self._is_followed(leaf) for leaf in _pytree.tree_leaves((args, kwargs))):
            return result
        called = resolve_name(func) or getattr(func, "__name__", str(func))
        if func not in self.translations:
            raise NotImplementedError(f"expected functions that can be exported, got {called}")
        translation = self.translations[func]
        try:
            inspect.signature(translation).bind(self, result, *args, **kwargs)
        except TypeError as error:
            raise NotImplementedError(f"expected arguments of {called} that can be exported: {error}") from error
        for tensor, value in _pairs(result, translation(self, result, *args, **kwargs)):
            self.follow(tensor, value)
        return result

    def _is_followed(self, leaf: Any) -> bool:
        return isinstance(leaf, Tensor) and id(leaf) in self._followed


def _pairs(result: Any, translated: Translated) -> Iterator[tuple[Tensor, Value]]:
    """Each tensor that a call returned, with its value."""
    tensors = [result] if isinstance(result, Tensor) else list(result)
    values = translated if isinstance(translated, list) else [translated]
    for tensor, value in zip(tensors, values, strict=True):
        yield tensor, Value(value, tuple(tensor.shape)) if isinstance(value, str) else value
