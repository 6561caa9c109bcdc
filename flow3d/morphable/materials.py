"""Solid textures: colour and gloss of a surface point from where it lies on the mean head.

Points are in the head's upright frame (x right, y up, z near), so that paint follows every identity and expression.
Every function takes ``point`` (P, 3), ``local`` (P, 2) and ``shade`` (P,) and returns linear albedo (P, 3),
gloss (P,) and sharpness (P,) of the highlight.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from .appearance import Appearance, linear
from .head.fields import EYE_HALF_WIDTH, EYE_X, EYE_Y, MOUTH_HALF_WIDTH, MOUTH_Y

Paint = tuple[Float[Tensor, "P 3"], Float[Tensor, " P"], Float[Tensor, " P"]]
Material = Callable[[Float[Tensor, "P 3"], Float[Tensor, "P 2"], Float[Tensor, " P"], Appearance], Paint]


def _step(low: float, high: float, value: Tensor) -> Tensor:
    t = ((value - low) / (high - low)).clamp(0, 1)
    return t * t * (3 - 2 * t)


def _bell(value: Tensor, centre: float, width: float) -> Tensor:
    return torch.exp(-0.5 * ((value - centre) / width) ** 2)


def _mix(a: Tensor, b: Tensor, share: Tensor) -> Tensor:
    return a + (b - a) * share[:, None]


def _grain(point: Tensor, scale: float) -> Tensor:
    """Cheap smooth noise in [-1, 1]: three products of sines that do not repeat on a head."""
    x, y, z = (point * scale).unbind(-1)
    return (torch.sin(x + 1.7 * torch.sin(0.9 * y)) * torch.sin(1.3 * y + 1.1 * torch.sin(1.1 * z + x)))


def lip_mask(x: Tensor, latitude: Tensor) -> Tensor:
    """1 on the lips: ``x`` on the mean head, ``latitude`` of the skin's grid, which ignores how far they part."""
    s = (x / (MOUTH_HALF_WIDTH * 1.02)) ** 2
    arch = (1 - s).clamp_min(0) ** 0.6
    bow = 1 - 0.16 * _bell(x, 0.0, 0.028) + 0.10 * _bell(x.abs(), 0.065, 0.035)
    above = 0.072 * arch * bow
    below = 0.094 * arch
    t = latitude - MOUTH_Y
    edge = torch.where(t > 0, above - t, below + t)
    return _step(-0.006, 0.010, edge) * (s < 1)


def lid_mask(x: Tensor, latitude: Tensor) -> Tensor:
    """1 on the lids: the skin that a blink moves."""
    q = (x.abs() - EYE_X) / (EYE_HALF_WIDTH * 1.05)
    arch = (1 - q * q).clamp_min(0) ** 0.6
    t = latitude - EYE_Y
    return ((t < 0.085 * arch) & (t > -0.060 * arch)).to(x.dtype)


def brow_mask(x: Tensor, y: Tensor, thickness: float) -> Tensor:
    """1 on the eyebrows."""
    b = (x.abs() - 0.265) / 0.185
    line = 0.252 + 0.034 * (1 - (b - 0.25) ** 2) + 0.020 * (1 - b) / 2
    half = (0.022 + 0.026 * thickness) * (1 - 0.45 * b.clamp(-1, 1)) * (1 - b.abs() ** 6).clamp_min(0)
    return _step(-0.012, 0.012, half - (y - line).abs()) * (b.abs() < 1)


def skin_tone(look: Appearance) -> Tensor:
    """Linear skin colour, a little redder than given: the filmic curve takes colour out of bright skin."""
    return linear(look.skin) * torch.tensor([1.03, 0.93, 0.86])


