"""The skin of the face: tone, blush, freckles, stubble, lips, brows, lashes and painted shadows."""

import torch

from ..appearance import Appearance, linear
from ..head.fields import EYE_HALF_WIDTH, EYE_X, EYE_Y, MOUTH_HALF_WIDTH, MOUTH_Y
from .paint import Local, Paint, Points, Scalars, bell, grain, mix, skin_tone, step


def lip_mask(x: Scalars, latitude: Scalars) -> Scalars:
    """1 on the lips: ``x`` on the mean head, ``latitude`` of the skin's grid, which ignores how far they part."""
    s = (x / (MOUTH_HALF_WIDTH * 1.02)) ** 2
    arch = (1 - s).clamp_min(0) ** 0.6
    bow = 1 - 0.16 * bell(x, 0.0, 0.028) + 0.10 * bell(x.abs(), 0.065, 0.035)
    above = 0.072 * arch * bow
    below = 0.094 * arch
    t = latitude - MOUTH_Y
    edge = torch.where(t > 0, above - t, below + t)
    return step(-0.006, 0.010, edge) * (s < 1)


def lid_mask(x: Scalars, latitude: Scalars) -> Scalars:
    """1 on the lids, the skin that a blink moves; arguments as for :func:`lip_mask`."""
    q = (x.abs() - EYE_X) / (EYE_HALF_WIDTH * 1.05)
    arch = (1 - q * q).clamp_min(0) ** 0.6
    t = latitude - EYE_Y
    return ((t < 0.085 * arch) & (t > -0.060 * arch)).to(x.dtype)


def brow_mask(x: Scalars, y: Scalars, thickness: float) -> Scalars:
    """1 on the eyebrows, at (x, y) of the mean head; ``thickness`` from 0 to 1."""
    b = (x.abs() - 0.265) / 0.185
    line = 0.252 + 0.034 * (1 - (b - 0.25) ** 2) + 0.020 * (1 - b) / 2
    half = (0.022 + 0.026 * thickness) * (1 - 0.45 * b.clamp(-1, 1)) * (1 - b.abs() ** 6).clamp_min(0)
    return step(-0.012, 0.012, half - (y - line).abs()) * (b.abs() < 1)


def _bare(point: Points, face: Scalars, look: Appearance) -> Points:
    """Skin with blush, freckles and stubble."""
    x, y, z = point.unbind(-1)
    base = skin_tone(look)
    tone = base * (1 + 0.05 * grain(point, 9.0) + 0.03 * grain(point, 31.0))[:, None]
    cheeks = 0.55 * bell(x.abs(), 0.40, 0.13) * bell(y, -0.22, 0.12)
    nose = 0.5 * bell(x, 0.0, 0.09) * bell(y, -0.34, 0.09)
    lids = 0.25 * bell(x.abs(), EYE_X, 0.15) * bell(y, EYE_Y, 0.09)
    blush = look.blush * (cheeks + nose + lids) * face
    tone = mix(tone, base * torch.tensor([1.05, 0.62, 0.58]), blush.clamp(0, 1))
    if look.freckles > 0:
        spots = step(0.55, 0.85, grain(point, 62.0)) * bell(y, -0.18, 0.13) * bell(x.abs(), 0.22, 0.2)
        tone = mix(tone, base * torch.tensor([0.62, 0.45, 0.36]), 0.7 * min(look.freckles, 1.0) * spots * face)
    if look.stubble > 0:
        jaw = step(-0.30, -0.55, y - 0.55 * (x.abs() - 0.25).clamp_min(0)) * step(-0.30, 0.15, z)
        moustache = bell(x, 0.0, 0.17) * bell(y, -0.478, 0.035)
        mouth = bell(x, 0.0, 0.20) * bell(y, -0.57, 0.055)
        beard = (jaw * (1 - 0.9 * mouth)).maximum(moustache) * (0.75 + 0.25 * grain(point, 90.0))
        shade = linear(look.hair_colour) * 0.7 + 0.05 * base
        tone = mix(tone, shade, (look.stubble * 0.9 * beard * face).clamp(0, 0.93))
    return tone


def _shadow(point: Points, latitude: Scalars, lid: Scalars, face: Scalars) -> Scalars:
    """Painted darkness where a lamp hardly reaches: nostrils, the lips' line, the lids' crease, under the chin."""
    x, y, z = point.unbind(-1)
    dark = 1 - 0.80 * bell(x.abs(), 0.052, 0.020) * bell(y, -0.418, 0.013) * face
    dark *= 1 - 0.55 * bell(latitude, MOUTH_Y, 0.010) * step(1.15, 0.9, x.abs() / MOUTH_HALF_WIDTH) * face
    dark *= 1 - 0.40 * bell(latitude, EYE_Y + 0.075, 0.016) * lid
    dark *= 1 - 0.12 * bell(x.abs(), 0.125, 0.05) * bell(y, 0.07, 0.08) * face
    return dark * (1 - 0.45 * step(-0.84, -1.0, y) * step(0.75, 0.2, z))


def skin(point: Points, local: Local, shade: Scalars, look: Appearance) -> Paint:
    """Paint the skin; ``local`` is latitude and longitude of its grid."""
    x, y, z = point.unbind(-1)
    latitude = local[:, 0]
    face = step(-0.1, 0.3, z)
    hair = linear(look.hair_colour)
    lips = lip_mask(x, latitude) * face
    base = skin_tone(look)
    rosy = base + (torch.tensor([0.48, 0.075, 0.075]) - base) * (0.38 + 0.42 * look.lips)
    tone = mix(_bare(point, face, look), rosy * (base * 1.2 + 0.35).clamp_max(1.0), 0.88 * lips)
    q = (x.abs() - EYE_X) / EYE_HALF_WIDTH
    lid = (1 - q * q).clamp_min(0) ** 0.5 * face
    lash = bell(latitude, EYE_Y, 0.010) * lid * torch.where(latitude > EYE_Y, 0.92, 0.35)
    tone = mix(tone * _shadow(point, latitude, lid, face)[:, None], hair * 0.25 + 0.006, lash)
    strokes = 0.75 + 0.25 * torch.sin(230 * x + 90 * y)
    tone = mix(tone, hair * 0.55 + 0.008, brow_mask(x, y, look.brow) * strokes * face * 0.92)
    gloss = 0.20 + 0.35 * lips + 0.10 * bell(x, 0, 0.07) * bell(y, -0.30, 0.10)
    return tone, gloss, 20.0 + 25.0 * lips
