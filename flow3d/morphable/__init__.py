"""The 3DMM: coefficients, the morphable model (Eq. 1), camera, rasteriser, exact flow, motion."""

from .appearance import BACKGROUNDS, Appearance, Light, random_alpha, random_appearance
from .camera import Camera
from .coefficients import Coefficients, windows
from .flow import exact_flow
from .head.expressions import EXPRESSIONS
from .head.hair import STYLES as HAIR_STYLES
from .head.identity import IDENTITY_NAMES
from .head.procedural import ProceduralHead
from .model import MorphableModel, rotation_matrix
from .motion import FPS, making_faces, talking_head
from .rasteriser import Surface, rasterise, vertex_normals
from .scene import PARTS, Frame, Person

__all__ = [
    "BACKGROUNDS", "EXPRESSIONS", "FPS", "HAIR_STYLES", "IDENTITY_NAMES", "PARTS", "Appearance", "Camera",
    "Coefficients", "Frame", "Light", "MorphableModel", "Person", "ProceduralHead", "Surface", "exact_flow",
    "making_faces", "random_alpha", "random_appearance", "rasterise", "rotation_matrix", "talking_head",
    "vertex_normals", "windows",
]  # fmt: skip
