"""PIRenderer: a 2D flow modulated by a window of 3DMM coefficients, a coarse warp, and a network that edits it."""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from ...warping import MappingNetwork, MotionCode, warp_pixels
from ...warping.adain import start_at_zero
from .base import Motion, Request, Rival, Widths
from .blocks import in_pixels, unet


class PIRenderer(Rival):
    """Mapping network, warping network with AdaIN everywhere, editing network with AdaIN on its way up.

    The flow is 2D and at half the image's size. The source's coefficients are our addition, which our own renderer has
    too; the paper's warping network reads the target's alone.

    Paper: Ren, Li, Chen, Li and Liu, "PIRenderer: Controllable Portrait Image Generation via Semantic Neural
    Rendering", ICCV 2021.
    """

    paper = "Ren et al., ICCV 2021"
    driven_by = "coefficients"
    style = 60.0
    widths: ClassVar = {
        "micro": Widths("micro", motion=(20, 32, 32), paint=(12, 24, 32)),
        "tiny": Widths("tiny", motion=(48, 88, 112), paint=(24, 52, 76, 100)),
    }

    def __init__(self, widths: Widths) -> None:
        super().__init__(widths)
        self.mapping, self.code = MappingNetwork(widths.z), MotionCode(widths.z)
        self.warping = unet(12, 2, widths.motion, widths, "both")
        self.editing = unet(6, 3, widths.paint, widths, "decoder")
        for network in (self.warping, self.editing):
            start_at_zero(network.head)

    def motion(self, request: Request) -> Motion:
        """The flow, and the source warped by it."""
        z = self.mapping(request.driving_window)
        flow = self.warping(
            functional.pixel_unshuffle(request.source, 2), self.code(z, self.mapping(request.source_window))
        )
        flow = in_pixels(flow, self.size)
        return Motion(flow, warp_pixels(request.source, flow), {"z": z})

    def paint(self, request: Request, motion: Motion) -> Float[Tensor, "B 3 S S"]:
        """Edit the warped picture, the source beside it."""
        assert motion.warped is not None
        raw = self.editing(torch.cat([request.source, motion.warped], 1), motion.parts["z"])
        return self.coloured(raw, request, motion)
