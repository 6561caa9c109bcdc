"""Stage 3: what the refiner's outputs mean (section 3.3)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..config import RendererConfig
from ..warping import Warped
from .projection import FILL
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
        self.config, self.network = config, refiner(config)

    def forward(self, foreground: Float[Tensor, "B 3 S S"], warped: Warped, z: Float[Tensor, "B Z"]) -> Refined:
        """Refine a warped picture of the source ``foreground`` for the motion ``z``."""
        layers = [foreground, warped.image]
        if warped.pixels is not None:
            layers.append(warped.pixels)
        out = self.network(torch.cat(layers, 1), z)
        start = torch.atanh(warped.image * NEARLY_ONE) if self.config.refine_residual else 0.0
        painted = torch.tanh(start + 2 * out[:, :3])
        mask, colour = None, painted
        if warped.pixels is not None:
            mask = torch.sigmoid(4 * out[:, -1:] + 1)
            colour = mask * warped.pixels + (1 - mask) * painted
        if not self.config.refiner_alpha:
            return Refined(colour, None, mask, painted if mask is not None else None)
        alpha = torch.sigmoid(4 * out[:, 3:4] + 1)
        return Refined(alpha * colour + (1 - alpha) * FILL, alpha, mask, painted)
