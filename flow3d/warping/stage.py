"""The 3D warping stage joined: encode the source once, then for every motion flow, warp and decode (section 3.2)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from flow3d_kernels import warp3d

from ..config import RendererConfig
from .decoder import FeatureDecoder
from .encoder import FeatureEncoder
from .extensions import DepthCollapse, MotionCode, PoseFlow, ResidualFlow, flow_to_image, warp_pixels
from .flow_network import FlowNetwork

RESIDUAL_WIDTH = 32  # channels of the residual flow's convolutions


@dataclass(frozen=True, eq=False)
class Source:
    """What of a source does not depend on the motion: its foreground, its lifted stem, its feature volume f."""

    foreground: Float[Tensor, "B 3 S S"]
    lifted: Float[Tensor, "B C d H W"]
    volume: Float[Tensor, "B F D H W"]

    def expand(self, batch: int) -> Source:
        """The same source for ``batch`` motions, without a copy."""
        return Source(*(t.expand(batch, *t.shape[1:]) for t in (self.foreground, self.lifted, self.volume)))


@dataclass(frozen=True, eq=False)
class Warped:
    """One warp. ``pixel_flow`` and ``pixels`` (the source's own pixels, warped) are None in a strict model.

    ``flow`` (B,3,D,H,W) voxels; ``volume`` f_w; ``image`` w, decoded, in [-1, 1]; ``pixel_flow`` (B,2,S,S) pixels, and
    ``coarse`` the same without the residual flow, None where there is no residual.
    """

    flow: Float[Tensor, "B 3 D H W"]
    volume: Float[Tensor, "B F D H W"]
    image: Float[Tensor, "B 3 S S"]
    pixel_flow: Float[Tensor, "B 2 S S"] | None = None
    pixels: Float[Tensor, "B 3 S S"] | None = None
    coarse: Float[Tensor, "B 2 S S"] | None = None


class WarpingStage(nn.Module):
    """Flow network W, feature encoder E and feature decoder D, with the extensions that the configuration names."""

    def __init__(self, config: RendererConfig) -> None:
        super().__init__()
        self.config = config
        self.flow_network, self.encoder, self.decoder = (
            FlowNetwork(config),
            FeatureEncoder(config),
            FeatureDecoder(config),
        )
        channels = self.flow_network.volume[0]
        self.pose = PoseFlow(config) if config.pose_flow else None
        self.code = MotionCode(config.code) if config.source_coefficients else None
        self.collapse = DepthCollapse(channels) if config.rgb_warp else None
        finer = config.rgb_warp and config.residual_flow
        self.residual = ResidualFlow(RESIDUAL_WIDTH, config.code, config.adain_hidden) if finer else None

    def encode(self, foreground: Float[Tensor, "B 3 S S"]) -> Source:
        """Do once per source what no motion changes."""
        return Source(foreground, self.flow_network.lift(foreground), self.encoder(foreground))

    def estimate(
        self,
        foreground: Float[Tensor, "B 3 S S"],
        lifted: Float[Tensor, "B C d H W"],
        target: Float[Tensor, "B Z"],
        start: Float[Tensor, "B Z"] | None = None,
    ) -> tuple[Float[Tensor, "B 3 D H W"], Float[Tensor, "B 2 S S"] | None]:
        """The flow alone, in voxels, and in pixels where the model collapses it; ``lifted`` as in :class:`Source`.

        Raises:
            ValueError: a model with ``source_coefficients`` was not given ``start``.
        """
        flow, pixel_flow, z = self.coarse(lifted, target, start)
        return self.finer(foreground, flow, pixel_flow, z)

    def coarse(
        self, lifted: Float[Tensor, "B C d H W"], target: Float[Tensor, "B Z"], start: Float[Tensor, "B Z"] | None
    ) -> tuple[Float[Tensor, "B 3 D H W"], Float[Tensor, "B 2 S S"] | None, Float[Tensor, "B Z"]]:
        """The flow network's own flow, as :meth:`estimate` gives it, and the code that made it; no residual yet."""
        z = target
        if self.code is not None:
            if start is None:
                raise ValueError("start: this model knows the source's motion (source_coefficients), got none")
            z = self.code(target, start)
        rigid = None if self.pose is None or start is None else self.pose(start, target)
        if rigid is not None:  # then what the network reads lies where it writes
            lifted = warp3d(lifted, rigid)
        features = self.flow_network.features(lifted, z)
        flow = self.flow_network.flow(features)
        flow = flow if rigid is None else flow + rigid
        pixel_flow = None if self.collapse is None else flow_to_image(flow, self.collapse(features), self.config.size)
        # a 2D network's one slice moves all slices alike
        return flow.expand(-1, -1, self.config.volume[0], -1, -1), pixel_flow, z

    def finer(
        self,
        foreground: Float[Tensor, "B 3 S S"],
        flow: Float[Tensor, "B 3 D H W"],
        pixel_flow: Float[Tensor, "B 2 S S"] | None,
        z: Float[Tensor, "B Z"],
    ) -> tuple[Float[Tensor, "B 3 D H W"], Float[Tensor, "B 2 S S"] | None]:
        """Add the residual flow to what :meth:`coarse` gave, where the model has one."""
        if self.residual is None or pixel_flow is None:
            return flow, pixel_flow
        fine = self.residual(foreground, pixel_flow, z)
        return flow + self._on_volume(fine), pixel_flow + fine

    def forward(
        self, source: Source, target: Float[Tensor, "B Z"], start: Float[Tensor, "B Z"] | None = None
    ) -> Warped:
        """Warp ``source`` to the motion ``target``; ``start`` is the source's own motion (extended models only).

        Raises:
            ValueError: a model with ``source_coefficients`` was not given ``start``.
        """
        flow, coarse, z = self.coarse(source.lifted, target, start)
        flow, pixel_flow = self.finer(source.foreground, flow, coarse, z)
        pixels = None if pixel_flow is None else warp_pixels(source.foreground, pixel_flow)
        volume = warp3d(source.volume, flow)
        return Warped(flow, volume, self.decoder(volume), pixel_flow, pixels, None if self.residual is None else coarse)

    def _on_volume(self, fine: Float[Tensor, "B 2 S S"]) -> Float[Tensor, "B 3 1 H W"]:
        """A pixel flow averaged onto the voxels, in voxels, the same for every slice."""
        stride = self.config.size // self.config.volume[1]
        coarse = nn.functional.avg_pool2d(fine, stride) / stride
        return torch.cat([coarse, torch.zeros_like(coarse[:, :1])], 1).unsqueeze(2)
