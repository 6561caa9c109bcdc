"""What frames the face: hair, ears, neck and clothes."""

import torch

from ..appearance import Appearance, linear
from .paint import Local, Paint, Points, Scalars, bell, grain, mix, skin_tone, step


def hair(point: Points, local: Local, shade: Scalars, look: Appearance) -> Paint:
    """Paint strands; ``local`` is longitude and height on the skull, ``shade`` the locks' light and dark."""
    u, y = local.unbind(-1)
    strand = torch.sin(95 * u + 6 * torch.sin(2.1 * y + 4 * u)) * 0.5 + torch.sin(41 * u + 3 * y) * 0.5
    tone = linear(look.hair_colour) * (0.55 + 0.75 * shade + 0.30 * strand)[:, None].clamp_min(0.1) + 0.004
    return tone, 0.35 + 0.30 * strand, torch.full_like(u, 18.0)


def ear(point: Points, local: Local, shade: Scalars, look: Appearance) -> Paint:
    """Paint an ear, redder at its rim and darker in its hollow; ``local`` is the distance from its centre, and turn."""
    base, r = skin_tone(look), local[:, 0]
    tone = mix(base, base * torch.tensor([1.0, 0.55, 0.5]), 0.2 + 0.4 * step(0.5, 0.9, r))
    hollow = 1 - 0.55 * bell(r, 0.1, 0.22) - 0.25 * bell(r, 0.72, 0.06)
    return tone * hollow[:, None], torch.full_like(shade, 0.15), torch.full_like(shade, 16.0)


def neck(point: Points, local: Local, shade: Scalars, look: Appearance) -> Paint:
    """Paint the neck and the chin's shadow on it."""
    y, z = point[:, 1], point[:, 2]
    shadow = 1 - 0.55 * step(-1.16, -0.92, y) * step(-0.3, 0.1, z)
    tone = skin_tone(look) * (shadow * (1 + 0.05 * grain(point, 9.0)))[:, None]
    return tone, torch.full_like(shade, 0.12), torch.full_like(shade, 14.0)


def _weave(point: Points, cloth: str) -> Scalars:
    """Share of a garment's second colour."""
    x, y, z = point.unbind(-1)
    if cloth == "stripes":
        return step(-0.25, 0.25, torch.sin(46 * y))
    if cloth == "checks":
        return 0.5 * (step(-0.2, 0.2, torch.sin(24 * x)) + step(-0.2, 0.2, torch.sin(24 * y)))
    if cloth == "knit":
        return 0.25 + 0.25 * torch.sin(80 * x) * torch.sin(60 * y)
    collar = step(-1.145, -1.13, y)
    if cloth == "shirt":
        placket = step(0.10, 0.07, x.abs() + 0.35 * (y + 1.2)) * (z > 0)
        return placket.maximum(collar)
    return collar * 0.6


def cloth(point: Points, local: Local, shade: Scalars, look: Appearance) -> Paint:
    """Paint a garment, darker in the neck's shadow."""
    x, y = point[:, 0], point[:, 1]
    first, second = (linear(colour) for colour in look.cloth_colours)
    tone = mix(first, second, _weave(point, look.cloth))
    shadow = 1 - 0.35 * step(-1.20, -1.12, y) * step(0.05, -0.2, x.abs() - 0.5)
    return tone * shadow[:, None], torch.full_like(x, 0.05), torch.full_like(x, 8.0)
