"""How a person looks beyond shape: skin, eyes, hair, clothes, light and background, drawn from a seed."""

import re
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..sizes import IDENTITY_COUNT
from .head.hair import STYLES

_SKIN = ("#f3cdb4", "#ecbd9d", "#e0a983", "#d29b78", "#bb825f", "#9f6b4b", "#85563b", "#6a432f", "#533526")
_HAIR = ("#1a1513", "#2b1d15", "#43291a", "#5e3b22", "#84562f", "#b48549", "#d9b777", "#8b3a1d", "#9a9a98", "#d8d5cf")
_IRIS = ("#4a2f1b", "#63401f", "#8a6230", "#5d7340", "#4d7f7a", "#4f7ea8", "#7d95a8", "#3b2a20")
_CLOTH = ("#23374f", "#7b2d3b", "#2e5a4a", "#c7b79a", "#3b3b42", "#d9d6cf", "#4c3a66", "#a8582f", "#6e8bab", "#8a8f45")
BACKGROUNDS = ("bricks", "bookshelf", "tiles", "plaid", "bokeh", "studio", "foliage", "window")
CLOTHS = ("plain", "stripes", "checks", "knit", "shirt")


def linear(colour: str) -> Float[Tensor, " 3"]:
    """Linear RGB (3,) of an sRGB colour such as ``#d69a72``."""
    return (torch.tensor(_channels(colour)) / 255.0) ** 2.2


def _channels(colour: str) -> list[int]:
    return [int(colour[k : k + 2], 16) for k in (1, 3, 5)]


@dataclass(frozen=True)
class Light:
    """A key light, a sky and a ground, all linear RGB; ``direction`` is a unit vector towards the key (x, up, near)."""

    direction: tuple[float, float, float] = (0.45, 0.50, 0.74)
    key: float = 2.1
    warmth: float = 0.0  # -1 is cold, +1 warm
    sky: float = 0.55
    ground: float = 0.30
    rim: float = 0.25


@dataclass(frozen=True)
class Appearance:
    """Everything about a person that is not in the 80 identity coefficients.

    Colours are sRGB such as ``#d69a72``; strengths run from 0 to 1. ``hair`` names one of
    :data:`flow3d.morphable.HAIR_STYLES` or is None, ``cloth`` one of ``CLOTHS``.

    Raises:
        ValueError: an unknown hair style, cloth, background or colour.
    """

    skin: str = "#e3ae88"
    blush: float = 0.5
    lips: float = 0.5
    freckles: float = 0.0
    stubble: float = 0.0
    brow: float = 0.5  # thickness, 0 to 1
    iris: str = "#63401f"
    hair: str | None = "short"
    hair_colour: str = "#43291a"
    hair_volume: float = 1.0
    hair_seed: int = 0
    cloth: str = "plain"
    cloth_colours: tuple[str, str] = ("#23374f", "#d9d6cf")
    light: Light = field(default_factory=Light)
    background: str = "studio"
    background_seed: int = 0

    def __post_init__(self) -> None:
        known = {"hair": (*STYLES, None), "cloth": CLOTHS, "background": BACKGROUNDS}
        for name, values in known.items():
            if getattr(self, name) not in values:
                raise ValueError(f"{name}: expected one of {', '.join(map(str, values))}, got {getattr(self, name)!r}")
        for name in ("skin", "iris", "hair_colour", "cloth_colours"):
            value = getattr(self, name)
            for colour in (value,) if isinstance(value, str) else value:
                if not re.fullmatch("#[0-9a-fA-F]{6}", colour):
                    raise ValueError(f"{name}: expected an sRGB colour such as '#d69a72', got {colour!r}")


def _jitter(rng: np.random.Generator, colour: str, amount: float) -> str:
    value = np.array(_channels(colour)) * np.exp(rng.normal(0, amount, 3))
    return "#" + "".join(f"{int(np.clip(v, 0, 255)):02x}" for v in value)


def random_alpha(rng: np.random.Generator, count: int = IDENTITY_COUNT) -> Float[Tensor, " count"]:
    """Identity coefficients (80,): normal, cut at 1.8, and scaled down when many are large at once.

    No single field and no sum of fields can then make a grotesque face.
    """
    alpha = np.clip(rng.normal(0, 0.8, count), -1.8, 1.8)
    alpha *= min(1.0, 0.85 * np.sqrt(count) / np.linalg.norm(alpha))
    return torch.as_tensor(alpha, dtype=torch.float32)


def random_appearance(rng: np.random.Generator) -> Appearance:
    """Draw a look: natural skin and hair, dyed hair now and then, any light, any background."""
    tone = rng.integers(len(_SKIN))
    dark = tone >= 5
    hair_pool = _HAIR[:3] + _HAIR[8:9] if dark else _HAIR
    style = None if rng.random() < 0.07 else str(rng.choice(list(STYLES)))
    azimuth, elevation = rng.uniform(-1.0, 1.0), rng.uniform(0.15, 0.85)
    x, z = np.sin(azimuth) * np.cos(elevation), np.cos(azimuth) * np.cos(elevation)
    bearded = rng.random() < 0.30
    colours = rng.permutation(len(_CLOTH))[:2]
    return Appearance(
        skin=_jitter(rng, _SKIN[tone], 0.02),
        blush=float(rng.uniform(0.2, 0.9)),
        lips=float(rng.uniform(0.1, 1.0) * (0.5 if bearded else 1.0)),
        freckles=float(max(0.0, rng.normal(-0.3, 0.6))) if tone < 4 else 0.0,
        stubble=float(rng.uniform(0.25, 1.0)) if bearded else 0.0,
        brow=float(rng.uniform(0.15, 1.0)),
        iris=_jitter(rng, _IRIS[rng.integers(2) if dark and rng.random() < 0.7 else rng.integers(len(_IRIS))], 0.06),
        hair=style,
        hair_colour=_jitter(rng, str(rng.choice(hair_pool)), 0.03),
        hair_volume=float(rng.uniform(0.85, 1.10)),
        hair_seed=int(rng.integers(1 << 30)),
        cloth=str(rng.choice(CLOTHS)),
        cloth_colours=(_jitter(rng, _CLOTH[colours[0]], 0.05), _jitter(rng, _CLOTH[colours[1]], 0.05)),
        light=Light(
            direction=(float(x), float(np.sin(elevation)), float(z)),
            key=float(rng.uniform(1.1, 1.8)),
            warmth=float(rng.uniform(-0.7, 1.0)),
            sky=float(rng.uniform(0.50, 0.85)),
            ground=float(rng.uniform(0.25, 0.45)),
            rim=float(rng.uniform(0.0, 0.5)),
        ),
        background=str(rng.choice(BACKGROUNDS)),
        background_seed=int(rng.integers(1 << 30)),
    )