def _skin(point: Tensor, local: Tensor, shade: Tensor, look: Appearance) -> Paint:
    x, y, z = point.unbind(-1)
    latitude = local[:, 0]
    face = _step(-0.1, 0.3, z)
    base = skin_tone(look)
    tone = base * (1 + 0.05 * _grain(point, 9.0) + 0.03 * _grain(point, 31.0))[:, None]
    red = base * torch.tensor([1.05, 0.62, 0.58])
    blush = 0.55 * _bell(x.abs(), 0.40, 0.13) * _bell(y, -0.22, 0.12) + 0.5 * _bell(x, 0.0, 0.09) * _bell(y, -0.34, 0.09)
    tone = _mix(tone, red, (look.blush * (blush + 0.25 * _bell(x.abs(), EYE_X, 0.15) * _bell(y, EYE_Y, 0.09)) * face).clamp(0, 1))
    if look.freckles > 0:
        spots = _step(0.55, 0.85, _grain(point, 62.0)) * _bell(y, -0.18, 0.13) * _bell(x.abs(), 0.22, 0.2)
        tone = _mix(tone, base * torch.tensor([0.62, 0.45, 0.36]), (0.7 * min(look.freckles, 1.0) * spots * face))
    hair = linear(look.hair_colour)
    if look.stubble > 0:
        jaw = _step(-0.30, -0.55, y - 0.55 * (x.abs() - 0.25).clamp_min(0)) * _step(-0.30, 0.15, z)
        moustache = _bell(x, 0.0, 0.17) * _bell(y, -0.478, 0.035)
        bare = _bell(x, 0.0, 0.20) * _bell(y, -0.57, 0.055)
        beard = ((jaw * (1 - 0.9 * bare)).maximum(moustache)) * (0.75 + 0.25 * _grain(point, 90.0))
        tone = _mix(tone, hair * 0.7 + 0.05 * base, (look.stubble * 0.9 * beard * face).clamp(0, 0.93))
    lips = lip_mask(x, latitude) * face
    rosy = _mix(base.expand_as(tone), torch.tensor([0.48, 0.075, 0.075]).expand_as(tone), torch.full_like(x, 0.38 + 0.42 * look.lips))
    rosy = rosy * torch.minimum(torch.ones(3), base * 1.2 + 0.35)
    tone = _mix(tone, rosy, 0.88 * lips)
    # painted darkness where a lamp hardly reaches: nostrils, the line of the lips, the lids' crease, under the chin
    dark = 1 - 0.80 * _bell(x.abs(), 0.052, 0.020) * _bell(y, -0.418, 0.013) * face
    dark *= 1 - 0.55 * _bell(latitude, MOUTH_Y, 0.010) * _step(1.15, 0.9, x.abs() / MOUTH_HALF_WIDTH) * face
    q = (x.abs() - EYE_X) / EYE_HALF_WIDTH
    lid = (1 - q * q).clamp_min(0) ** 0.5 * face
    dark *= 1 - 0.40 * _bell(latitude, EYE_Y + 0.075, 0.016) * lid
    dark *= 1 - 0.12 * _bell(x.abs(), 0.125, 0.05) * _bell(y, 0.07, 0.08) * face
    dark *= 1 - 0.45 * _step(-0.84, -1.0, y) * _step(0.75, 0.2, z)
    lash = _bell(latitude, EYE_Y, 0.010) * lid * torch.where(latitude > EYE_Y, 0.92, 0.35)
    tone = _mix(tone * dark[:, None], hair * 0.25 + 0.006, lash)
    strokes = 0.75 + 0.25 * torch.sin(230 * x + 90 * y)
    tone = _mix(tone, hair * 0.55 + 0.008, brow_mask(x, y, look.brow) * strokes * face * 0.92)
    gloss = 0.20 + 0.35 * lips + 0.10 * _bell(x, 0, 0.07) * _bell(y, -0.30, 0.10)
    return tone, gloss, torch.full_like(x, 20.0) + 25.0 * lips


def _eyeball(point: Tensor, local: Tensor, shade: Tensor, look: Appearance) -> Paint:
    r = local.norm(dim=-1)
    angle = torch.atan2(local[:, 1], local[:, 0])
    iris_r, pupil_r = 0.52, 0.23
    white = torch.tensor([0.80, 0.77, 0.74]) * (1 - 0.25 * _step(0.5, 0.95, r))[:, None]
    fibres = 1 + 0.25 * torch.sin(23 * angle + 3 * torch.sin(5 * angle)) * _step(pupil_r, 0.4, r)
    iris = linear(look.iris) * (1.5 * fibres * (0.65 + 0.7 * _step(iris_r, pupil_r, r)))[:, None] + 0.01
    iris = _mix(iris, iris * 0.12, _bell(r, iris_r, 0.055))
    tone = _mix(white, iris, _step(iris_r + 0.03, iris_r - 0.03, r))
    tone = _mix(tone, torch.full((3,), 0.004).expand_as(tone), _step(pupil_r + 0.03, pupil_r - 0.03, r))
    shadow = 1 - 0.55 * _step(0.0, 0.11, point[:, 1] - EYE_Y)  # of the upper lid
    return tone * shadow[:, None], torch.full_like(r, 1.1), torch.full_like(r, 140.0)


def _rim(point: Tensor, local: Tensor, shade: Tensor, look: Appearance) -> Paint:
    pink = skin_tone(look) * torch.tensor([0.85, 0.45, 0.42])
    return pink * (1 - 0.8 * local[:, 1:].clamp(0, 1)), torch.full_like(shade, 0.3), torch.full_like(shade, 40.0)


