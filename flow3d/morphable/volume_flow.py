"""The exact flow of every voxel: of all surfaces along a ray, and of the space between them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from .camera import Camera
from .flow import NEAR
from .frame import Frame, Mesh
from .head.parts import MATERIAL
from .rasteriser import peel
from .volume import rigid_motion

LAYERS = 4  # surfaces kept of a ray: hair, skin, neck and back of the head; a fifth has one ray in a hundred
GAP = 0.1  # head half-heights: two skins closer than this are one surface
BODY = ("cloth", "neck")  # materials that do not follow the head


def volume_side(size: int) -> int:
    """Voxels across the volume of frames ``size`` pixels wide, as the presets have them."""
    return size // 2 if size <= 64 else size // 4


@dataclass(frozen=True, eq=False)
class Rays:
    """The surfaces behind every ray of B frames, near to far, K of each ray; H rays across and down.

    Attributes:
        corners: the three vertices of the triangle that is met.
        weights: perspective-correct barycentric coordinates of the point.
        depth: of the point, head half-heights behind the head's centre plane; infinite where no surface is left.
        head: whether the surface belongs to the head, not to neck and clothes.
    """

    corners: Int[Tensor, "B K H H 3"]
    weights: Float[Tensor, "B K H H 3"]
    depth: Float[Tensor, "B K H H"]
    head: Bool[Tensor, "B K H H"]


@dataclass(frozen=True, eq=False)
class Surfaces:
    """Where the surfaces of B target frames lie, and how they moved; see :class:`Rays`.

    Attributes:
        depth, head: as in :class:`Rays`.
        flow: backward, from target to source: (dx, dy) in voxels, H across a frame, dz in head half-heights.
    """

    depth: Float[Tensor, "B K H H"]
    head: Bool[Tensor, "B K H H"]
    flow: Float[Tensor, "B 3 K H H"]


@dataclass(frozen=True, eq=False)
class VolumeTruth:
    """What is true at every voxel of B target volumes.

    Attributes:
        flow: backward flow in voxels (dx, dy, dz). On ``occupied`` voxels it is exact; elsewhere it is ``rigid``.
        rigid: the flow of a head that moves as a whole.
        occupied: within half a slice of a surface.
        head: on a ray that sees the head, no nearer than its first surface and no farther than its last.
        first: depth of the surface that each ray sees, head half-heights; infinite where it sees none.
    """

    flow: Float[Tensor, "B 3 D H H"]
    rigid: Float[Tensor, "B 3 D H H"]
    occupied: Bool[Tensor, "B D H H"]
    head: Bool[Tensor, "B D H H"]
    first: Float[Tensor, "B H H"]


def rays_of(frame: Frame, side: int | None = None) -> Rays:
    """Meet all surfaces behind ``side`` x ``side`` rays of one frame, as a batch of one; None is the presets' side."""
    side = side or volume_side(frame.size)
    mesh: Mesh = frame.mesh
    screen = (frame.screen + 0.5) * (side / frame.size) - 0.5
    met = peel(screen, frame.vertex_depth, mesh.faces, side, LAYERS, GAP)
    face = torch.stack([surface.face for surface in met])  # (K, H, H)
    hit, face = face >= 0, face.clamp_min(0)
    body = torch.tensor([MATERIAL[name] for name in BODY])
    return Rays(
        corners=mesh.faces[face][None],
        weights=torch.stack([surface.weights for surface in met])[None],
        depth=torch.stack([surface.depth for surface in met])[None] - mesh.camera.distance,
        head=(hit & ~torch.isin(mesh.material[face], body))[None],
    )


def surface_flow(target: Rays, source: Float[Tensor, "B V 3"], size: int, camera: Camera | None = None) -> Surfaces:
    """The exact displacement of every surface point of the target's rays.

    Args:
        target: rays of B frames.
        source: the same persons' vertices in the source frames: x and y in pixels, distance from the camera.
        size: side of those frames in pixels.
        camera: None is the usual one.
    """
    camera = camera or Camera()
    batch, layers, side, _ = target.depth.shape
    corner = target.corners.long().reshape(batch, -1, 1).expand(-1, -1, 3)  # (B, 3 P, xyz)
    points = source.gather(1, corner).view(batch, -1, 3, 3)  # (B, P, corner, xyz)
    depth = points[..., 2] * target.weights.reshape(batch, -1, 3)  # w_i z_i, of the projection's weights too
    away = depth.sum(-1)
    place = (points[..., :2] * depth[..., None]).sum(2) / away[..., None]  # pixels
    line = torch.arange(side, dtype=place.dtype, device=place.device)
    here = torch.stack(torch.meshgrid(line, line, indexing="xy"), -1)  # (H, H, xy)
    there = ((place + 0.5) * (side / size) - 0.5).view(batch, layers, side, side, 2)
    known = (points[..., 2] > NEAR).all(-1).view(target.depth.shape) & torch.isfinite(target.depth)
    deep = away.view(target.depth.shape) - camera.distance - target.depth
    flow = torch.where(known[..., None], torch.cat([there - here, deep[..., None]], -1), 0.0)
    return Surfaces(torch.where(known, target.depth, torch.inf), target.head & known, flow.movedim(-1, 1))


def volume_truth(
    surfaces: Surfaces,
    source: Float[Tensor, "B 9"],
    target: Float[Tensor, "B 9"],
    depths: Float[Tensor, " D"],
    camera: Camera | None = None,
) -> VolumeTruth:
    """The exact flow of a volume with slices at ``depths``.

    A voxel within half a slice of a surface moves as its depth moves rigidly, plus what the nearest surface does beyond
    that: an expression, or shoulders that turn less. All other voxels move rigidly.

    Convention:
        Backward flow, channels (dx, dy, dz), in voxels. Two equal frames have zero flow.

    Args:
        surfaces: of the targets; see :func:`surface_flow`.
        source, target: poses of both frames; see :func:`flow3d.morphable.volume.rigid_flow`.
        depths: of the slices, evenly spaced, head half-heights.
        camera: None is the usual one.
    """
    step, side = depths[1] - depths[0], surfaces.depth.shape[-1]
    z = depths[None, :, None, None].expand(len(source), -1, side, side)
    rigid = rigid_motion(source, target, z, camera)
    there = torch.isfinite(surfaces.depth)
    met = torch.where(there, surfaces.depth, 0.0)
    beyond = torch.where(there[:, None], surfaces.flow - rigid_motion(source, target, met, camera), 0.0)
    apart = (surfaces.depth[:, None] - z[:, :, None]).abs()  # (B, D, K, H, H)
    distance, nearest = apart.min(2)  # (B, D, H, H)
    occupied = distance <= step / 2
    own = beyond.gather(2, nearest[:, None].expand(-1, 3, -1, -1, -1))  # (B, 3, D, H, H)
    flow = rigid + torch.where(occupied[:, None], own, 0.0)
    last = torch.where(there, surfaces.depth, -torch.inf).amax(1, keepdim=True)
    inside = (z >= surfaces.depth[:, :1] - step / 2) & (z <= last + step / 2) & surfaces.head[:, :1]
    slices = torch.stack([torch.ones_like(step), torch.ones_like(step), 1 / step])[:, None, None, None]
    return VolumeTruth(flow * slices, rigid * slices, occupied, inside, surfaces.depth[:, 0])
