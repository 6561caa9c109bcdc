"""The two operations of the 3D warping stage: a dense 3D warp and adaptive instance normalisation in 3D."""

from ._dispatch import Backend, backend, use_backend
from .operations import adain3d, warp3d

__all__ = ["Backend", "adain3d", "backend", "use_backend", "warp3d"]
