"""Bi-Layer: a coarse picture painted directly, plus a texture of fine detail, warped by a predicted field."""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from ...warping import AdaINConv2d, MappingNetwork, warp_pixels
from ...warping.adain import SLOPE, start_at_zero
from .base import Motion, Request, Rival, Widths
from .blocks import in_pixels

START = 4  # side in pixels of the learned picture that a branch begins with


class _Branch(nn.Module):
    """A learned 4 x 4 picture, doubled and modulated until ``size``."""

    def __init__(self, channels: tuple[int, ...], outputs: int, code: int, hidden: int, size: int) -> None:
        super().__init__()
        self.start = nn.Parameter(torch.randn(1, channels[0], START, START))
        doublings = (size // START).bit_length() - 1
        steps = [*channels, *[channels[-1]] * doublings][: doublings + 1]
        self.layers = nn.ModuleList(AdaINConv2d(a, b, code, hidden) for a, b in pairwise(steps))
        self.head = nn.Conv2d(steps[-1], outputs, 3, padding=1)

    def forward(self, code: Tensor) -> Tensor:
        """The picture of a code (B,Z)."""
        x = self.start.expand(len(code), -1, -1, -1)
        for layer in self.layers:
            x = layer(functional.interpolate(x, scale_factor=2.0, mode="nearest"), code)
        return self.head(x)


class BiLayer(Rival):
    """Embedder, texture generator and inference generator; the source reaches the picture through a vector alone.

    The field samples the texture, not the source, so there is no flow to measure or to train on the exact one. The
    paper drives with landmarks, and also finds a matte; here the driver is the window of coefficients, as for the
    others, and the whole frame is painted.

    Paper: Zakharov, Ivakhnenko, Shysheya and Lempitsky, "Fast Bi-layer Neural Synthesis of One-Shot Realistic Head
    Avatars", ECCV 2020.
    """

    paper = "Zakharov et al., ECCV 2020"
    driven_by = "coefficients"
    widths: ClassVar = {
        "micro": Widths("micro", motion=(40, 32, 20), paint=(40, 32, 20)),
        "tiny": Widths("tiny", motion=(100, 100, 76, 40), paint=(100, 100, 76, 40)),
    }

    def __init__(self, widths: Widths) -> None:
        super().__init__(widths)
        z, hidden = widths.z, 2 * widths.hidden
        code = 4 * z
        self.mapping = MappingNetwork(z)
        layers: list[nn.Module] = []
        for before, after in zip((3, *widths.motion[:0:-1]), widths.motion[::-1], strict=True):
            layers += [nn.Conv2d(before, after, 4, 2, 1), nn.InstanceNorm2d(after, affine=True), nn.LeakyReLU(SLOPE)]
        side = widths.size >> len(widths.motion)
        self.embedder = nn.Sequential(*layers, nn.Flatten())
        self.embed = nn.Linear(widths.motion[0] * side**2 + z, code)
        self.texture = _Branch(widths.paint, 3, code, hidden, self.size)
        self.inference = _Branch(widths.motion, 5, code + z, hidden, self.size // 2)
        start_at_zero(self.inference.head)

    def motion(self, request: Request) -> Motion:
        """The coarse picture and the field, at half the size; the texture, which no motion changes."""
        start, z = self.mapping(request.source_window), self.mapping(request.driving_window)
        source = self.embed(torch.cat([self.embedder(request.source), start], 1))
        coarse, field = self.inference(torch.cat([source, z], 1)).split((3, 2), 1)
        return Motion(None, None, {"coarse": coarse, "field": field, "texture": self.texture(source)})

    def paint(self, request: Request, motion: Motion) -> Float[Tensor, "B 3 S S"]:
        """Coarse picture plus warped texture."""
        size = (self.size, self.size)
        low = functional.interpolate(motion.parts["coarse"], size=size, mode="bilinear", align_corners=False)
        fine = warp_pixels(motion.parts["texture"], in_pixels(motion.parts["field"], self.size))
        return self.coloured(low + fine, request, motion)
