"""Stage 4, the inpainter: composite (B,3,S,S), hole (B,1,S,S), motion (B,Z) -> whole frame (B,3,S,S); section 3.4."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from ..config import RendererConfig
from .projection import FILL, cut_out
from .refine import NEARLY_ONE
from .transunet import inpainter


class Inpainter(nn.Module):
    """Composite (extended: and hole) and motion -> the whole picture."""

    def __init__(self, config: RendererConfig) -> None:
        super().__init__()
        self.config, self.network = config, inpainter(config)

    def forward(
        self,
        composite: Float[Tensor, "B 3 S S"],
        hole: Float[Tensor, "B 1 S S"],
        z: Float[Tensor, "B Z"],
        known: Float[Tensor, "B 1 S S"] | None = None,
    ) -> Float[Tensor, "B 3 S S"]:
        """Return the picture in [-1, 1]: :meth:`paint`, then :meth:`paste` where ``known`` is given.

        Args:
            composite: person over background, blank in the hole.
            hole: 1 where background must be invented.
            z: the driving motion.
            known: 1 where the source shows the background; pasted back if the model has ``paste_known_background``.
                If it is None, nothing is pasted, and a model with ``hole_fill`` treats everything outside the hole as
                background.
        """
        picture = self.paint(composite, hole, z, 1 - hole if known is None else known)
        return picture if known is None else self.paste(picture, composite, hole, known)

    def paste(
        self,
        picture: Float[Tensor, "B 3 S S"],
        composite: Float[Tensor, "B 3 S S"],
        hole: Float[Tensor, "B 1 S S"],
        known: Float[Tensor, "B 1 S S"],
    ) -> Float[Tensor, "B 3 S S"]:
        """Keep what is known of the composite, and take the rest from ``picture``; strict models keep nothing."""
        if not self.config.paste_known_background:
            return picture
        if self.config.paste_person:
            return composite + hole * (picture - FILL)  # the composite holds FILL where, and as far as, the hole is
        return known * composite + (1 - known) * picture

    def plate(self, image: Float[Tensor, "B 3 S S"], hidden: Float[Tensor, "B 1 S S"]) -> Float[Tensor, "B 3 S S"]:
        """The network's own picture of a source without its person; no motion enters (``background_plate``).

        ``hidden`` is 1 where the source does not show the background.
        """
        still = image.new_zeros(len(image), self.config.z_length)
        return self.paint(cut_out(image, 1 - hidden), hidden, still, 1 - hidden)

    def paint(
        self,
        composite: Float[Tensor, "B 3 S S"],
        hole: Float[Tensor, "B 1 S S"],
        z: Float[Tensor, "B Z"],
        known: Float[Tensor, "B 1 S S"],
    ) -> Float[Tensor, "B 3 S S"]:
        """The network's own picture, from nothing or from the hole's smooth fill."""
        if not self.config.hole_fill:
            seen = torch.cat([composite, hole], 1) if self.config.hole_mask else composite
            return torch.tanh(self.network(seen, z))
        filled = composite + hole * (spread(composite, known) - FILL)
        change = self.network(torch.cat([filled, hole], 1), z)
        return torch.tanh(torch.atanh(filled.clamp(-1, 1) * NEARLY_ONE) + 2 * change)


def spread(image: Float[Tensor, "B C S S"], known: Float[Tensor, "B 1 S S"]) -> Float[Tensor, "B C S S"]:
    """Fill what is not ``known`` smoothly from around it: averages of the known part, from the coarsest to the finest.

    Pull and push over powers of two (Gortler et al., The Lumigraph, 1996, section 3.4). Where nothing is known at all,
    the result is 0.
    """
    if image.shape[-1] <= 1:
        return image * known / known.clamp_min(1e-6)
    share = functional.avg_pool2d(known, 2)
    mean = functional.avg_pool2d(image * known, 2) / share.clamp_min(1e-6)
    around = functional.interpolate(spread(mean, share.clamp(max=1)), scale_factor=2.0, mode="bilinear")
    return known * image + (1 - known) * around
