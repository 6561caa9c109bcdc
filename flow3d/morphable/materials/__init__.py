"""Solid textures: colour and gloss of a surface point from where it lies on the mean head.

Points are in the head's upright frame (x right, y up, z near), so that paint follows every identity and expression.
A material takes ``point`` (P, 3), ``local`` (P, 2), ``shade`` (P,) and the look, and returns linear albedo (P, 3),
gloss (P,) and sharpness (P,) of the highlight.
"""

from .paint import Material, Paint, skin_tone
from .skin import brow_mask, lid_mask, lip_mask
from .table import MATERIALS

__all__ = ["MATERIALS", "Material", "Paint", "brow_mask", "lid_mask", "lip_mask", "skin_tone"]
