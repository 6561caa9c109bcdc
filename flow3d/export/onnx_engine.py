"""onnxruntime as the engine of a renderer: the same frames from the CPU, and one alone in about half the time."""

from __future__ import annotations

import numpy as np
import onnxruntime
import torch
from jaxtyping import Float
from torch import Tensor

from ..renderer import FlowRenderer
from ..stages import Prepared
from .graphs import frame_graph, tensors_of

ERRORS = 3  # onnxruntime's level that leaves warnings out


class OnnxEngine:
    """Makes the frames of a renderer; :meth:`flow3d.FlowRenderer.reenact` takes it as ``engine``.

    PyTorch prepares the source all the same, once. The graph makes one frame, and a batch is a loop: eight frames in
    one graph gained 5 %.

    Args:
        renderer: on the CPU and in float32; its weights are taken as they are now.
        threads: of onnxruntime.

    Raises:
        ValueError: a renderer that cannot be exported; what is in the way is named.
    """

    def __init__(self, renderer: FlowRenderer, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = ERRORS
        graph = frame_graph(renderer).SerializeToString()
        self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        self._inputs = {each.name for each in self._session.get_inputs()}

    def __call__(self, source: Prepared, driving_windows: Float[Tensor, "B 73 27"]) -> Float[Tensor, "B 3 S S"]:
        """The frames of a prepared source, one for each driving window."""
        given = {name: tensor.detach().numpy() for name, tensor in tensors_of(source).items() if name in self._inputs}
        frames = [self._session.run(None, {**given, "window": each.numpy()})[0] for each in driving_windows.split(1)]
        return torch.cat([torch.from_numpy(np.asarray(frame)) for frame in frames])
