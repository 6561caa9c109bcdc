"""Stage 4: fill what the person hid, in a composite of person and background (section 3.4)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..config import RendererConfig
from .projection import FILL
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
        """Return the picture in [-1, 1].

        Args:
            composite: person over background, blank in the hole.
            hole: 1 where background must be invented.
            z: the driving motion.
            known: 1 where the source shows the background; pasted back if the model has ``paste_known_background``.
                Without it the network's own picture is returned, whatever the model pastes.
        """
        seen = torch.cat([composite, hole], 1) if self.config.hole_mask else composite
        picture = torch.tanh(self.network(seen, z))
        if known is not None and self.config.paste_person:
            return composite + hole * (picture - FILL)  # the composite holds FILL where, and as far as, the hole is
        if known is None or not self.config.paste_known_background:
            return picture
        return known * composite + (1 - known) * picture
