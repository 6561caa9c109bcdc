"""A z-buffer rasteriser in torch: which triangle each pixel sees, and where on it."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Surface:
    """What the pixels see. Where ``face`` is -1 nothing is seen, ``weights`` are 0 and ``depth`` is infinite."""

    face: Int[Tensor, "H W"]
    weights: Float[Tensor, "H W 3"]  # perspective-correct barycentric coordinates
    depth: Float[Tensor, "H W"]

    @property
    def hit(self) -> Bool[Tensor, "H W"]:
        """Pixels that see a surface."""
        return self.face >= 0


def rasterise(
    screen: Float[Tensor, "V 2"],
    depth: Float[Tensor, " V"],
    faces: Int[Tensor, "F 3"],
    size: int,
    double_sided: Bool[Tensor, " F"] | None = None,
) -> Surface:
    """Return the nearest surface at every pixel centre of a square image.

    Args:
        screen: vertex positions in pixels (x right, y down; an integer is a pixel's centre).
        depth: distances from the camera along its axis, positive in front of it.
        faces: triangles, clockwise on screen where they face the camera; others are culled.
        size: side of the image in pixels.
        double_sided: triangles that are seen from both sides.
    """
    corner = screen[faces]  # (F, 3, 2)
    e1, e2 = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
    area = e1[:, 0] * e2[:, 1] - e1[:, 1] * e2[:, 0]
    shown = area.abs() > 1e-9 if double_sided is None else (area > 1e-9) | double_sided & (area < -1e-9)
    if double_sided is None:
        shown &= area > 0
    low, high = corner.amin(1).ceil().clamp_min(0), corner.amax(1).floor().clamp_max(size - 1)
    extent = (high - low + 1).clamp_min(0).long()  # (F, 2) pixel centres in the bounding box
    shown &= (extent[:, 0] * extent[:, 1] > 0) & (depth[faces].amin(1) > 0)
    kept = shown.nonzero()[:, 0]
    low, extent, inverse = low[kept].long(), extent[kept], 1.0 / area[kept]
    # barycentric l1, l2 are affine in the pixel's offset from the first corner; 1/depth is their mix
    e1, e2, origin = e1[kept], e2[kept], corner[kept, 0]
    gradient1 = torch.stack([e2[:, 1], -e2[:, 0]], -1) * inverse[:, None]
    gradient2 = torch.stack([-e1[:, 1], e1[:, 0]], -1) * inverse[:, None]
    near = 1.0 / depth[faces[kept]]  # (K, 3)
    count = extent[:, 0] * extent[:, 1]
    owner = torch.repeat_interleave(torch.arange(len(kept)), count)  # (Q,) one entry for each candidate pixel
    rank = torch.arange(len(owner)) - torch.repeat_interleave(count.cumsum(0) - count, count)
    width = extent[owner, 0]
    row = torch.div(rank, width, rounding_mode="floor")
    x, y = low[owner, 0] + rank - row * width, low[owner, 1] + row
    table = torch.cat([origin, gradient1, gradient2, near], 1)[owner]  # (Q, 9)
    dx, dy = x - table[:, 0], y - table[:, 1]
    l1, l2 = table[:, 2] * dx + table[:, 3] * dy, table[:, 4] * dx + table[:, 5] * dy
    l0 = 1 - l1 - l2
    inside = ((l0 >= -1e-6) & (l1 >= -1e-6) & (l2 >= -1e-6)).nonzero()[:, 0]
    owner, pixel = owner[inside], (y * size + x)[inside]
    scaled = torch.stack([l0, l1, l2], -1)[inside] * table[inside, 6:]  # l_i / depth_i
    closeness = scaled.sum(-1)  # 1 / depth: larger is nearer
    # one integer holds closeness above and the candidate's number below, so that a maximum picks the nearest
    key = closeness.view(torch.int32).long() << 32 | torch.arange(len(owner))
    best = torch.full((size * size,), -1, dtype=torch.long).scatter_reduce_(0, pixel, key, "amax")
    hit = best >= 0
    winner = best[hit] & 0xFFFFFFFF
    face = torch.full((size * size,), -1, dtype=torch.long)
    weights, distance = torch.zeros(size * size, 3), torch.full((size * size,), torch.inf)
    face[hit] = kept[owner[winner]]
    weights[hit] = scaled[winner] / closeness[winner, None]
    distance[hit] = 1.0 / closeness[winner]
    return Surface(face.view(size, size), weights.view(size, size, 3), distance.view(size, size))


def vertex_normals(
    points: Float[Tensor, "V 3"], faces: Int[Tensor, "F 3"], seams: Int[Tensor, "P 2"]
) -> Float[Tensor, "V 3"]:
    """Area-weighted outward unit normals; the two vertices of a seam get one normal."""
    corner = points[faces]
    normal = torch.linalg.cross(corner[:, 2] - corner[:, 0], corner[:, 1] - corner[:, 0])  # clockwise: outward
    total = torch.zeros_like(points).index_add_(0, faces.flatten(), normal.repeat_interleave(3, 0))
    both = total[seams[:, 0]] + total[seams[:, 1]]
    total[seams[:, 0]], total[seams[:, 1]] = both, both
    return total / total.norm(dim=-1, keepdim=True).clamp_min(1e-12)
