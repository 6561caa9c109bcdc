"""The one place that chooses who computes the frames: PyTorch, or onnxruntime where it is installed."""

from __future__ import annotations

from collections.abc import Callable

from ..renderer import Engine, FlowRenderer

ENGINES = ("torch", "onnx")
Maker = Callable[[FlowRenderer, int], Engine]  # of a renderer and a number of threads


def maker_of(engine: str) -> Maker:
    """What makes an engine of this name.

    Raises:
        ValueError: an unknown name, or one whose packages are not installed.
    """
    if engine == "torch":
        return lambda renderer, threads: renderer.frames
    if engine != "onnx":
        raise ValueError(f"engine: expected one of {', '.join(ENGINES)}, got {engine!r}")
    try:
        from .onnx_engine import OnnxEngine  # only here: who does not ask for it need not install it
    except ImportError as error:
        wanted = 'onnx and onnxruntime, which pip install "flow3d[export]" brings'
        raise ValueError(f"engine: expected {wanted}, got {error}") from error
    return OnnxEngine
