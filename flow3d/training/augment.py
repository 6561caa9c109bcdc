"""What a batch of drawn pairs may meet before a training sees it: another light, and inputs as a user has them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from ..datasets.batch import Batch
from .error_bank import ErrorBank

TINT = 0.3  # of the change of light, how much differs between the colours
# A found matte's edge: a ramp of 5 px is moved along alpha and made steeper again, so it strays by up to 1.5 px, as
# GrabCut's does. Moved further, alpha would change where no edge is.
STEEPER = 2.5
WOBBLE = 0.5 - 0.5 / STEEPER
KNOTS = 6  # across a frame, between which the edge strays smoothly


def relight(batch: Batch, rng: np.random.Generator, strength: float) -> Batch:
    """Give each pair another light: colours in [0, 1] become ``low + gain * colour``, the same in both frames.

    Half of the pairs keep theirs. ``strength`` is the most that a gain falls below 1, or that black rises above 0.
    """
    count = len(batch)
    dark = rng.random((count, 1)) * (rng.random((count, 1)) < 0.5)
    gain = 1 - strength * dark * (1 - TINT * rng.random((count, 3)))
    low = (1 - gain) * rng.random((count, 1))
    gains, lows = (torch.from_numpy(v).float()[:, :, None, None].to(batch.source.device) for v in (gain, low))

    def lit(image: Tensor, alpha: Tensor | float) -> Tensor:
        """A premultiplied picture on black, in [-1, 1]."""
        return gains * (image + 1) + 2 * lows * alpha - 1

    return replace(
        batch,
        source=lit(batch.source, 1.0),
        target=lit(batch.target, 1.0),
        source_foreground=lit(batch.source_foreground, batch.source_alpha),
        target_foreground=lit(batch.target_foreground, batch.target_alpha),
    )


def observe(batch: Batch, rng: np.random.Generator, share: float, bank: ErrorBank) -> Batch:
    """Give a share of the pairs windows with a regressor's errors, and a source matte whose edge strays."""
    chosen = torch.from_numpy(rng.random(len(batch)) < share).to(batch.source.device)
    if not bool(chosen.any()):
        return batch
    windows = {}
    for name in ("source_window", "target_window"):
        exact = getattr(batch, name)
        windows[name] = torch.where(chosen[:, None, None], bank.observe(exact.cpu(), rng).to(exact.device), exact)
    alpha = torch.where(chosen[:, None, None, None], _strayed(batch.source_alpha, rng), batch.source_alpha)
    return replace(batch, source_alpha=alpha, **windows)


def _strayed(alpha: Float[Tensor, "B 1 S S"], rng: np.random.Generator) -> Float[Tensor, "B 1 S S"]:
    """A matte whose edge lies up to 1.5 pixels elsewhere."""
    noise = torch.from_numpy(rng.uniform(-WOBBLE, WOBBLE, (len(alpha), 1, KNOTS, KNOTS))).float().to(alpha.device)
    shift = functional.interpolate(noise, alpha.shape[-2:], mode="bicubic", align_corners=True)
    shift = shift.clamp(-WOBBLE, WOBBLE)  # the curves between the knots overshoot them
    soft = functional.avg_pool2d(functional.pad(alpha, (2, 2, 2, 2), mode="replicate"), 5, 1)  # a ramp 5 px wide
    return (0.5 + STEEPER * (soft - 0.5 + shift)).clamp(0, 1)
