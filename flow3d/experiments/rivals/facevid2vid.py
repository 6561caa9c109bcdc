"""face-vid2vid: canonical 3D keypoints, turned by the pose, bent by expression; a 3D volume warped by them."""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from flow3d_kernels import warp3d

from ...config import preset
from ...datasets.batch import Batch
from ...morphable import Camera
from ...morphable.coefficients import CROP, ROTATION, TRANSLATION
from ...morphable.model import PIVOT, rotation_matrix
from ...sizes import CROP_FRAME, RADIUS
from ...warping import FeatureDecoder, FeatureEncoder, MappingNetwork, flow_to_image
from ...warping.adain import start_at_zero
from .base import Depths, Motion, Request, Rival, Scalar, Widths
from .blocks import Hourglass, bumps, peaks, positions

VARIANCE = 0.05  # of the Gaussians, in half frames squared: slices lie far apart
OPEN = 2.0  # added to the occlusion map's logit, so that at first nearly all is visible
THIN = 2  # channels of the thinned volume that every sparse motion warps, so that masks can choose
APART = 0.2  # half frames: keypoints nearer than this are pushed apart
SPREAD, SMALL = 1.0, 0.1  # weights: of that push, and of expressions kept small


class FaceVid2Vid(Rival):
    """Keypoint detector, expression, dense motion network, and the 3D encoder and decoder of our own first stage.

    The exact pose comes from the coefficients and turns about the neck as in the morphable model; the paper estimates
    it from the picture. Weights over depth are our addition: they give the 2D flow that is trained and measured.

    Paper: Wang, Mallya and Liu, "One-Shot Free-View Neural Talking-Head Synthesis for Video Conferencing", CVPR 2021.
    """

    paper = "Wang et al., CVPR 2021"
    driven_by = "coefficients"
    widths: ClassVar = {
        "micro": Widths("micro", motion=(16, 24, 32), paint=(24,)),
        "tiny": Widths("tiny", motion=(32, 64, 92), paint=(80,)),
    }

    def __init__(self, widths: Widths) -> None:
        super().__init__(widths)
        config = preset(widths.preset).replace(decoder_width=widths.paint[0])
        self.count, (self.depth, self.side, _) = widths.points, config.volume
        first = widths.motion[0]
        self.encoder = FeatureEncoder(config)
        *layers, head, _ = FeatureDecoder(config).layers.children()  # without tanh: raw colours are wanted
        self.decoder = nn.Sequential(nn.Flatten(1, 2), *layers, head)
        start_at_zero(head)
        self.detector = nn.Sequential(
            Hourglass(12, widths.motion), nn.Conv2d(first, self.count * self.depth, 3, padding=1)
        )  # fmt: skip
        self.mapping = MappingNetwork(widths.z)
        self.expression = nn.Linear(widths.z, 3 * self.count)
        self.thin = nn.Conv3d(config.encoder_channels, THIN, 1)
        self.dense = Hourglass((THIN + 1) * (self.count + 1), widths.motion, 3)
        self.masks = nn.Conv3d(first, self.count + 2, 3, padding=1)  # the last is the weight over depth
        self.occlusion = nn.Conv2d(first * self.depth, 1, 3, padding=1)
        start_at_zero(self.expression)

    def posed(
        self, canonical: Float[Tensor, "B K 3"], window: Float[Tensor, "B 73 27"]
    ) -> tuple[Float[Tensor, "B K 3"], Float[Tensor, "B 3 3"], Float[Tensor, "B K 3"]]:
        """A frame's keypoints in half frames, their rotation (scale included), and the expression's part."""
        row, unit = window[:, :, RADIUS], 2 * Camera().pixels_per_unit(1)
        turn = rotation_matrix(row[:, ROTATION])
        scale, shift = row[:, CROP][:, :1], row[:, CROP][:, 1:] * (2 / CROP_FRAME)
        pivot = canonical.new_tensor(PIVOT) * unit
        bend = self.expression(self.mapping(window)).unflatten(1, (-1, 3))
        moved = (canonical - pivot) @ turn.mT + pivot + row[:, None, TRANSLATION] * unit + bend
        moved = moved * scale[:, None] + torch.cat([shift, torch.zeros_like(scale)], 1)[:, None]
        return moved, turn * scale[:, None], bend

    def motion(self, request: Request) -> Motion:
        """The 3D flow: every keypoint's rigid motion and standing still, mixed by masks."""
        logits = self.detector(nn.functional.pixel_unshuffle(request.source, 2))
        canonical = peaks(logits.unflatten(1, (self.count, self.depth)))[1]
        (source, source_turn, _), (driving, driving_turn, bend) = (
            self.posed(canonical, window) for window in (request.source_window, request.driving_window)
        )
        sides = (self.depth, self.side, self.side)
        grid = positions(*sides).to(source)
        back = source_turn @ torch.linalg.inv(driving_turn)
        offsets = grid.flatten(0, 2) - driving[:, :, None]  # (B, K, D h h, 3)
        moved = (offsets @ back.mT[:, None] + source[:, :, None]).unflatten(2, sides) - grid
        flows = torch.cat([torch.zeros_like(moved[:, :1]), moved], 1).movedim(-1, 2)  # (B, K + 1, 3, D, h, h)
        voxels = flows * (flows.new_tensor((self.side, self.side, self.depth)) / 2).view(3, 1, 1, 1)
        volume = self.encoder(request.source)
        copies = self.thin(volume).repeat_interleave(self.count + 1, 0)
        warped = warp3d(copies, voxels.flatten(0, 1)).unflatten(0, (-1, self.count + 1))
        heat = bumps(driving, sides, VARIANCE) - bumps(source, sides, VARIANCE)
        heat = torch.cat([torch.zeros_like(heat[:, :1]), heat], 1)[:, :, None]
        features = self.dense(torch.cat([heat, warped], 2).flatten(1, 2))
        masks, weights = self.masks(features).split((self.count + 1, 1), 1)
        flow = (masks.softmax(1)[:, :, None] * voxels).sum(1)
        occlusion = (self.occlusion(features.flatten(1, 2)) + OPEN).sigmoid()
        parts = {"volume": volume, "flow": flow, "occlusion": occlusion, "points": canonical, "bend": bend}
        return Motion(flow_to_image(flow, weights.softmax(2), self.size), None, parts)

    def paint(self, request: Request, motion: Motion) -> Float[Tensor, "B 3 S S"]:
        """Warp the volume, dim what is hidden, decode."""
        warped = warp3d(motion.parts["volume"], motion.parts["flow"])
        raw = self.decoder(warped * motion.parts["occlusion"][:, :, None])
        visible = nn.functional.interpolate(motion.parts["occlusion"], size=(self.size, self.size), mode="bilinear")
        return self.coloured(raw, request, motion, visible)

    def own_losses(self, request: Request, motion: Motion, batch: Batch, depths: Depths | None) -> dict[str, Scalar]:
        """Losses that keep keypoints apart and expressions small."""
        points = motion.parts["points"]
        gaps = torch.cdist(points, points) + 10 * torch.eye(self.count)
        return {
            "spread": SPREAD * (APART - gaps).clamp_min(0).mean(),
            "small": SMALL * motion.parts["bend"].abs().mean(),
        }
