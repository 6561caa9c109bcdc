"""A renderer as two ONNX graphs: what is done once per source, and what is done for each frame."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import onnx
import torch
from torch import Tensor

from ..renderer import FlowRenderer
from ..sizes import WINDOW_SHAPE
from ..stages import Prepared
from ..synthesis import cut_out
from .graph import Graph
from .recorder import Recorder, Value
from .translations import TRANSLATIONS


def source_graph(renderer: FlowRenderer) -> onnx.ModelProto:
    """What is done once per source, of one picture.

    Its inputs are ``source_image`` (1,3,S,S) in [-1, 1], ``source_alpha`` (1,1,S,S) and, where the model uses the
    source's motion, ``source_window`` (1,73,27). Its outputs are what else :func:`tensors_of` names.

    Args:
        renderer: as for :func:`frame_graph`.

    Raises:
        ValueError: a renderer that cannot be exported; what is in the way is named.
    """
    image, alpha, window = _example(renderer)
    given = {"source_image": image, "source_alpha": alpha}
    if renderer.config.source_coefficients:
        given["source_window"] = window

    def work() -> dict[str, Tensor]:
        made = tensors_of(_prepared(renderer, *given.values()))
        return {name: tensor for name, tensor in made.items() if name not in given}

    return graph_of("source", given, work)


def frame_graph(renderer: FlowRenderer, outputs: Sequence[str] = ("output",)) -> onnx.ModelProto:
    """What is done for each driving window, of one source and one window.

    Its inputs are those of :func:`tensors_of` and ``window`` (1,73,27).

    Args:
        renderer: on the CPU and in float32; the graph holds its weights as they are now.
        outputs: tensors of :class:`flow3d.stages.Stages` by name, such as "output" and "pixel_flow".

    Raises:
        ValueError: a renderer that cannot be exported; what is in the way is named.
    """
    image, alpha, window = _example(renderer)
    with torch.no_grad():
        source = _prepared(renderer, image, alpha, window if renderer.config.source_coefficients else None)

    def work() -> dict[str, Tensor]:
        stages = renderer.stages(source, window)
        return {name: getattr(stages, name) for name in outputs}

    return graph_of("frame", {**tensors_of(source), "window": window}, work)


def tensors_of(source: Prepared) -> dict[str, Tensor]:
    """A prepared source by the names that it has in both graphs, the motion only where it is known,
    and the plate and a hidden part of its own only where the model has them."""
    encoded = source.encoded
    tensors = {
        "image": source.image, "alpha": source.alpha, "motion": source.motion, "plate": source.plate,
        "hidden": None if source.hidden is source.alpha else source.hidden,  # a margin of 0 hides no more
        "foreground": encoded.foreground, "lifted": encoded.lifted, "volume": encoded.volume,
    }  # fmt: skip
    return {f"source_{name}": tensor for name, tensor in tensors.items() if tensor is not None}


def _example(renderer: FlowRenderer) -> tuple[Tensor, Tensor, Tensor]:
    """Picture, matte and window to record with; only their shapes matter, since nothing branches on values."""
    for parameter in renderer.parameters():
        if parameter.device.type != "cpu" or parameter.dtype != torch.float32:
            got = f"{parameter.dtype} on {parameter.device}"
            raise ValueError(f"renderer: expected float32 weights on the CPU, got {got}")
    size = renderer.config.size
    shapes = ((1, 3, size, size), (1, 1, size, size), (1, *WINDOW_SHAPE))
    image, alpha, window = (torch.full(shape, 0.5) for shape in shapes)
    return image, alpha, window


def _prepared(renderer: FlowRenderer, image: Tensor, alpha: Tensor, window: Tensor | None = None) -> Prepared:
    motion = None if window is None else renderer.mapping(window)
    return renderer.ready(image, alpha, motion, renderer.warping.encode(cut_out(image, alpha)))


def graph_of(title: str, given: Mapping[str, Tensor], work: Callable[[], Mapping[str, Tensor]]) -> onnx.ModelProto:
    """The graph of a function of tensors.

    Args:
        title: its name.
        given: the inputs, with examples; what is not among them is a constant.
        work: returns the outputs by name.

    Raises:
        ValueError: a call that cannot be translated; the message names the function.
    """
    graph = Graph()
    recorder = Recorder(graph, TRANSLATIONS)
    for name, tensor in given.items():
        recorder.follow(tensor, Value(name, tuple(tensor.shape)))
    try:
        with torch.enable_grad(), recorder:  # with gradients the networks are PyTorch's plain layers
            made = work()
    except NotImplementedError as error:
        raise ValueError(f"renderer: {error}") from error
    return graph.model(
        title,
        {name: tuple(tensor.shape) for name, tensor in given.items()},
        {name: (recorder.name_of(tensor), tuple(tensor.shape)) for name, tensor in made.items()},
    )
