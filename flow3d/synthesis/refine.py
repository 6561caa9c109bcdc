"""Stage 3, the refiner: source and warped picture (B,3,S,S), motion (B,Z) -> refined person (B,3,S,S); section 3.3."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..config import RendererConfig
from ..warping import Warped, warp_pixels
from .projection import cut_out
from .transunet import refiner

NEARLY_ONE = 0.98  # colours are pulled this far from -1 and 1 before their logit is taken


@dataclass(frozen=True, eq=False)
class Refined:
    """The refined person on black, in [-1, 1]; matte, layer mask and painted layer where the model has them."""

    foreground: Float[Tensor, "B 3 S S"]
    alpha: Float[Tensor, "B 1 S S"] | None = None
    mask: Float[Tensor, "B 1 S S"] | None = None
    painted: Float[Tensor, "B 3 S S"] | None = None


class Refiner(nn.Module):
    """Strict: source and warped picture -> picture. Extended: also a matte, and a mask between warped and painted."""

    def __init__(self, config: RendererConfig) -> None:
        super().__init__()
        self.config, self.network = config, refiner(config) if config.refine else None

    def forward(
        self,
        foreground: Float[Tensor, "B 3 S S"],
        warped: Warped,
        z: Float[Tensor, "B Z"],
        matte: Float[Tensor, "B 1 S S"] | None = None,
    ) -> Refined:
        """Refine a warped picture of the source ``foreground`` for the motion ``z``.

        Raises:
            ValueError: a model with ``matte_residual`` was not given the source's ``matte``.
        """
        if self.network is None:
            return Refined(warped.image)
        layers = [foreground, warped.image]
        if warped.pixels is not None:
            layers.append(warped.pixels)
        out = self.network(torch.cat(layers, 1), z)
        start = torch.atanh(warped.image * NEARLY_ONE) if self.config.refine_residual else 0.0
        painted = torch.tanh(start + 2 * out[:, :3])
        mask = None if warped.pixels is None else torch.sigmoid(4 * out[:, -1:] + 1)
        alpha = torch.sigmoid(4 * out[:, 3:4] + self._start(warped, matte)) if self.config.refiner_alpha else None
        foreground = compose(painted, warped.pixels, mask, alpha)
        return Refined(foreground, alpha, mask, None if mask is None and alpha is None else painted)

    def _start(self, warped: Warped, matte: Tensor | None) -> Tensor | float:
        """The logit that the matte begins with."""
        if not self.config.matte_residual:
            return 1.0
        if matte is None:
            raise ValueError("matte: expected the source's, which this model warps (matte_residual), got None")
        there = warp_pixels(matte, warped.pixel_flow.detach())  # no gradient from the matte to the flow
        return torch.logit(there.clamp(1 - NEARLY_ONE, NEARLY_ONE))


def compose(
    painted: Float[Tensor, "B 3 S S"],
    pixels: Float[Tensor, "B 3 S S"] | None = None,
    mask: Float[Tensor, "B 1 S S"] | None = None,
    alpha: Float[Tensor, "B 1 S S"] | None = None,
) -> Float[Tensor, "B 3 S S"]:
    """The refined person: ``alpha (mask pixels + (1 - mask) painted)`` on black; a layer that is None is left out."""
    colour = painted if mask is None or pixels is None else mask * pixels + (1 - mask) * painted
    return colour if alpha is None else cut_out(colour, alpha)
