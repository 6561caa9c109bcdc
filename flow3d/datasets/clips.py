"""Clips: one person moving, frame by frame, with the coefficients that moved them."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..checks import Whole, check_size
from ..morphable import Coefficients, talking_head
from .pairs import person_of


@dataclass(frozen=True, eq=False)
class Clip:
    """N frames of one person at 25 frames a second, on the CPU.

    Attributes:
        frames: (N,3,H,W) in [-1, 1].
        alphas: (N,1,H,W) in [0, 1], soft mattes.
        labels: (N,1,H,W) integers of ``flow3d.morphable.PARTS``.
        background: (3,H,W) in [-1, 1], complete.
        coefficients: the N exact coefficients.
    """

    frames: Float[Tensor, "N 3 H W"]
    alphas: Float[Tensor, "N 1 H W"]
    labels: Int[Tensor, "N 1 H W"]
    background: Float[Tensor, "3 H W"]
    coefficients: Coefficients

    @property
    def windows(self) -> Float[Tensor, "N 73 27"]:
        """The windows that drive each frame; at the ends of the clip the edge is repeated."""
        return self.coefficients.windows()

    def __len__(self) -> int:
        return len(self.frames)


def make_clip(seed: Whole, frames: Whole = 50, size: int = 64) -> Clip:
    """Return the clip of a seed; the same bytes for the same seed. A longer clip continues a shorter one.

    The self-ID pair of the seed is two frames of this clip.

    Args:
        seed: the person and the motion.
        frames: how many, at 25 a second.
        size: side of the images in pixels, a power of two from 16 to 2048.

    Raises:
        TypeError: ``seed``, ``frames`` or ``size`` is not an integer.
        ValueError: a negative seed, fewer than one frame, or another size.
    """
    size = check_size(size)
    motion = talking_head(frames, seed)
    person = person_of(int(seed))
    shots = [person.render(motion.frame(k), size) for k in range(len(motion))]
    return Clip(
        frames=torch.stack([s.image for s in shots]),
        alphas=torch.stack([s.alpha for s in shots]),
        labels=torch.stack([s.labels for s in shots]),
        background=person.background(size).clone(),
        coefficients=motion,
    )
