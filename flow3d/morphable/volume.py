"""A frame lifted into a volume by its depth, the rigid 3D flow of a turning head, and the way back to a picture."""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from .camera import Camera
from .frame import Frame
from .model import PIVOT, rotation_matrix

THICKNESS = 0.25  # head half-heights: what a picture shows is taken to be a shell this thick


@dataclass(frozen=True)
class VolumeGrid:
    """A volume of ``slices`` x ``size`` x ``size`` voxels behind the pixels of a camera.

    Slice 0 is nearest, at depth ``near``; the last is at ``far`` (head half-heights behind the head's centre plane).
    """

    size: int = 64
    slices: int = 32
    near: float = -1.15
    far: float = 0.55
    camera: Camera = field(default_factory=Camera)

    def depths(self, count: int | None = None) -> Float[Tensor, " D"]:
        """Depths of the slices, or of ``count`` slices that span the same room."""
        return torch.linspace(self.near, self.far, count or self.slices)

    def lift(self, frame: Frame) -> Float[Tensor, "4 D H W"]:
        """Return premultiplied colour in [0, 1] and opacity: each pixel of the foreground at its depth."""
        if frame.size != self.size:
            raise ValueError(f"frame: expected {self.size} px like the grid, got {frame.size} px")
        step = (self.far - self.near) / (self.slices - 1)
        behind = (self.depths()[:, None, None] - frame.depth) / step  # (D, H, W) slices behind the surface
        behind = torch.where(torch.isfinite(frame.depth), behind, -10.0)
        opacity = (behind + 0.5).clamp(0, 1) * (THICKNESS / step - behind + 0.5).clamp(0, 1)
        return torch.cat([(frame.foreground[:, None] + 1) / 2 * opacity, opacity[None]])

    def rigid_flow(
        self, source: Float[Tensor, " 3"], target: Float[Tensor, " 3"], shape: tuple[int, int] | None = None
    ) -> Float[Tensor, "3 D H W"]:
        """Backward flow, in voxels, of a head that turns from the angles ``source`` to ``target`` (pitch, yaw, roll).

        Nothing about the face enters: the flow of a rigid motion is the same for whatever fills the volume.

        Args:
            source, target: rotations of the two frames, radians.
            shape: (slices, size) of a coarser grid on which the flow is computed before it is enlarged; None is full.
        """
        slices, size = shape or (self.slices, self.size)
        stride, middle = self.size / size, (self.size - 1) / 2
        along = (torch.arange(size) + 0.5) * stride - 0.5  # voxel i of stride s sits at pixel s*i + (s-1)/2
        z, v, u = torch.meshgrid(self.depths(slices), along, along, indexing="ij")
        scale = self.size * self.camera.distance / self.camera.height
        away = z + self.camera.distance
        point = torch.stack([(u - middle) / scale * away, (v - middle) / scale * away + self.camera.centre_y, z], -1)
        pivot = point.new_tensor(PIVOT)
        back = rotation_matrix(source) @ rotation_matrix(target).T  # from target to source, about the spine's top
        point = (point - pivot) @ back.T + pivot
        away = point[..., 2] + self.camera.distance
        across = point[..., 0] / away * scale + middle - u
        down = (point[..., 1] - self.camera.centre_y) / away * scale + middle - v
        deep = (point[..., 2] - z) * (self.slices - 1) / (self.far - self.near)
        flow = torch.stack([across, down, deep])
        if shape is None:
            return flow
        # slices span the same depths end to end; pixels are cells, so the two enlargements differ
        tall = functional.interpolate(
            flow.permute(2, 3, 0, 1).flatten(0, 1), self.slices, mode="linear", align_corners=True
        )
        tall = tall.view(size, size, 3 * self.slices).permute(2, 0, 1)
        wide = functional.interpolate(tall[None], (self.size, self.size), mode="bilinear", align_corners=False)
        return wide.view(3, self.slices, self.size, self.size)


def composite(volume: Float[Tensor, "4 D H W"]) -> tuple[Float[Tensor, "3 H W"], Float[Tensor, "1 H W"]]:
    """Look through a volume of premultiplied colour and opacity from the front, slice over slice.

    Returns:
        The picture in [-1, 1], -1 where nothing is seen, and its alpha.
    """
    colour, opacity = volume[:3], volume[3:].clamp(0, 1)
    clear = torch.cumprod(torch.cat([torch.ones_like(opacity[:, :1]), 1 - opacity[:, :-1]], 1), 1)  # what gets through
    alpha = (opacity * clear).sum(1)
    picture = (colour * clear).sum(1) / alpha.clamp_min(0.05)
    return torch.where(alpha > 0.05, picture * 2 - 1, -1.0).clamp(-1, 1), alpha
