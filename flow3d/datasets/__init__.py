"""Synthetic pairs and clips with true answers."""

from .clips import Clip, make_clip
from .pairs import Pair, make_pair

__all__ = ["Clip", "Pair", "make_clip", "make_pair"]
