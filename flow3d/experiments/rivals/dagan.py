"""DaGAN: FOMM with a predicted depth map, which helps to find the keypoints and steers the generator's attention."""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from ...datasets.batch import Batch
from ...warping.adain import start_at_zero
from .base import Depths, Motion, Request, Scalar, Widths
from .blocks import Hourglass
from .fomm import FOMM, Keypoints

DEPTH_WEIGHT = 0.5


class DaGAN(FOMM):
    """FOMM whose detector sees colours and depth, and whose generator attends from depth to warped features.

    The paper learns depth from videos without labels; here it is trained on the true depth, which the drawn frames
    have. In use the depth of source and driving picture is predicted.

    Paper: Hong, Zhang, Shen and Xu, "Depth-Aware Generative Adversarial Network for Talking Head Video Generation",
    CVPR 2022.
    """

    paper = "Hong et al., CVPR 2022"
    channels = 4
    widths: ClassVar = {
        "micro": Widths("micro", motion=(14, 28, 44), paint=(20, 40, 40)),
        "tiny": Widths("tiny", motion=(44, 88, 128), paint=(44, 84, 84, 84, 84)),
    }

    def __init__(self, widths: Widths) -> None:
        super().__init__(widths)
        levels = tuple(max(4, n // 2) for n in widths.motion)
        self.depth = nn.Sequential(Hourglass(3, levels), nn.Conv2d(levels[0], 1, 3, padding=1), nn.Tanh())
        channels = widths.paint[1]
        self.question = nn.Sequential(
            nn.Conv2d(2, channels, 3, 2, 1), nn.LeakyReLU(0.1), nn.Conv2d(channels, channels, 1)
        )
        self.key, self.value = (nn.Conv2d(channels, channels, 1) for _ in range(2))
        start_at_zero(self.value)  # attention adds nothing at first

    def observe(self, request: Request) -> tuple[Keypoints, Keypoints, dict[str, Tensor]]:
        """Keypoints found in colours and depth."""
        depths = [self.depth(picture) for picture in (request.source, request.driving)]
        with_depth = [torch.cat(pair, 1) for pair in zip((request.source, request.driving), depths, strict=True)]
        source, driving = (self.keypoints(picture) for picture in with_depth)
        return source, driving, {"source depth": depths[0], "driving depth": depths[1]}

    def paint(self, request: Request, motion: Motion) -> Float[Tensor, "B 3 S S"]:
        """Cross-modal attention: each cell's query comes from depth, keys and values from the warped features."""
        assert motion.flow is not None
        features = self.generator.warped(request.source, motion.flow, motion.parts["occlusion"])
        depths = torch.cat([motion.parts["source depth"], motion.parts["driving depth"]], 1)
        question, key, value = (
            x.flatten(2).mT for x in (self.question(depths), self.key(features), self.value(features))
        )
        answer = functional.scaled_dot_product_attention(question, key, value)
        return self.decoded(features + answer.mT.view_as(features), request, motion)

    def own_losses(self, request: Request, motion: Motion, batch: Batch, depths: Depths | None) -> dict[str, Scalar]:
        """FOMM's terms, and the distance to the true depth where it is given."""
        terms = super().own_losses(request, motion, batch, depths)
        if depths is not None:
            estimates = (motion.parts["source depth"], motion.parts["driving depth"])
            error = sum((a - b).abs().mean() for a, b in zip(estimates, depths, strict=True))
            terms["depth"] = DEPTH_WEIGHT * torch.as_tensor(error)
        return terms

    def bendable(self, request: Request, motion: Motion) -> Float[Tensor, "B C S S"]:
        """Colours and predicted depth."""
        return torch.cat([request.driving, motion.parts["driving depth"].detach()], 1)
