"""Renderers whose every part does something, and functions run by onnxruntime beside PyTorch."""

from collections.abc import Callable, Sequence

import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor

from flow3d import FlowRenderer, RendererConfig
from flow3d.export.graphs import graph_of

STEADY = 0.02  # deviation of the weights in heads that start at zero: flows of up to 12 pixels


def session_of(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    onnx.checker.check_model(model, full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


@pytest.fixture(scope="session")
def run() -> Callable[..., dict[str, Tensor]]:
    """Run a graph on tensors by name; those that it does not take are left out."""

    def call(model: onnx.ModelProto, given: dict[str, Tensor]) -> dict[str, Tensor]:
        session = session_of(model)
        names = {each.name for each in session.get_inputs()}
        feed = {name: tensor.detach().numpy() for name, tensor in given.items() if name in names}
        made = session.run(None, feed)
        return {each.name: torch.from_numpy(array) for each, array in zip(session.get_outputs(), made, strict=True)}

    return call


@pytest.fixture(scope="session")
def both(run) -> Callable[..., tuple[list[Tensor], list[Tensor], onnx.ModelProto]]:
    """What PyTorch and what onnxruntime make of a function of tensors, and the graph."""

    def call(function: Callable[..., Tensor | Sequence[Tensor]], *tensors: Tensor):
        given = {f"x{number}": tensor for number, tensor in enumerate(tensors)}

        def work() -> dict[str, Tensor]:
            made = function(*given.values())
            parts = [made] if isinstance(made, Tensor) else made
            return {f"y{number}": tensor for number, tensor in enumerate(parts)}

        model = graph_of("function", given, work)
        plain, exported = work(), run(model, given)
        return list(plain.values()), [exported[name] for name in plain], model

    return call


@pytest.fixture(scope="session")
def untrained() -> Callable[[RendererConfig], FlowRenderer]:
    """A renderer of random weights, also where training starts from zero."""

    def make(config: RendererConfig) -> FlowRenderer:
        torch.manual_seed(1)
        renderer = FlowRenderer(config).eval()
        for parameter in renderer.parameters():
            if not parameter.any():
                torch.nn.init.normal_(parameter, std=STEADY)
        return renderer

    return make
