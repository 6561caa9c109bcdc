"""How a person looks beyond shape: skin, eyes, hair, clothes, light and background, drawn from a seed."""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from .head.hair import STYLES

_SKIN = ("#f3cdb4", "#ecbd9d", "#e0a983", "#d29b78", "#bb825f", "#9f6b4b", "#85563b", "#6a432f", "#533526")
_HAIR = ("#1a1513", "#2b1d15", "#43291a", "#5e3b22", "#84562f", "#b48549", "#d9b777", "#8b3a1d", "#9a9a98", "#d8d5cf")
_IRIS = ("#4a2f1b", "#63401f", "#8a6230", "#5d7340", "#4d7f7a", "#4f7ea8", "#7d95a8", "#3b2a20")
_CLOTH = ("#23374f", "#7b2d3b", "#2e5a4a", "#c7b79a", "#3b3b42", "#d9d6cf", "#4c3a66", "#a8582f", "#6e8bab", "#8a8f45")
BACKGROUNDS = ("bricks", "bookshelf", "tiles", "plaid", "bokeh", "studio", "foliage", "window")


def linear(colour: str) -> Tensor:
    """Linear RGB (3,) of an sRGB colour such as ``#d69a72``."""
    value = torch.tensor([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) / 255.0
    return value**2.2


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
    """Everything about a person that is not in the 80 identity coefficients. Colours are sRGB hex."""

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
        if self.hair is not None and self.hair not in STYLES:
            raise ValueError(f"hair: expected one of {', '.join(STYLES)} or None, got {self.hair!r}")
        if self.background not in BACKGROUNDS:
            raise ValueError(f"background: expected one of {', '.join(BACKGROUNDS)}, got {self.background!r}")


def _jitter(rng: np.random.Generator, colour: str, amount: float) -> str:
    value = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) * np.exp(rng.normal(0, amount, 3))
    return "#" + "".join(f"{int(np.clip(v, 0, 255)):02x}" for v in value)


def random_alpha(rng: np.random.Generator, count: int = 80) -> Tensor:
    """Identity coefficients (80,): normal, cut at 1.8, and drawn in when many are large at once.

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
    direction = (np.sin(azimuth) * np.cos(elevation), np.sin(elevation), np.cos(azimuth) * np.cos(elevation))
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
        cloth=str(rng.choice(["plain", "stripes", "checks", "knit", "shirt"])),
        cloth_colours=(_jitter(rng, _CLOTH[colours[0]], 0.05), _jitter(rng, _CLOTH[colours[1]], 0.05)),
        light=Light(
            direction=tuple(float(v) for v in direction),
            key=float(rng.uniform(1.1, 1.8)),
            warmth=float(rng.uniform(-0.7, 1.0)),
            sky=float(rng.uniform(0.50, 0.85)),
            ground=float(rng.uniform(0.25, 0.45)),
            rim=float(rng.uniform(0.0, 0.5)),
        ),
        background=str(rng.choice(BACKGROUNDS)),
        background_seed=int(rng.integers(1 << 30)),
    )
