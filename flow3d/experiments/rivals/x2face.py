"""X2Face: one flow warps the source to an embedded face; a second, from the driving picture's vector, samples it."""

from __future__ import annotations

from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from ...warping import warp_pixels
from ...warping.adain import SLOPE, start_at_zero
from .base import Motion, Request, Rival, Widths
from .blocks import Hourglass, in_pixels


class X2Face(Rival):
    """Embedding network (a UNet) and driving network (picture -> vector -> flow).

    It paints nothing: every colour is the source's, sampled twice. Its flow is the composition of the two flows.

    Paper: Wiles, Koepke and Zisserman, "X2Face: A network for controlling face generation using images, audio, and
    pose codes", ECCV 2018.
    """

    paper = "Wiles et al., ECCV 2018"
    driven_by = "picture"
    widths: ClassVar = {
        "micro": Widths("micro", motion=(16, 32, 48), paint=(12, 24, 32)),
        "tiny": Widths("tiny", motion=(40, 72, 92, 112), paint=(36, 68, 88, 88)),
    }

    def __init__(self, widths: Widths) -> None:
        super().__init__(widths)
        self.embedding = nn.Sequential(Hourglass(12, widths.paint), nn.Conv2d(widths.paint[0], 2, 3, padding=1))
        layers: list[nn.Module] = []
        for before, after in zip((3, *widths.motion[:-1]), widths.motion, strict=True):
            layers += [nn.Conv2d(before, after, 4, 2, 1), nn.InstanceNorm2d(after, affine=True), nn.LeakyReLU(SLOPE)]
        side, last = widths.size >> len(widths.motion), widths.motion[-1]
        self.encoder = nn.Sequential(*layers, nn.Flatten(), nn.Linear(last * side**2, 2 * widths.z))
        self.start = nn.Sequential(nn.Linear(2 * widths.z, last * side**2), nn.Unflatten(1, (last, side, side)))
        layers = []
        for before, after in zip(widths.motion[:0:-1], widths.motion[-2::-1], strict=True):
            layers += [nn.Upsample(scale_factor=2), nn.Conv2d(before, after, 3, padding=1), nn.LeakyReLU(SLOPE)]
        self.decoder = nn.Sequential(*layers, nn.Conv2d(widths.motion[0], 2, 3, padding=1))
        for head in (self.embedding[1], self.decoder[-1]):
            start_at_zero(head)

    def motion(self, request: Request) -> Motion:
        """Both flows, and their composition."""
        embed = in_pixels(self.embedding(functional.pixel_unshuffle(request.source, 2)), self.size)
        drive = in_pixels(self.decoder(self.start(self.encoder(request.driving))), self.size)
        return Motion(drive + warp_pixels(embed, drive), None, {"embed": embed, "drive": drive})

    def paint(self, request: Request, motion: Motion) -> Float[Tensor, "B 3 S S"]:
        """Sample the embedded face."""
        return warp_pixels(warp_pixels(request.source, motion.parts["embed"]), motion.parts["drive"]).clamp(-1, 1)
