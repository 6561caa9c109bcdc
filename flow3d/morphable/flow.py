"""The exact flow between two frames of one person: known because every pixel knows its point of the surface."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..threads import one_thread
from .frame import Frame

DEPTH_SLACK = 0.03  # head half-heights: a surface may lie this far behind the z-buffer and still be the one seen
NEAR = 1e-3  # head half-heights from the camera; what is nearer, or behind it, has no place in the image
SNAP = 1e-3  # pixels: a point this close to a pixel's centre is on it, and needs no neighbour
OPAQUE = 1 - 1e-3


@dataclass(frozen=True, eq=False)
class Geometry:
    """What the exact flow needs to know of B frames, S pixels wide.

    Attributes:
        corners: the three vertices of the triangle that a pixel sees; any where it sees none.
        weights: perspective-correct barycentric coordinates of the point that it sees.
        depth: distance of that point from the camera, in head half-heights.
        material: number of its material, -1 on the background.
        alpha: soft matte in [0, 1].
        vertices: positions of all vertices: x and y in pixels, distance from the camera in head half-heights.
    """

    corners: Int[Tensor, "B S S 3"]
    weights: Float[Tensor, "B S S 3"]
    depth: Float[Tensor, "B S S"]
    material: Int[Tensor, "B S S"]
    alpha: Float[Tensor, "B 1 S S"]
    vertices: Float[Tensor, "B V 3"]


@one_thread()
def exact_flow(target: Frame, source: Frame) -> tuple[Float[Tensor, "3 H W"], Float[Tensor, "1 H W"]]:
    """Return the backward flow (3,H,W) from ``target`` to ``source`` and where the point is seen in both (1,H,W).

    Convention:
        ``target[p]`` shows the point that ``source`` shows at ``p + flow(p)``; pixels, channels (dx, dy, dz):
        +x right, +y down, +z away from the camera (dz in pixels at the head's centre). 0 on the background.
        ``visible`` is 1 where the point is seen in both frames, or both show background; 0 at soft edges and
        where the point lies outside the source's frame. Neither is ever NaN.

    Raises:
        ValueError: the frames show two persons, or differ in size.
    """
    if target.mesh is not source.mesh:
        raise ValueError("source: expected a frame of the same person as the target's, got another person's")
    if target.size != source.size:
        raise ValueError(f"source: expected a frame of {target.size} px like the target, got {source.size} px")
    scale = target.mesh.camera.pixels_per_unit(target.size)
    flow, visible = flow_between(geometry_of(target), geometry_of(source), scale)
    return flow[0], visible[0]


def geometry_of(frame: Frame) -> Geometry:
    """One frame's geometry, as a batch of one."""
    surface, face = frame.surface, frame.surface.face.clamp_min(0)
    return Geometry(
        corners=frame.mesh.faces[face][None],
        weights=surface.weights[None],
        depth=surface.depth[None],
        material=torch.where(surface.hit, frame.mesh.material[face], -1)[None],
        alpha=frame.alpha[None],
        vertices=frame.placed[None],
    )


def flow_between(
    target: Geometry, source: Geometry, pixels_per_unit: float
) -> tuple[Float[Tensor, "B 3 S S"], Float[Tensor, "B 1 S S"]]:
    """:func:`exact_flow` of B pairs at once; ``pixels_per_unit`` is :meth:`Camera.pixels_per_unit`.

    Every pixel of the target knows the triangle it sees and where on it; the same point of the same triangle, projected
    with the source's vertices, is where the flow points.
    """
    batch, _, size, _ = target.alpha.shape
    corner = target.corners.long().reshape(batch, -1, 1).expand(-1, -1, 3)  # (B, 3 P, xyz)
    points = source.vertices.gather(1, corner).view(batch, -1, 3, 3)  # (B, P, corner, xyz)
    hit = (target.material >= 0).reshape(batch, -1)  # (B, P)
    # the point is linear in the corners; its projection weighs each corner's by depth
    depth = points[..., 2] * target.weights.reshape(batch, -1, 3)  # w_i z_i
    total = depth.sum(-1)
    ahead = (points[..., 2] > NEAR).all(-1) & hit
    line = torch.arange(size, dtype=torch.float32, device=depth.device)
    here = torch.stack(torch.meshgrid(line, line, indexing="xy"), -1).view(1, -1, 2)
    place = (points[..., :2] * depth[..., None]).sum(2) / total[..., None]
    place = torch.where(ahead[..., None], place, here)  # (B, P, xy)
    away = torch.where(ahead, total - target.depth.reshape(batch, -1), 0.0) * pixels_per_unit
    flow = torch.cat([place - here, away[..., None]], -1)
    inside = ahead & ((place >= -SNAP) & (place <= size - 1 + SNAP)).all(-1)
    # the four source pixels around the point: all opaque, not all in front of it, and one of them of its own material,
    # since a shut lid lies closer to the eyeball than any slack of depth can tell
    low, high = (v.clamp(0, size - 1).long() for v in ((place + SNAP).floor(), (place - SNAP).ceil()))
    around = torch.stack([v[..., 1] * size + h[..., 0] for v in (low, high) for h in (low, high)])  # (4, B, P)

    def look(values: Tensor) -> Tensor:
        return values.reshape(1, batch, -1).expand(4, -1, -1).gather(2, around)

    opaque = look(source.alpha).amin(0) >= OPAQUE
    shown = (look(source.material) == target.material.reshape(batch, -1)).any(0)
    seen = inside & opaque & shown & (total <= look(source.depth).amax(0) + DEPTH_SLACK)
    empty = ((target.alpha <= 0) & (source.alpha <= 0)).float()
    visible = torch.where(target.alpha >= OPAQUE, seen.view(batch, 1, size, size).float(), empty)
    return flow.transpose(1, 2).reshape(batch, 3, size, size), visible
