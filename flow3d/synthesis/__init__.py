"""Stages 3 and 4 of the paper: refinement (section 3.3), projection on the background and inpainting (3.4)."""

from .inpaint import Inpainter
from .projection import FILL, cut_out, hole_of, project, widen
from .refine import Refined, Refiner, compose
from .transunet import TransUNet

__all__ = [
    "FILL", "Inpainter", "Refined", "Refiner", "TransUNet", "compose", "cut_out", "hole_of", "project", "widen",
]  # fmt: skip
