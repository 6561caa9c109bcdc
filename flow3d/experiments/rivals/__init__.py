"""Earlier methods, re-implemented small from their papers' descriptions and trained as ours is: our Table 1."""

from .registry import ABSENT, RIVALS, rival

__all__ = ["ABSENT", "RIVALS", "rival"]
