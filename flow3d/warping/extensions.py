"""Extensions of the warp: motions (B,Z) and flows -> flows in voxels and in pixels; a strict model has none of them."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from flow3d_kernels import warp3d

from ..config import RendererConfig
from ..morphable.volume import VolumeGrid, rigid_flow
from .adain import AdaINConv2d, coordinates, start_at_zero
from .layers import Conv3d, laid_out
from .mapping import pose_of

FLOW_LIMIT = 0.6  # of half the frame's side: a residual farther than this is no correction


class MotionCode(nn.Module):
    """Give the flow network the source's motion too: mix z(target) and z(target) - z(source) to one vector."""

    def __init__(self, motion: int) -> None:
        super().__init__()
        self.mix = nn.Linear(2 * motion, motion)

    def forward(self, target: Float[Tensor, "B Z"], source: Float[Tensor, "B Z"]) -> Float[Tensor, "B Z"]:
        """Return the code that modulates the flow network."""
        return self.mix(torch.cat([target, target - source], 1))


class PoseFlow(nn.Module):
    """The flow of a rigid head motion, computed from the poses at the ends of two motion vectors.

    Nothing is learned here. The flow network learns the rest: shoulders move less, the face moves more.
    """

    depths: Tensor

    def __init__(self, config: RendererConfig) -> None:
        super().__init__()
        slices, self.side, _ = config.volume
        self.register_buffer("depths", VolumeGrid(slices=slices).depths(), persistent=False)

    def forward(self, source: Float[Tensor, "B Z"], target: Float[Tensor, "B Z"]) -> Float[Tensor, "B 3 D H W"]:
        """Return the backward flow in voxels; see :func:`flow3d.morphable.volume.rigid_flow`."""
        return rigid_flow(pose_of(source), pose_of(target), self.depths, self.side)


class DepthCollapse(nn.Module):
    """A weight for every voxel of a column: how much the pixel sees of each slice."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.head = Conv3d(channels, 1, 3, padding=1)

    def forward(self, features: Float[Tensor, "B C D H W"]) -> Float[Tensor, "B 1 D H W"]:
        """Weights over depth that sum to one at every pixel, from the flow network's features."""
        return self.head(features).softmax(2)


def flow_to_image(
    flow: Float[Tensor, "B 3 D H W"], weights: Float[Tensor, "B 1 D H W"] | None, size: int
) -> Float[Tensor, "B 2 S S"]:
    """Collapse a volume's flow over depth and enlarge it to an image's: (dx, dy) in pixels of ``size``.

    It is the one bridge between voxels and pixels.

    Convention:
        Values are multiplied by the stride, ``size`` over the flow's side. Voxel i sits at pixel
        ``stride * i + (stride - 1) / 2``. dz is left out. Zero flow stays zero.

    Args:
        flow: backward, channels (dx, dy, dz), in voxels.
        weights: of the slices, which sum to one over depth; None is the plain mean.
        size: side of the image in pixels, a multiple of the flow's side.

    Raises:
        ValueError: ``size`` is no such multiple, or the flow is not square.
    """
    if size % flow.shape[-1] or flow.shape[-1] != flow.shape[-2]:
        raise ValueError(f"size: expected a multiple of the flow's side, got {size} for {tuple(flow.shape[-2:])}")
    stride = size // flow.shape[-1]
    flat = flow[:, :2].mean(2) if weights is None else (flow[:, :2] * weights).sum(2)
    if stride == 1:
        return flat
    return functional.interpolate(flat * stride, size=(size, size), mode="bilinear", align_corners=False)


def warp_pixels(image: Float[Tensor, "B C S S"], flow: Float[Tensor, "B 2 S S"]) -> Float[Tensor, "B C S S"]:
    """Sample a picture at ``p + flow(p)``: it is a volume of one slice.

    Convention:
        ``flow`` is backward, channels (dx, dy), in pixels: +x right, +y down. Outside, the edge is repeated. Zero flow
        returns the picture.
    """
    plane = torch.cat([flow, torch.zeros_like(flow[:, :1])], 1).float()
    return warp3d(image.unsqueeze(2), plane.unsqueeze(2)).squeeze(2)


class ResidualFlow(nn.Module):
    """A finer 2D flow, added to the coarse one; it sees the source warped by the coarse one, but does not train it."""

    def __init__(self, channels: int, motion: int, hidden: int) -> None:
        super().__init__()
        self.entry = AdaINConv2d(4 * 5 + 2, channels, motion, hidden)
        self.blocks = nn.ModuleList(AdaINConv2d(channels, channels, motion, hidden) for _ in range(3))
        self.head = nn.Conv2d(channels, 8, 3, padding=1)
        start_at_zero(self.head)

    def forward(
        self, source: Float[Tensor, "B 3 S S"], flow: Float[Tensor, "B 2 S S"], z: Float[Tensor, "B Z"]
    ) -> Float[Tensor, "B 2 S S"]:
        """Return the residual flow (dx, dy) in pixels."""
        half = source.shape[-1] / 2
        fixed = flow.detach()
        seen = torch.cat([warp_pixels(source, fixed), coordinates(source)], 1)  # (B, 5, S, S)
        small = functional.avg_pool2d(fixed, 2) / half
        x = self.entry(laid_out(torch.cat([functional.pixel_unshuffle(seen, 2), 4 * small], 1)), z)
        for block in self.blocks:
            x = x + block(x, z)
        fine = functional.pixel_shuffle(self.head(x), 2)  # (B, 2, S, S)
        return FLOW_LIMIT * half * torch.tanh(fine / FLOW_LIMIT)
