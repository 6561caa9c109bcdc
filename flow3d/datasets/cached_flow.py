"""Exact flow for a batch of pairs, from what the cache keeps of their frames."""

import torch
from jaxtyping import Float
from torch import Tensor

from ..morphable.flow import DEPTH_SLACK, NEAR, OPAQUE, SNAP


def flow_between(
    target: dict[str, Tensor], source: dict[str, Tensor], pixels_per_unit: float
) -> tuple[Float[Tensor, "B 3 S S"], Float[Tensor, "B 1 S S"]]:
    """:func:`flow3d.morphable.exact_flow` for B pairs at once, from what the cache keeps of their frames."""
    batch, _, size, _ = target["alpha"].shape
    corner = target["corners"].long().view(batch, -1, 1).expand(-1, -1, 3)  # (B, 3 P, 3)
    points = source["vertices"].gather(1, corner).view(batch, -1, 3, 3)  # (B, P, corner, xyz)
    weights = target["weights"].view(batch, -1, 2)
    weights = torch.cat([weights, 1 - weights.sum(-1, keepdim=True)], -1)
    hit = (target["material"] >= 0).view(batch, -1)
    depth = points[..., 2] * weights
    total = depth.sum(-1)
    ahead = (points[..., 2] > NEAR).all(-1) & hit
    line = torch.arange(size, dtype=torch.float32, device=weights.device)
    here = torch.stack(torch.meshgrid(line, line, indexing="xy"), -1).view(1, -1, 2)
    place = (points[..., :2] * depth[..., None]).sum(2) / total[..., None]
    place = torch.where(ahead[..., None], place, here)
    away = torch.where(ahead, total - target["depth"].view(batch, -1), 0.0) * pixels_per_unit
    flow = torch.cat([place - here, away[..., None]], -1)
    inside = ahead & ((place >= -SNAP) & (place <= size - 1 + SNAP)).all(-1)
    low, high = (v.clamp(0, size - 1).long() for v in ((place + SNAP).floor(), (place - SNAP).ceil()))
    around = torch.stack([v[..., 1] * size + h[..., 0] for v in (low, high) for h in (low, high)])  # (4, B, P)

    def look(name: str) -> Tensor:
        return source[name].reshape(1, batch, -1).expand(4, -1, -1).gather(2, around)

    opaque = look("alpha").amin(0) >= OPAQUE
    shown = (look("material") == target["material"].view(batch, -1)).any(0)
    seen = inside & opaque & shown & (total <= look("depth").amax(0) + DEPTH_SLACK)
    alpha, other = target["alpha"], source["alpha"]
    empty = ((alpha <= 0) & (other <= 0)).float()
    visible = torch.where(alpha >= OPAQUE, seen.view(batch, 1, size, size).float(), empty)
    return flow.transpose(1, 2).reshape(batch, 3, size, size), visible
