"""Light on the painted surface: wrapped key, sky and ground, highlights, a rim, and a filmic curve."""

import torch
from jaxtyping import Float
from torch import Tensor

from .appearance import Light


def illuminate(
    albedo: Float[Tensor, "P 3"],
    normal: Float[Tensor, "P 3"],
    gloss: Float[Tensor, " P"],
    sharpness: Float[Tensor, " P"],
    soft: Float[Tensor, " P"],
    light: Light,
) -> Float[Tensor, "P 3"]:
    """Return the linear radiance of P points.

    Args:
        albedo: linear RGB.
        normal: unit normals in the upright frame (x right, y up, z near).
        gloss: strength of the highlight.
        sharpness: its exponent.
        soft: 1 where light bleeds through (skin), else 0.
        light: key, sky, ground and rim.
    """
    key = torch.tensor(light.direction)
    warm = torch.tensor([1 + 0.10 * light.warmth, 1.0, 1 - 0.14 * light.warmth])
    facing = normal @ key
    wrap = 0.28 + 0.17 * soft
    diffuse = ((facing + wrap) / (1 + wrap)).clamp_min(0) ** 1.35
    # light that has travelled under the skin comes out red, just where the key fades
    bleed = (0.16 * soft * torch.exp(-((facing / 0.28) ** 2)))[:, None] * torch.tensor([1.0, 0.22, 0.12])
    up = 0.5 + 0.5 * normal[:, 1:2]
    below, above = light.ground * torch.tensor([1.0, 0.90, 0.80]), light.sky * torch.tensor([0.92, 0.98, 1.06])
    ambient = below * (1 - up) + above * up
    fill = (0.55 + 0.45 * normal[:, 2:3]).clamp_min(0)  # what faces the camera is lit by the room
    half = key + torch.tensor([0.0, 0.0, 1.0])
    half = half / half.norm()
    shine = gloss * (normal @ half).clamp_min(0) ** sharpness * (facing > -0.1)
    edge = light.rim * (1 - normal[:, 2].clamp(0, 1)) ** 3 * (0.4 + 0.6 * up[:, 0])
    lit = albedo * (light.key * (diffuse[:, None] + bleed) * warm + ambient * fill + edge[:, None])
    return lit + (0.16 * light.key * shine)[:, None] * warm


def develop(radiance: Float[Tensor, "... 3"]) -> Float[Tensor, "... 3"]:
    """A filmic curve, then sRGB's exponent: linear radiance to display values in [0, 1]."""
    x = radiance * 0.42
    curve = (x * (2.2 * x + 0.10)) / (x * (2.2 * x + 0.86) + 0.14)
    return curve.clamp(0, 1) ** (1 / 2.2)
