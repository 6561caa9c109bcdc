"""A frame lifted into a volume by its depth, the rigid 3D flow of a turning head, and the way back to a picture."""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from ..sizes import CROP_FRAME
from .camera import Camera
from .frame import Frame
from .model import PIVOT, rotation_matrix

THICKNESS = 0.25  # head half-heights: a lifted picture becomes a shell this thick


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
        """Depths of the slices, or of ``count`` slices over the same range."""
        return torch.linspace(self.near, self.far, count or self.slices)

    def lift(self, frame: Frame) -> Float[Tensor, "4 D H W"]:
        """Return premultiplied colour in [0, 1] and opacity: each pixel of the foreground at its depth."""
        if frame.size != self.size:
            raise ValueError(f"frame: expected {self.size} px like the grid, got {frame.size} px")
        return self.lift_picture(frame.foreground, frame.depth)

    def lift_picture(
        self, foreground: Float[Tensor, "3 H W"], depth: Float[Tensor, "1 H W"]
    ) -> Float[Tensor, "4 D H W"]:
        """:meth:`lift` of a picture in [-1, 1] and the depth of each pixel, head half-heights, infinite for none."""
        step = (self.far - self.near) / (self.slices - 1)
        behind = (self.depths()[:, None, None] - depth) / step  # (D, H, W) slices behind the surface
        behind = torch.where(torch.isfinite(depth), behind, -10.0)
        opacity = (behind + 0.5).clamp(0, 1) * (THICKNESS / step - behind + 0.5).clamp(0, 1)
        return torch.cat([(foreground[:, None] + 1) / 2 * opacity, opacity[None]])

    def enlarge(self, flow: Float[Tensor, "3 d h w"]) -> Float[Tensor, "3 D H W"]:
        """A coarser volume's flow, in its own voxels, on this grid and in its voxels.

        Convention:
            Slices span the same depths end to end; pixels are cells. A flow of this grid's size comes back unchanged.
        """
        slices, size = flow.shape[1], flow.shape[-1]
        stride = self.size / size
        flow = flow * flow.new_tensor([stride, stride, (self.slices - 1) / (slices - 1)])[:, None, None, None]
        tall = functional.interpolate(
            flow.permute(2, 3, 0, 1).flatten(0, 1), self.slices, mode="linear", align_corners=True
        )
        tall = tall.view(size, size, 3 * self.slices).permute(2, 0, 1)
        wide = functional.interpolate(tall[None], (self.size, self.size), mode="bilinear", align_corners=False)
        return wide.view(3, self.slices, self.size, self.size)

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
        uncropped = source.new_tensor([0, 0, 0, 1, 0, 0])  # no translation, crop of scale one
        here, there = (torch.cat([angles, uncropped])[None] for angles in (source, target))
        flow = rigid_flow(here, there, self.depths(slices), size, self.camera)[0]
        return flow if shape is None else self.enlarge(flow)


def rigid_flow(
    source: Float[Tensor, "B 9"],
    target: Float[Tensor, "B 9"],
    depths: Float[Tensor, " D"],
    side: int,
    camera: Camera | None = None,
) -> Float[Tensor, "B 3 D H H"]:
    """Backward flow, in voxels, of a head that moves as a whole from one pose to another; differentiable.

    Convention:
        Channels (dx, dy, dz): +x right, +y down, +z away from the camera. A voxel of the target shows what the source
        shows at its place plus the flow. Two equal poses have zero flow.

    Args:
        source, target: rotation (pitch, yaw, roll; radians), translation (head half-heights) and crop (scale, and
            shift in pixels of 256) of the two frames, as coefficients 64 to 73 are.
        depths: of the slices, evenly spaced, head half-heights behind the head's centre plane.
        side: voxels across and down.
        camera: None is the usual one.
    """
    z = depths[None, :, None, None].expand(len(source), -1, side, side)
    flow = rigid_motion(source, target, z, camera)
    return torch.cat([flow[:, :2], flow[:, 2:] / (depths[1] - depths[0])], 1)


def rigid_motion(
    source: Float[Tensor, "B 9"],
    target: Float[Tensor, "B 9"],
    z: Float[Tensor, "B K H H"],
    camera: Camera | None = None,
) -> Float[Tensor, "B 3 K H H"]:
    """:func:`rigid_flow` of points at any depths: K points on every ray of the target.

    Convention:
        (dx, dy) are in voxels, H across a frame; dz is in head half-heights. Two equal poses have zero flow.

    Args:
        source, target: poses, as of :func:`rigid_flow`.
        z: depths of the points, head half-heights behind the head's centre plane.
        camera: None is the usual one.
    """
    camera = camera or Camera()
    side = z.shape[-1]
    plane = (torch.arange(side, device=z.device, dtype=z.dtype) + 0.5) / side - 0.5  # frames; 0: centre
    v, u = torch.meshgrid(plane, plane, indexing="ij")
    here = torch.stack([u, v], -1)  # (H, W, 2)
    zoom = camera.distance / camera.height
    (turn, shift, crop), (turn_t, shift_t, crop_t) = (
        (rotation_matrix(pose[:, :3]), pose[:, None, 3:6], pose[:, None, None, None, 6:]) for pose in (source, target)
    )
    flat = (here - crop_t[..., 1:] / CROP_FRAME) / crop_t[..., :1]  # (B, 1, H, W, 2)
    flat = flat / zoom * (z + camera.distance)[..., None]  # (B, K, H, W, 2)
    # filled where they are needed: a tensor made of a list is copied to a card, which no CUDA graph may record
    centre, pivot = (torch.cat([flat.new_full((1,), x) for x in each]) for each in ((0.0, camera.centre_y), PIVOT))
    point = torch.cat([flat + centre, z[..., None]], -1).flatten(1, 3)  # (B, P, 3)
    back = turn @ turn_t.mT  # from target to source, about the spine's top
    point = (point - pivot - shift_t) @ back.mT + pivot + shift
    point = point.unflatten(1, z.shape[1:])
    away = point[..., 2:] + camera.distance
    there = (point[..., :2] - centre) * zoom / away * crop[..., :1] + crop[..., 1:] / CROP_FRAME
    return torch.cat([(there - here) * side, point[..., 2:] - z[..., None]], -1).movedim(-1, 1)


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
