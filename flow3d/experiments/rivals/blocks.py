"""Layers that several rivals share. Positions are in half frames: -1 and 1 are the frame's edges at any resolution."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from ...config import preset
from ...synthesis import TransUNet
from ...warping import flow_to_image, warp_pixels
from ...warping.adain import SLOPE, start_at_zero
from ...warping.decoder import ResidualBlock
from .base import Widths

TEMPERATURE = 0.1  # of the softmax over a keypoint's map, as in FOMM


class Hourglass(nn.Module):
    """Convolutions down, nearest-neighbour doublings and skips up, in two or three dimensions; depth is never halved.

    Args:
        inputs: channels of the input.
        widths: channels of the levels; the output has the first level's.
        dimensions: 2 or 3.
    """

    def __init__(self, inputs: int, widths: tuple[int, ...], dimensions: int = 2) -> None:
        super().__init__()
        self.scale = (2, 2) if dimensions == 2 else (1, 2, 2)
        convolution, norm = (
            (nn.Conv2d, nn.InstanceNorm2d) if dimensions == 2 else (nn.Conv3d, nn.InstanceNorm3d)
        )  # fmt: skip

        def block(before: int, after: int) -> nn.Sequential:
            return nn.Sequential(
                convolution(before, after, 3, padding=1, bias=False), norm(after, affine=True), nn.LeakyReLU(SLOPE)
            )

        self.down = nn.ModuleList(block(a, b) for a, b in zip((inputs, *widths[:-1]), widths, strict=True))
        self.up = nn.ModuleList(
            block(widths[k] + widths[k - 1], widths[k - 1]) for k in range(len(widths) - 1, 0, -1)
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """Features at the input's resolution."""
        skips: list[Tensor] = []
        pool = functional.max_pool2d if x.ndim == 4 else functional.max_pool3d
        for number, level in enumerate(self.down):
            if number:
                skips.append(x)
                x = pool(x, self.scale)
            x = level(x)
        for level in self.up:
            x = functional.interpolate(x, scale_factor=tuple(map(float, self.scale)), mode="nearest")
            x = level(torch.cat([x, skips.pop()], 1))
        return x


class Generator(nn.Module):
    """FOMM's generator: the source's features at half the size, warped, dimmed by an occlusion map, and decoded."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        fine, coarse, *rest = widths  # ``rest``: one residual block each
        self.encoder = nn.Sequential(
            nn.Conv2d(3, fine, 5, padding=2), nn.InstanceNorm2d(fine, affine=True), nn.LeakyReLU(SLOPE),
            nn.Conv2d(fine, coarse, 4, 2, 1),
        )  # fmt: skip
        self.blocks = nn.Sequential(*(ResidualBlock(coarse) for _ in rest))
        self.decoder = nn.Sequential(
            nn.Upsample(scale_factor=2), nn.Conv2d(coarse, fine, 3, padding=1), nn.LeakyReLU(SLOPE),
            nn.Conv2d(fine, 3, 5, padding=2),
        )  # fmt: skip
        start_at_zero(self.decoder[-1])

    def warped(
        self, source: Float[Tensor, "B 3 S S"], flow: Float[Tensor, "B 2 S S"], occlusion: Float[Tensor, "B 1 h h"]
    ) -> Float[Tensor, "B C h h"]:
        """The source's features, warped by ``flow`` and dimmed by ``occlusion``."""
        return warp_pixels(self.encoder(source), functional.avg_pool2d(flow, 2) / 2) * occlusion

    def forward(self, features: Float[Tensor, "B C h h"]) -> Float[Tensor, "B 3 S S"]:
        """Decode to raw colours."""
        return self.decoder(self.blocks(features))


def unet(inputs: int, outputs: int, levels: tuple[int, ...], widths: Widths, where: str) -> TransUNet:
    """A UNet modulated by the motion vector, in its "decoder" or in "both" halves."""
    config = preset(widths.preset).replace(unet=levels, adain_in=where)
    return TransUNet(inputs, outputs, config)


def positions(*sides: int) -> Float[Tensor, "... N"]:
    """The place of every cell, in half frames; ``sides`` are (D,) H, W, and the last axis is x, y(, z)."""
    lines = [(2 * torch.arange(n) + 1 - n) / n for n in sides]
    return torch.stack(torch.meshgrid(*lines, indexing="ij")[::-1], -1)


def peaks(logits: Float[Tensor, "B K *space"]) -> tuple[Float[Tensor, "B K *space"], Float[Tensor, "B K N"]]:
    """Keypoints' maps, each summing to one, and the mean place of each."""
    maps = (logits.flatten(2) / TEMPERATURE).softmax(2).view_as(logits)
    places = positions(*logits.shape[2:]).to(logits).flatten(0, -2)
    return maps, maps.flatten(2) @ places


def bumps(points: Float[Tensor, "B K N"], sides: tuple[int, ...], variance: float) -> Float[Tensor, "B K *space"]:
    """A Gaussian about every keypoint."""
    grid = positions(*sides).to(points)
    offsets = grid - points.view(*points.shape[:2], *[1] * len(sides), points.shape[-1])
    return (-0.5 * offsets.square().sum(-1) / variance).exp()


def in_pixels(flow: Float[Tensor, "B 2 h h"], size: int) -> Float[Tensor, "B 2 S S"]:
    """A flow in half frames, enlarged to an image's and in its pixels."""
    cells = flow * (flow.shape[-1] / 2)
    return flow_to_image(torch.cat([cells, torch.zeros_like(cells[:, :1])], 1).unsqueeze(2), None, size)
