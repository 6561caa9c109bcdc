"""The 3D warping network W: foreground (B,3,S,S), motion (B,Z) -> dense 3D flow (B,3,D,H,W) in voxels; Fig. 9a."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..config import RendererConfig
from .adain import SLOPE, AdaINConv3d, start_at_zero
from .layers import Conv3d, InstanceNorm2d


def stem(inputs: int, channels: int, downs: int, outputs: int) -> nn.Sequential:
    """2D stem: convolution, ``downs`` halvings that double the channels, and a 1 x 1 to ``outputs`` channels."""
    layers: list[nn.Module] = [nn.Conv2d(inputs, channels, 3, padding=1)]
    for _ in range(downs):
        layers += [InstanceNorm2d(channels, affine=True), nn.LeakyReLU(SLOPE)]
        layers += [nn.Conv2d(channels, 2 * channels, 4, 2, 1)]
        channels *= 2
    layers += [InstanceNorm2d(channels, affine=True), nn.LeakyReLU(SLOPE), nn.Conv2d(channels, outputs, 1)]
    return nn.Sequential(*layers)


class _Stage(nn.Module):
    """A convolution that changes the size, and one that mixes."""

    def __init__(self, resize: AdaINConv3d, mix: AdaINConv3d) -> None:
        super().__init__()
        self.resize, self.mix = resize, mix

    def forward(self, x: Tensor, z: Tensor, skip: Tensor | None = None) -> Tensor:
        """Resize, join the skip where there is one, mix."""
        x = self.resize(x, z)
        return self.mix(x if skip is None else torch.cat([x, skip], 1), z)


class FlowNetwork(nn.Module):
    """An auto-encoder of 3D convolutions with skips, AdaIN after each, whose head starts at zero: the identity warp.

    Stages halve depth, height and width; a single slice stays one. ``flow_dimensions=2`` is the ablation of Tab. 2a:
    the same layers on one slice, depth folded into channels, and a flow without dz.
    """

    def __init__(self, config: RendererConfig, motion: int | None = None) -> None:
        super().__init__()
        channels, depth = config.flow_volume
        if config.flow_dimensions == 2:
            channels, depth = channels * depth, 1
        self.volume = (channels, depth)
        z, hidden = motion or config.z_length, config.adain_hidden
        self.stem = stem(3, config.flow_stem, config.flow_downs, channels * depth)
        deep = config.adain_style == "depth"

        def block(inputs: int, outputs: int, given: int, made: int, **resize: tuple[bool, bool]) -> AdaINConv3d:
            return AdaINConv3d(inputs, outputs, z, hidden, slices=given, styles=made if deep else None, **resize)

        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        before = channels
        for stage in config.flow_stages:
            change = (depth > 1, True)
            below = depth // 2 if depth > 1 else 1
            lowered = block(before, stage, depth, below, halve=change)
            self.down.append(_Stage(lowered, block(stage, stage, below, below)))
            # the way back: enlarge, then join what this stage started from
            raised = block(stage, before, below, depth, double=change)
            self.up.insert(0, _Stage(raised, block(2 * before, before, depth, depth)))
            before, depth = stage, below
        self.head = Conv3d(channels, config.flow_dimensions, 3, padding=1)
        start_at_zero(self.head)

    def lift(self, foreground: Float[Tensor, "B 3 S S"]) -> Float[Tensor, "B C D H W"]:
        """Stem and reshape into depth: the part of the work that every driving frame shares."""
        return self.stem(foreground).unflatten(1, self.volume)

    def features(self, lifted: Float[Tensor, "B C D H W"], z: Float[Tensor, "B Z"]) -> Float[Tensor, "B C D H W"]:
        """The decoder's last output, which the head reads."""
        x, skips = lifted, []
        for stage in self.down:
            skips.append(x)
            x = stage(x, z)
        for stage in self.up:
            x = stage(x, z, skips.pop())
        return x

    def forward(self, lifted: Float[Tensor, "B C D H W"], z: Float[Tensor, "B Z"]) -> Float[Tensor, "B 3 D H W"]:
        """Return the backward flow (dx, dy, dz) in voxels of a foreground from :meth:`lift`, for a motion vector."""
        return self.flow(self.features(lifted, z))

    def flow(self, features: Float[Tensor, "B C D H W"]) -> Float[Tensor, "B 3 D H W"]:
        """The head: always float32. A 2D network's flow has dz = 0."""
        flow = self.head(features).float()
        if flow.shape[1] == 2:
            flow = torch.cat([flow, torch.zeros_like(flow[:, :1])], 1)
        return flow
