"""A z-buffer rasteriser in torch: which triangle each pixel sees, and where on it."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True, eq=False)
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
    size: int | tuple[int, int],
    double_sided: Bool[Tensor, " F"] | None = None,
) -> Surface:
    """Return the nearest surface at every pixel centre.

    Args:
        screen: vertex positions in pixels (x right, y down; an integer is a pixel's centre).
        depth: distances from the camera along its axis, positive in front of it.
        faces: triangles, clockwise on screen where they face the camera; others are culled.
        size: side of the image in pixels, or (height, width).
        double_sided: triangles that are seen from both sides.
    """
    height, width = (size, size) if isinstance(size, int) else size
    return nearest(fragments(screen, depth, faces, (height, width), double_sided), (height, width))


def peel(
    screen: Float[Tensor, "V 2"],
    depth: Float[Tensor, " V"],
    faces: Int[Tensor, "F 3"],
    size: int,
    layers: int,
    gap: float,
) -> list[Surface]:
    """The first ``layers`` surfaces behind every pixel, near to far; triangles are met from both sides.

    It is depth peeling (Everitt, Interactive order-independent transparency, 2001). Each surface lies at least ``gap``
    behind the one before, so that two skins that nearly touch count once. Arguments as of :func:`rasterise`.
    """
    every = torch.ones(len(faces), dtype=torch.bool)
    found = fragments(screen, depth, faces, (size, size), every)
    surfaces = []
    for _ in range(layers):
        surfaces.append(nearest(found, (size, size)))
        behind = surfaces[-1].depth.flatten().index_select(0, found.pixel) + gap  # infinite where nothing was seen
        found = found.chosen((1 / found.closeness >= behind).nonzero()[:, 0])
    return surfaces


@dataclass(frozen=True, eq=False)
class Fragments:
    """Every triangle at every pixel centre that it covers, in no order; Q of them."""

    pixel: Int[Tensor, " Q"]  # y * width + x
    face: Int[Tensor, " Q"]
    scaled: Float[Tensor, "Q 3"]  # barycentric coordinate over depth, for each corner
    closeness: Float[Tensor, " Q"]  # 1 / depth

    def chosen(self, which: Int[Tensor, " P"]) -> "Fragments":
        """Some of them."""
        return Fragments(*(v.index_select(0, which) for v in (self.pixel, self.face, self.scaled, self.closeness)))


def fragments(
    screen: Float[Tensor, "V 2"],
    depth: Float[Tensor, " V"],
    faces: Int[Tensor, "F 3"],
    size: tuple[int, int],
    double_sided: Bool[Tensor, " F"] | None = None,
) -> Fragments:
    """Which triangles cover which pixel centres; arguments as of :func:`rasterise`."""
    height, width = size
    x, y = screen.unbind(1)
    a, b, c = faces.unbind(1)
    xs, ys = (torch.stack([v.index_select(0, k) for k in (a, b, c)]) for v in (x, y))  # (3, F)
    area = (xs[1] - xs[0]) * (ys[2] - ys[0]) - (ys[1] - ys[0]) * (xs[2] - xs[0])
    left, right = xs.amin(0).ceil().clamp_min(0), xs.amax(0).floor().clamp_max(width - 1)
    top, bottom = ys.amin(0).ceil().clamp_min(0), ys.amax(0).floor().clamp_max(height - 1)
    seen = area > 1e-9 if double_sided is None else (area > 1e-9) | double_sided & (area < -1e-9)
    kept = (seen & (left <= right) & (top <= bottom)).nonzero()[:, 0]  # those that cover a pixel's row and column
    corner = faces.index_select(0, kept)  # (K, 3)
    distances = depth[corner]
    if bool((distances <= 0).any()):
        ahead = (distances > 0).all(1)
        kept, distances = kept[ahead], distances[ahead]
    xs, ys, inverse = xs[:, kept], ys[:, kept], 1.0 / area[kept]
    left, top = left[kept], top[kept]
    columns = (right[kept] - left + 1).long()
    count = columns * (bottom[kept] - top + 1).long()
    owner = torch.repeat_interleave(count)  # (Q,) one entry for each candidate pixel: its triangle
    rank = torch.arange(len(owner)) - (count.cumsum(0) - count).index_select(0, owner)
    wide = columns.index_select(0, owner)
    down = torch.div(rank, wide, rounding_mode="floor")
    # barycentric l1, l2 are affine in the pixel's offset from the box's corner; 1/depth is their mix
    g1 = torch.stack([(ys[2] - ys[0]) * inverse, -(xs[2] - xs[0]) * inverse])
    g2 = torch.stack([-(ys[1] - ys[0]) * inverse, (xs[1] - xs[0]) * inverse])
    start = torch.stack([left - xs[0], top - ys[0]])
    table = torch.stack([(g1 * start).sum(0), g1[0], g1[1], (g2 * start).sum(0), g2[0], g2[1]], 1)
    table = table.index_select(0, owner)  # (Q, 6)
    dx, dy = (rank - down * wide).float(), down.float()
    l1 = table[:, 0] + table[:, 1] * dx + table[:, 2] * dy
    l2 = table[:, 3] + table[:, 4] * dx + table[:, 5] * dy
    inside = (torch.minimum(torch.minimum(l1, l2), 1 - l1 - l2) >= -1e-6).nonzero()[:, 0]
    owner, l1, l2 = owner.index_select(0, inside), l1.index_select(0, inside), l2.index_select(0, inside)
    px = left.long().index_select(0, owner) + dx.index_select(0, inside).long()
    pixel = (top.long().index_select(0, owner) + down.index_select(0, inside)) * width + px
    scaled = torch.stack([1 - l1 - l2, l1, l2], -1) / distances.index_select(0, owner)  # l_i / depth_i
    closeness = scaled.sum(-1)  # 1 / depth: larger is nearer
    return Fragments(pixel, kept.index_select(0, owner), scaled, closeness)


def nearest(found: Fragments, size: tuple[int, int]) -> Surface:
    """The nearest of the fragments at every pixel centre."""
    height, width = size
    # one integer holds nearness in its high bits and the candidate's number in its low ones: the maximum is the nearest
    key = (found.closeness.view(torch.int32).long() << 32) | torch.arange(len(found.pixel))
    best = torch.full((height * width,), -1, dtype=torch.long).scatter_reduce_(0, found.pixel, key, "amax")
    hit = best >= 0
    winner = found.chosen(best[hit] & 0xFFFFFFFF)
    face = torch.full((height * width,), -1, dtype=torch.long)
    weights, distance = torch.zeros(height * width, 3), torch.full((height * width,), torch.inf)
    face[hit] = winner.face
    weights[hit] = winner.scaled / winner.closeness[:, None]
    distance[hit] = 1.0 / winner.closeness
    return Surface(face.view(height, width), weights.view(height, width, 3), distance.view(height, width))


def vertex_normals(
    points: Float[Tensor, "V 3"], faces: Int[Tensor, "F 3"], seams: Int[Tensor, "P 2"]
) -> Float[Tensor, "V 3"]:
    """Area-weighted outward unit normals; the two vertices of a seam get one normal."""
    a, b, c = (points.index_select(0, k) for k in faces.unbind(1))
    normal = torch.linalg.cross(c - a, b - a)  # clockwise: outward
    total = torch.zeros_like(points)
    for k in faces.unbind(1):
        total.index_add_(0, k, normal)
    both = total[seams[:, 0]] + total[seams[:, 1]]
    total[seams[:, 0]], total[seams[:, 1]] = both, both
    return total / total.norm(dim=-1, keepdim=True).clamp_min(1e-12)
