"""What lids and lips open on: eyeball, rims, the inside of the mouth, teeth and tongue."""

import torch

from ..appearance import Appearance, linear
from ..head.fields import EYE_Y
from .paint import Local, Paint, Points, Scalars, bell, mix, skin_tone, step

IRIS, PUPIL = 0.52, 0.23  # radii on the unit eyeball, seen from the front


def eyeball(point: Points, local: Local, shade: Scalars, look: Appearance) -> Paint:
    """Paint white, iris and pupil; ``local`` is the unit direction (x, y) from the eyeball's centre."""
    r = local.norm(dim=-1)
    angle = torch.atan2(local[:, 1], local[:, 0])
    white = torch.tensor([0.80, 0.77, 0.74]) * (1 - 0.25 * step(0.5, 0.95, r))[:, None]
    fibres = 1 + 0.25 * torch.sin(23 * angle + 3 * torch.sin(5 * angle)) * step(PUPIL, 0.4, r)
    iris = linear(look.iris) * (1.5 * fibres * (0.65 + 0.7 * step(IRIS, PUPIL, r)))[:, None] + 0.01
    iris = mix(iris, iris * 0.12, bell(r, IRIS, 0.055))
    tone = mix(white, iris, step(IRIS + 0.03, IRIS - 0.03, r))
    tone = mix(tone, torch.full((3,), 0.004), step(PUPIL + 0.03, PUPIL - 0.03, r))
    shadow = 1 - 0.55 * step(0.0, 0.11, point[:, 1] - EYE_Y)  # of the upper lid
    return tone * shadow[:, None], torch.full_like(r, 1.1), torch.full_like(r, 140.0)


def rim(point: Points, local: Local, shade: Scalars, look: Appearance) -> Paint:
    """Paint the lids' edges; ``local`` is the position across and the depth inside."""
    pink = skin_tone(look) * torch.tensor([0.85, 0.45, 0.42])
    return pink * (1 - 0.8 * local[:, 1:].clamp(0, 1)), torch.full_like(shade, 0.3), torch.full_like(shade, 40.0)


def bag(point: Points, local: Local, shade: Scalars, look: Appearance) -> Paint:
    """Paint the inside of the mouth, from the lips into the dark; ``local`` as for :func:`rim`."""
    lips = skin_tone(look) * torch.tensor([0.75, 0.30, 0.30])
    tone = mix(lips, torch.tensor([0.055, 0.008, 0.008]), step(0.05, 0.45, local[:, 1]))
    return tone, torch.full_like(shade, 0.15), torch.full_like(shade, 30.0)


def teeth(point: Points, local: Local, shade: Scalars, look: Appearance) -> Paint:
    """Paint a row of teeth; ``local`` is the position along the row, -1 to 1, and the height from the gum."""
    along, height = local.unbind(-1)
    gaps = bell(torch.sin(along * 4.0 * torch.pi).abs(), 0.0, 0.16)
    ivory = torch.tensor([0.80, 0.75, 0.66]) * (1 - 0.35 * gaps - 0.45 * step(0.55, 1.0, along.abs()))[:, None]
    tone = mix(ivory, torch.tensor([0.40, 0.10, 0.10]), step(0.30, 0.12, height))
    return tone, torch.full_like(along, 0.5), torch.full_like(along, 60.0)


def tongue(point: Points, local: Local, shade: Scalars, look: Appearance) -> Paint:
    """Paint the tongue and the furrow along it."""
    tone = torch.tensor([0.36, 0.09, 0.09]) * (1 - 0.3 * bell(point[:, 0], 0.0, 0.02))[:, None]
    return tone, torch.full_like(shade, 0.4), torch.full_like(shade, 30.0)
