"""FOMM: keypoints with local affine maps, found in both pictures, mixed to a dense motion; occlusion; inpainting."""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from ...datasets.batch import Batch
from ...warping import warp_pixels
from ...warping.adain import start_at_zero
from .base import Depths, Motion, Request, Rival, Scalar, Widths
from .blocks import Generator, Hourglass, bumps, in_pixels, peaks, positions

VARIANCE = 0.01  # of the Gaussians, in half frames squared
SHAKE, SHIFT = 0.15, 0.1  # strength of the random affine map in the equivariance loss
OPEN = 2.0  # added to the occlusion map's logit, so that at first nearly all is visible
LEAST = 0.05  # smaller determinants of a Jacobian are replaced by this one

Keypoints = tuple[Float[Tensor, "B K 2"], Float[Tensor, "B K 2 2"]]


class FOMM(Rival):
    """Keypoint detector, dense motion network and generator.

    The detector runs at the image's full size, since a face is small at these presets. Absolute motion: a pair has no
    first driving frame to be relative to, so in cross-ID the driver's own proportions come along.

    Paper: Siarohin, Lathuiliere, Tulyakov, Ricci and Sebe, "First Order Motion Model for Image Animation", NeurIPS
    2019.
    """

    paper = "Siarohin et al., NeurIPS 2019"
    driven_by = "picture"
    channels: ClassVar[int] = 3  # of the detector's input
    widths: ClassVar = {
        "micro": Widths("micro", motion=(16, 32, 44), paint=(20, 40, 40)),
        "tiny": Widths("tiny", motion=(44, 92, 140), paint=(44, 88, 88, 88, 88)),
    }

    def __init__(self, widths: Widths) -> None:
        super().__init__(widths)
        count, first = widths.points, widths.motion[0]
        self.detector = Hourglass(self.channels, widths.motion)
        self.maps = nn.Conv2d(first, count, 3, padding=1)
        self.jacobians = nn.Conv2d(first, 4, 3, padding=1)
        self.dense = Hourglass(4 * (count + 1), widths.motion)
        self.masks, self.occlusion = (nn.Conv2d(first, n, 3, padding=1) for n in (count + 1, 1))
        self.generator = Generator(widths.paint)
        start_at_zero(self.jacobians)

    def keypoints(self, picture: Float[Tensor, "B C S S"]) -> Keypoints:
        """Places (x, y) and Jacobians (row by row) of a picture's keypoints."""
        features = self.detector(picture)
        maps, points = peaks(self.maps(features))
        affine = maps.flatten(2) @ self.jacobians(features).flatten(2).mT
        return points, affine.unflatten(2, (2, 2)) + torch.eye(2).to(affine)

    def observe(self, request: Request) -> tuple[Keypoints, Keypoints, dict[str, Tensor]]:
        """Keypoints of source and driving picture, and further parts of the motion."""
        return self.keypoints(request.source), self.keypoints(request.driving), {}

    def motion(self, request: Request) -> Motion:
        """The dense motion at half the size: every keypoint's affine map and standing still, mixed by masks."""
        (source, source_jacobians), (driving, driving_jacobians), parts = self.observe(request)
        side = self.size // 2
        grid = positions(side, side).to(source)
        maps = (source_jacobians @ inverse(driving_jacobians))[:, :, None, None]  # (B, K, 1, 1, 2, 2)
        moved = (maps @ (grid - driving[:, :, None, None])[..., None])[..., 0] + source[:, :, None, None]
        flows = torch.cat([torch.zeros_like(moved[:, :1]), moved - grid], 1).movedim(-1, 2)  # (B, K + 1, 2, h, h)
        small = functional.avg_pool2d(request.source, 2)
        count = flows.shape[1]
        copies = small.repeat_interleave(count, 0)  # the order of flows.flatten(0, 1)
        warped = warp_pixels(copies, flows.flatten(0, 1) * (side / 2)).unflatten(0, (-1, count))
        heat = bumps(driving, (side, side), VARIANCE) - bumps(source, (side, side), VARIANCE)
        heat = torch.cat([torch.zeros_like(heat[:, :1]), heat], 1)[:, :, None]
        features = self.dense(torch.cat([heat, warped], 2).flatten(1, 2))
        flow = (self.masks(features).softmax(1)[:, :, None] * flows).sum(1)
        occlusion = (self.occlusion(features) + OPEN).sigmoid()
        parts |= {"occlusion": occlusion, "points": driving, "jacobians": driving_jacobians}
        return Motion(in_pixels(flow, self.size), None, parts)

    def paint(self, request: Request, motion: Motion) -> Float[Tensor, "B 3 S S"]:
        """Warp the source's features, dim what is hidden, decode."""
        assert motion.flow is not None
        features = self.generator.warped(request.source, motion.flow, motion.parts["occlusion"])
        return self.decoded(features, request, motion)

    def decoded(self, features: Float[Tensor, "B C h h"], request: Request, motion: Motion) -> Float[Tensor, "B 3 S S"]:
        """The frame from warped features."""
        visible = functional.interpolate(motion.parts["occlusion"], scale_factor=2.0, mode="bilinear")
        return self.coloured(self.generator(features), request, motion, visible)

    def own_losses(self, request: Request, motion: Motion, batch: Batch, depths: Depths | None) -> dict[str, Scalar]:
        """Equivariance: keypoints follow a picture bent by an affine map; the paper bends it by thin-plate splines."""
        picture = self.bendable(request, motion)
        matrix = torch.eye(2) + SHAKE * torch.randn(len(picture), 2, 2)
        shift = SHIFT * torch.randn(len(picture), 1, 2)
        grid = positions(self.size, self.size).flatten(0, 1)
        bend = (grid @ matrix.mT + shift - grid).mT.unflatten(2, (self.size, self.size))
        points, jacobians = self.keypoints(warp_pixels(picture, bend.to(picture) * (self.size / 2)))
        place = (points @ matrix.mT + shift - motion.parts["points"]).abs().mean()
        product = inverse(motion.parts["jacobians"]) @ matrix[:, None] @ jacobians
        return {"place": place, "jacobian": 0.5 * (product - torch.eye(2)).abs().mean()}

    def bendable(self, request: Request, motion: Motion) -> Float[Tensor, "B C S S"]:
        """The detector's input for the driving picture."""
        return request.driving


def inverse(matrices: Float[Tensor, "... 2 2"]) -> Float[Tensor, "... 2 2"]:
    """Inverses, with the determinant kept away from zero."""
    (a, b), (c, d) = (row.unbind(-1) for row in matrices.unbind(-2))
    determinant = a * d - b * c
    determinant = torch.where(determinant.abs() < LEAST, LEAST, determinant)
    return torch.stack([torch.stack([d, -b], -1), torch.stack([-c, a], -1)], -2) / determinant[..., None, None]
