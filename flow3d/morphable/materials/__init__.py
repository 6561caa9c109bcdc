"""Solid textures: colour and gloss of a surface point from where it lies on the mean head.

Points are in the head's upright frame (x right, y up, z near), so that paint follows every identity and expression.
A material takes ``point`` (P, 3), ``local`` (P, 2), ``shade`` (P,) and the look, and returns linear albedo (P, 3),
gloss (P,) and sharpness (P,) of the highlight.
"""

from .inside import bag, eyeball, rim, teeth, tongue
from .outside import cloth, ear, hair, neck
from .paint import Material, Paint, skin_tone
from .skin import brow_mask, lid_mask, lip_mask, skin

MATERIALS: dict[str, Material] = {
    "skin": skin, "eyeball": eyeball, "rim": rim, "bag": bag, "teeth": teeth,
    "tongue": tongue, "hair": hair, "ear": ear, "neck": neck, "cloth": cloth,
}  # fmt: skip

__all__ = ["MATERIALS", "Material", "Paint", "brow_mask", "lid_mask", "lip_mask", "skin_tone"]
