"""The rivals by name, and the absent one with the reason."""

from __future__ import annotations

from dataclasses import replace

from ...config import PRESETS
from .base import Rival
from .bilayer import BiLayer
from .dagan import DaGAN
from .facevid2vid import FaceVid2Vid
from .fomm import FOMM
from .pirenderer import PIRenderer
from .x2face import X2Face

RIVALS: dict[str, type[Rival]] = {
    "X2Face": X2Face,
    "FOMM": FOMM,
    "Bi-Layer": BiLayer,
    "PIRenderer": PIRenderer,
    "DaGAN": DaGAN,
    "face-vid2vid": FaceVid2Vid,
}
ABSENT = {
    "HyperReenact": "it re-enacts by refining the weights of a StyleGAN2 that was pretrained on real faces, and has no "
    "part that could be trained without one; such weights know photographs, not procedural heads",
}


def rival(name: str, preset: str, residual: bool = True) -> Rival:
    """A rival with fresh weights, of about our own renderer's number of parameters at this preset.

    ``residual=False`` removes the help that :meth:`Rival.coloured` describes.

    Raises:
        ValueError: an unknown method or preset, or one that is absent, with the reason.
    """
    if name in ABSENT:
        raise ValueError(f"method: {name} is absent: {ABSENT[name]}")
    if name not in RIVALS:
        raise ValueError(f"method: expected one of {', '.join(RIVALS)}, got {name!r}")
    known = RIVALS[name].widths
    if preset not in known:
        raise ValueError(f"preset: expected one of {', '.join(p for p in PRESETS if p in known)}, got {preset!r}")
    return RIVALS[name](replace(known[preset], residual=residual))
