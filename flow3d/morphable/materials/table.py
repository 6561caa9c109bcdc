"""The paint of every material, by name."""

from .inside import bag, eyeball, rim, teeth, tongue
from .outside import cloth, ear, hair, neck
from .paint import Material
from .skin import skin

MATERIALS: dict[str, Material] = {
    "skin": skin, "eyeball": eyeball, "rim": rim, "bag": bag, "teeth": teeth,
    "tongue": tongue, "hair": hair, "ear": ear, "neck": neck, "cloth": cloth,
}  # fmt: skip
