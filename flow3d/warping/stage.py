"""Stage 2: source (B,3,S,S) and motion (B,Z) -> 3D flow (B,3,D,H,W), warped picture (B,3,S,S); section 3.2."""

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
class Encoded:
    """The parts of a source that do not depend on the motion: foreground, lifted stem, feature volume f."""

    foreground: Float[Tensor, "B 3 S S"]
    lifted: Float[Tensor, "B C d H W"]
    volume: Float[Tensor, "B F D H W"]

    def expand(self, batch: int) -> Encoded:
        """The same source for ``batch`` motions, without a copy."""
        return Encoded(*(t.expand(batch, *t.shape[1:]) for t in (self.foreground, self.lifted, self.volume)))


@dataclass(frozen=True, eq=False)
class Flow:
    """The flow of a motion, backward from the frame to the source.

    Attributes:
        flow: in voxels of the feature volume.
        pixel_flow: the same seen from the front, in pixels: weighted over depth where the model learns the weights
            (``rgb_warp``), else the mean over depth.
        coarse: ``pixel_flow`` without the residual flow; None where the model does not learn the weights.
        shares: the weights over depth, 1 for a 2D network's one slice; None where the model does not learn them.
    """

    flow: Float[Tensor, "B 3 D H W"]
    pixel_flow: Float[Tensor, "B 2 S S"]
    coarse: Float[Tensor, "B 2 S S"] | None = None
    shares: Float[Tensor, "B 1 d H W"] | None = None


@dataclass(frozen=True, eq=False)
class Warped:
    """One warp of a source.

    Attributes:
        flow, pixel_flow: as in :class:`Flow`.
        volume: the warped feature volume f_w.
        image: the warped picture w, decoded from it, in [-1, 1].
        pixels: the source's own pixels, warped by ``pixel_flow``; None in a model without ``rgb_warp``.
        coarse: ``pixel_flow`` without the residual flow; None in a model without one.
        shares: as in :class:`Flow`.
    """

    flow: Float[Tensor, "B 3 D H W"]
    pixel_flow: Float[Tensor, "B 2 S S"]
    volume: Float[Tensor, "B F D H W"]
    image: Float[Tensor, "B 3 S S"]
    pixels: Float[Tensor, "B 3 S S"] | None = None
    coarse: Float[Tensor, "B 2 S S"] | None = None
    shares: Float[Tensor, "B 1 d H W"] | None = None


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
        self.code = MotionCode(config.z_length) if config.source_coefficients else None
        self.collapse = DepthCollapse(channels) if config.rgb_warp else None
        finer = config.rgb_warp and config.residual_flow
        self.residual = ResidualFlow(RESIDUAL_WIDTH, config.z_length, config.adain_hidden) if finer else None

    def encode(self, foreground: Float[Tensor, "B 3 S S"]) -> Encoded:
        """Compute, once per source, all that does not depend on the motion."""
        volume = self.encoder(foreground)
        if not torch.is_grad_enabled():  # every frame warps it, and a warp reads whole rows of channels
            volume = volume.contiguous(memory_format=torch.channels_last_3d)
        return Encoded(foreground, self.flow_network.lift(foreground), volume)

    def estimate(
        self,
        foreground: Float[Tensor, "B 3 S S"],
        lifted: Float[Tensor, "B C d H W"],
        target: Float[Tensor, "B Z"],
        start: Float[Tensor, "B Z"] | None = None,
    ) -> Flow:
        """The flow alone; ``lifted`` as in :class:`Encoded`, ``start`` the source's own motion.

        Raises:
            ValueError: a model with ``source_coefficients`` was not given ``start``.
        """
        flow, shares, z = self._coarse(lifted, target, start)
        coarse = flow_to_image(flow, shares, self.config.size)  # without learned weights, the mean of the slices
        flow = flow.expand(-1, -1, self.config.volume[0], -1, -1)  # a 2D network's one slice moves all slices alike
        if shares is None or self.residual is None:
            return Flow(flow, coarse, None if shares is None else coarse, shares)
        fine = self.residual(foreground, coarse, z)
        return Flow(flow + self._on_volume(fine, shares), coarse + fine, coarse, shares)

    def _coarse(
        self, lifted: Float[Tensor, "B C d H W"], target: Float[Tensor, "B Z"], start: Float[Tensor, "B Z"] | None
    ) -> tuple[Float[Tensor, "B 3 d H W"], Float[Tensor, "B 1 d H W"] | None, Float[Tensor, "B Z"]]:
        """The flow network's own flow in voxels, the weights over depth where they are learned, and the vector used."""
        z = target
        if self.code is not None:
            if start is None:
                raise ValueError("start: expected the source's motion vector, which source_coefficients need, got None")
            z = self.code(target, start)
        rigid = None if self.pose is None or start is None else self.pose(start, target)
        if rigid is not None:  # warp first, so that the network's input is aligned with its output
            lifted = warp3d(lifted, rigid)
        features = self.flow_network.features(lifted, z)
        flow = self.flow_network.flow(features)
        flow = flow if rigid is None else flow + rigid
        return flow, None if self.collapse is None else self.collapse(features), z

    def forward(
        self, source: Encoded, target: Float[Tensor, "B Z"], start: Float[Tensor, "B Z"] | None = None
    ) -> Warped:
        """Warp ``source`` to the motion ``target``; ``start`` is the source's own motion (extended models only).

        Raises:
            ValueError: a model with ``source_coefficients`` was not given ``start``.
        """
        motion = self.estimate(source.foreground, source.lifted, target, start)
        pixels = None if self.collapse is None else warp_pixels(source.foreground, motion.pixel_flow)
        volume = warp3d(source.volume, motion.flow)
        coarse = None if self.residual is None else motion.coarse
        return Warped(motion.flow, motion.pixel_flow, volume, self.decoder(volume), pixels, coarse, motion.shares)

    def _on_volume(
        self, fine: Float[Tensor, "B 2 S S"], shares: Float[Tensor, "B 1 d H W"]
    ) -> Float[Tensor, "B 3 _ H W"]:
        """A pixel flow averaged onto the voxels, in voxels: on every slice, or on the slices that are seen."""
        stride = self.config.size // self.config.volume[1]
        coarse = nn.functional.avg_pool2d(fine, stride) / stride
        flat = torch.cat([coarse, torch.zeros_like(coarse[:, :1])], 1).unsqueeze(2)
        if not self.config.residual_where_seen:
            return flat
        # seen from the front, the weighted sum over depth, it is ``fine`` again
        return flat * (shares / shares.square().sum(2, keepdim=True))
