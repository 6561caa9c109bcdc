"""flow3d: one-shot face re-enactment by dense 3D facial flow (3DFlowRenderer, arXiv 2404.14667)."""

from .config import RendererConfig, preset
from .renderer import FlowRenderer

__all__ = ["FlowRenderer", "RendererConfig", "preset"]
__version__ = "0.1.0"
