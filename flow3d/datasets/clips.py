"""Clips: one person moving, frame by frame, with the coefficients that moved them."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..morphable import Coefficients, talking_head
from ..morphable.scene import check_size
from .pairs import check_seed, person_of


@dataclass(frozen=True)
class Clip:
    """N frames of one person at 25 frames a second.

    ``frames`` (N,3,H,W) in [-1, 1]; ``alphas`` (N,1,H,W); ``labels`` (N,1,H,W) integers; ``background`` (3,H,W);
    ``coefficients`` the N exact coefficients; ``windows`` (N,73,27).
    """

    frames: Float[Tensor, "N 3 H W"]
    alphas: Float[Tensor, "N 1 H W"]
    labels: Int[Tensor, "N 1 H W"]
    background: Float[Tensor, "3 H W"]
    coefficients: Coefficients

    @property
    def windows(self) -> Float[Tensor, "N 73 27"]:
        """The windows that drive each frame."""
        return self.coefficients.windows()

    def __len__(self) -> int:
        return len(self.frames)


def make_clip(seed: int, frames: int = 50, size: int = 64) -> Clip:
    """Return the clip of a seed; the same bytes for the same seed. A longer clip continues a shorter one.

    Raises:
        TypeError: ``seed`` or ``frames`` is not an integer.
        ValueError: a negative seed, fewer than one frame, or ``size`` not a power of two from 16 to 2048.
    """
    check_seed(seed)
    check_size(size)
    if isinstance(frames, bool) or not isinstance(frames, int):
        raise TypeError(f"frames: expected an integer, got {type(frames).__name__}")
    motion, person = talking_head(frames, seed), person_of(seed)
    shots = [person.render(motion.frame(k), size) for k in range(frames)]
    return Clip(
        frames=torch.stack([s.image for s in shots]),
        alphas=torch.stack([s.alpha for s in shots]),
        labels=torch.stack([s.labels for s in shots]),
        background=person.background(size).clone(),
        coefficients=motion,
    )
