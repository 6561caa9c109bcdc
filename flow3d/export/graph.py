"""An ONNX graph in the making: operators and constants as they come; what no output needs is left out at the end."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import onnx
import torch
from onnx import helper, numpy_helper
from torch import Tensor

OPSET, IR_VERSION = 20, 9  # the first operators that sample volumes, and the file format of their time
Shape = tuple[int, ...]


class Graph:
    """Nodes and constants by name; a name is given to each result, and never to two."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}
        self._by_content: dict[tuple[object, ...], str] = {}
        self._reshaped: dict[tuple[str, Shape], str] = {}

    def constant(self, value: Tensor) -> str:
        """The name of a constant; equal ones share it."""
        array = value.detach().cpu().contiguous().numpy()
        key = (array.dtype.str, array.shape, hashlib.sha256(array).digest())
        if key not in self._by_content:
            name = self._by_content[key] = f"constant_{len(self._constants)}"
            self._constants[name] = numpy_helper.from_array(array, name)
        return self._by_content[key]

    def whole(self, numbers: Iterable[int]) -> str:
        """The name of a list of whole numbers, as operators take shapes and axes."""
        return self.constant(torch.tensor(list(numbers), dtype=torch.int64))

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Apply an operator of ONNX; the name of its result."""
        return self.split(operator, *inputs, outputs=1, **attributes)[0]

    def split(self, operator: str, *inputs: str, outputs: int, **attributes: Any) -> list[str]:
        """Apply an operator of ONNX with several results; their names."""
        own = f"{operator.lower()}_{len(self._nodes)}"  # older engines need names of nodes too
        names = [f"{own}_{number}" for number in range(outputs)]
        self._nodes.append(helper.make_node(operator, inputs, names, own, **attributes))
        return names

    def reshaped(self, name: str, shape: Shape) -> str:
        """The same elements in another shape."""
        if (name, shape) not in self._reshaped:
            self._reshaped[name, shape] = self.node("Reshape", name, self.whole(shape))
        return self._reshaped[name, shape]

    def model(
        self, title: str, inputs: Mapping[str, Shape], outputs: Mapping[str, tuple[str, Shape]]
    ) -> onnx.ModelProto:
        """The finished graph.

        Args:
            title: its name.
            inputs: shapes of the inputs, by name.
            outputs: by name, the name within the graph and the shape.
        """
        ends = [helper.make_node("Identity", [inner], [name], f"to_{name}") for name, (inner, _) in outputs.items()]
        nodes, needed = _needed([*self._nodes, *ends], outputs)
        body = helper.make_graph(
            nodes,
            title,
            _described(inputs),
            _described({name: shape for name, (_, shape) in outputs.items()}),
            [constant for name, constant in self._constants.items() if name in needed],
        )
        return helper.make_model(
            body, producer_name="flow3d", ir_version=IR_VERSION, opset_imports=[helper.make_opsetid("", OPSET)]
        )


def _needed(nodes: Sequence[onnx.NodeProto], outputs: Iterable[str]) -> tuple[list[onnx.NodeProto], set[str]]:
    """The nodes that the outputs need, in order, and every name that they read."""
    needed, kept = set(outputs), []
    for node in reversed(nodes):
        if needed.intersection(node.output):
            kept.append(node)
            needed.update(node.input)
    return kept[::-1], needed


def _described(shapes: Mapping[str, Shape]) -> list[onnx.ValueInfoProto]:
    return [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name, shape in shapes.items()]
