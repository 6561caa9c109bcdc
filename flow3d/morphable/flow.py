"""The exact flow between two frames of one person: known because every pixel knows its point of the surface."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from .frame import Frame
from .threads import one_thread

DEPTH_SLACK = 0.03  # head half-heights: a surface may lie this far behind the z-buffer and still be the one seen
NEAR = 1e-3  # head half-heights from the camera; what is nearer, or behind it, has no place in the image
SNAP = 1e-3  # pixels: a point this close to a pixel's centre is on it, and needs no neighbour
OPAQUE = 1 - 1e-3


@one_thread()
def exact_flow(target: Frame, source: Frame) -> tuple[Float[Tensor, "3 H W"], Float[Tensor, "1 H W"]]:
    """Return the backward flow (3,H,W) from ``target`` to ``source`` and where the point is seen in both (1,H,W).

    Every pixel of ``target`` knows the triangle it sees and where on it; the same point of the same triangle,
    projected with the source's vertices, is where the flow points.

    Convention:
        ``target[p]`` shows the point that ``source`` shows at ``p + flow(p)``; pixels, channels (dx, dy, dz):
        +x right, +y down, +z away from the camera (dz in pixels at the head's centre). 0 on the background.
        ``visible`` is 1 where the point is seen in both frames, or both show background; 0 at soft edges and
        where the point lies outside the source's frame. Neither is ever NaN.

    Raises:
        ValueError: the frames show two persons, or differ in size.
    """
    if target.person is not source.person:
        raise ValueError("source: expected a frame of the same person as the target's, got another person's")
    if target.size != source.size:
        raise ValueError(f"source: expected a frame of {target.size} px like the target, got {source.size} px")
    size, hit = target.size, target.surface.hit
    corner = target.person.faces[target.surface.face[hit]]  # (P, 3)
    weights = target.surface.weights[hit]
    depth = source.vertex_depth[corner] * weights  # w_i z_i
    total = depth.sum(1)
    # the point is linear in the corners; its projection weighs each corner's by depth
    here = hit.nonzero().flip(-1).float()  # (P, 2) as (x, y)
    ahead = (source.vertex_depth[corner] > NEAR).all(1)
    place = (source.screen[corner] * depth[..., None]).sum(1) / total[:, None]  # (P, 2)
    place = torch.where(ahead[:, None], place, here)
    away = torch.where(ahead, total - target.surface.depth[hit], 0.0) * target.person.camera.pixels_per_unit(size)
    flow = torch.zeros(3, size, size)
    flow[:, hit] = torch.cat([place - here, away[:, None]], 1).T
    inside = ahead & ((place >= -SNAP) & (place <= size - 1 + SNAP)).all(1)
    low, high = (v.clamp(0, size - 1).long() for v in ((place + SNAP).floor(), (place - SNAP).ceil()))
    # the four source pixels around the point: all opaque, not all in front of it, and one of them of its own material,
    # since a shut lid lies closer to the eyeball than any slack of depth can tell
    around = torch.stack([v[:, 1] * size + h[:, 0] for v in (low, high) for h in (low, high)])  # (4, P)
    behind = source.surface.depth.flatten()[around].amax(0)
    opaque = source.alpha.flatten()[around].amin(0) >= OPAQUE
    shown = _materials(source).flatten()[around] == _materials(target)[hit]
    visible = torch.zeros(1, size, size)
    visible[0, hit] = (inside & opaque & shown.any(0) & (total <= behind + DEPTH_SLACK)).float()
    solid, empty = target.alpha >= OPAQUE, (target.alpha <= 0) & (source.alpha <= 0)
    visible = torch.where(solid, visible, empty.float())
    return flow, visible


def _materials(frame: Frame) -> Int[Tensor, "H W"]:
    """What each pixel's centre shows: a material's number, -1 for the background."""
    seen = frame.person.material[frame.surface.face.clamp_min(0)]
    return torch.where(frame.surface.hit, seen, -1)