def _bag(point: Tensor, local: Tensor, shade: Tensor, look: Appearance) -> Paint:
    lips = skin_tone(look) * torch.tensor([0.75, 0.30, 0.30])
    tone = _mix(lips.expand(len(shade), 3), torch.tensor([0.055, 0.008, 0.008]).expand(len(shade), 3), _step(0.05, 0.45, local[:, 1]))
    return tone, torch.full_like(shade, 0.15), torch.full_like(shade, 30.0)


def _teeth(point: Tensor, local: Tensor, shade: Tensor, look: Appearance) -> Paint:
    along, height = local.unbind(-1)
    gaps = _bell(torch.sin(along * 4.0 * torch.pi).abs(), 0.0, 0.16)
    ivory = torch.tensor([0.80, 0.75, 0.66]) * (1 - 0.35 * gaps - 0.45 * _step(0.55, 1.0, along.abs()))[:, None]
    gum = torch.tensor([0.40, 0.10, 0.10])
    return _mix(ivory, gum.expand_as(ivory), _step(0.30, 0.12, height)), torch.full_like(along, 0.5), torch.full_like(along, 60.0)


def _tongue(point: Tensor, local: Tensor, shade: Tensor, look: Appearance) -> Paint:
    tone = torch.tensor([0.36, 0.09, 0.09]) * (1 - 0.3 * _bell(point[:, 0], 0.0, 0.02))[:, None]
    return tone, torch.full_like(shade, 0.4), torch.full_like(shade, 30.0)


def _hair(point: Tensor, local: Tensor, shade: Tensor, look: Appearance) -> Paint:
    u, y = local.unbind(-1)
    strand = torch.sin(95 * u + 6 * torch.sin(2.1 * y + 4 * u)) * 0.5 + torch.sin(41 * u + 3 * y) * 0.5
    tone = linear(look.hair_colour) * (0.55 + 0.75 * shade + 0.30 * strand)[:, None].clamp_min(0.1) + 0.004
    return tone, 0.35 + 0.30 * strand, torch.full_like(u, 18.0)


def _ear(point: Tensor, local: Tensor, shade: Tensor, look: Appearance) -> Paint:
    base = skin_tone(look)
    tone = _mix(base.expand(len(shade), 3), (base * torch.tensor([1.0, 0.55, 0.5])).expand(len(shade), 3), 0.2 + 0.4 * _step(0.5, 0.9, local[:, 0]))
    hollow = 1 - 0.55 * _bell(local[:, 0], 0.1, 0.22) - 0.25 * _bell(local[:, 0], 0.72, 0.06)
    return tone * hollow[:, None], torch.full_like(shade, 0.15), torch.full_like(shade, 16.0)


def _neck(point: Tensor, local: Tensor, shade: Tensor, look: Appearance) -> Paint:
    y, z = point[:, 1], point[:, 2]
    shadow = 1 - 0.55 * _step(-1.16, -0.92, y) * _step(-0.3, 0.1, z)
    tone = skin_tone(look) * (shadow * (1 + 0.05 * _grain(point, 9.0)))[:, None]
    return tone, torch.full_like(shade, 0.12), torch.full_like(shade, 14.0)


def _cloth(point: Tensor, local: Tensor, shade: Tensor, look: Appearance) -> Paint:
    x, y, z = point.unbind(-1)
    first, second = (linear(c) for c in look.cloth_colours)
    if look.cloth == "stripes":
        share = _step(-0.25, 0.25, torch.sin(46 * y))
    elif look.cloth == "checks":
        share = 0.5 * (_step(-0.2, 0.2, torch.sin(24 * x)) + _step(-0.2, 0.2, torch.sin(24 * y)))
    elif look.cloth == "knit":
        share = 0.25 + 0.25 * torch.sin(80 * x) * torch.sin(60 * y)
    elif look.cloth == "shirt":
        share = (_step(0.10, 0.07, x.abs() + 0.35 * (y + 1.2)) * (z > 0)).maximum(_step(-1.145, -1.13, y))
    else:
        share = _step(-1.145, -1.13, y) * 0.6
    tone = _mix(first.expand(len(x), 3), second.expand(len(x), 3), share)
    return tone * (1 - 0.35 * _step(-1.20, -1.12, y) * _step(0.05, -0.2, x.abs() - 0.5))[:, None], 0.05 * torch.ones_like(x), torch.full_like(x, 8.0)


MATERIALS: dict[str, Material] = {
    "skin": _skin, "eyeball": _eyeball, "rim": _rim, "bag": _bag, "teeth": _teeth,
    "tongue": _tongue, "hair": _hair, "ear": _ear, "neck": _neck, "cloth": _cloth,
}  # fmt: skip
