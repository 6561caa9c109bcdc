"""Losses of the flow itself, against what the drawn world knows; extensions, since the paper has no exact flow.

Three distances: of the flow seen from the front, of every voxel's own flow, and of the depth at which the model sees
the surface.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from ..datasets.batch import Batch
from ..morphable import Camera
from ..morphable.volume_flow import VolumeTruth
from ..warping import Flow, Warped
from .losses import Scalar

HIDDEN = 0.3  # the weight of the exact flow where the source does not show the point
RIGID = 0.3  # the weight of voxels on the head's rays that hold no surface; they move rigidly
# Squared length in halves of the frame below which a voxel's error counts as its square. What an expression adds to the
# rigid motion is a tenth of a voxel in the mean, and most voxels have none: the loss must still tell these from zero.
FINE = 1e-7
SMOOTH = 0.1  # the weight of the flow's changes from voxel to voxel where nothing is known


def loss_flow(
    motion: Flow | Warped, batch: Batch, weight: Float[Tensor, "B 1 S S"] | None = None, share: float = 0.0
) -> Scalar:
    """Distance of the flow seen from the front to the exact flow on the person, in halves of the frame.

    ``motion.coarse``, the flow before the residual, is added with the weight ``share``.
    """
    half = batch.source.shape[-1] / 2
    truth = batch.flow[:, :2]
    where = (batch.target_alpha > 0.5) * (HIDDEN + (1 - HIDDEN) * batch.visible)
    where = where if weight is None else where * weight
    total = (_length((motion.pixel_flow - truth) / half) * where).mean()
    if motion.coarse is not None and share:
        total = total + share * (_length((motion.coarse - truth) / half) * where).mean()
    return total


def loss_volume(
    flow: Float[Tensor, "B 3 D H W"],
    truth: VolumeTruth,
    step: Float[Tensor, ""],
    weight: Float[Tensor, "B 1 S S"] | None = None,
) -> Scalar:
    """Distance of every voxel's flow to what is true at that voxel, dz included, in halves of the frame.

    Voxels at a surface count 1, other voxels on rays that see the head count 0.3: they move as the head does. Each ray
    counts once, however many slices it has. Where nothing is known, the flow shall be smooth.

    Args:
        flow: in voxels.
        truth: see :func:`flow3d.morphable.volume_flow.volume_truth`.
        step: distance of two slices in head half-heights.
        weight: of the pixels.
    """
    side = flow.shape[-1]
    deep = step * Camera().pixels_per_unit(side)  # voxels across that one slice is deep
    scale = torch.stack([torch.ones_like(deep), torch.ones_like(deep), deep])[:, None, None, None] * (2 / side)
    ray = truth.head.any(1, keepdim=True)  # (B, 1, H, W)
    certain = torch.where(truth.occupied, 1.0, RIGID * ray)  # (B, D, H, W)
    distance = _length((flow - truth.flow) * scale, FINE)[:, 0] * certain
    rays = distance.sum(1) / certain.sum(1).clamp_min(1e-6)  # (B, H, W)
    if weight is not None:
        rays = rays * functional.avg_pool2d(weight, weight.shape[-1] // side)[:, 0]
    free = (1 - certain.clamp(max=1))[:, None]
    smooth = flow.new_zeros(())
    for axis in (2, 3, 4):
        if flow.shape[axis] > 1:
            change = (flow * scale).diff(dim=axis).square().sum(1, keepdim=True)
            between = torch.minimum(free.narrow(axis, 0, change.shape[axis]), free.narrow(axis, 1, change.shape[axis]))
            smooth = smooth + (change * between).mean()
    return rays.mean() + SMOOTH * smooth


def loss_depth(shares: Float[Tensor, "B 1 D H W"], truth: VolumeTruth, depths: Float[Tensor, " D"]) -> Scalar:
    """Cross-entropy of the weights over depth to the slices that hold the visible surface: who hides whom.

    A surface between two slices belongs to both, in proportion to its nearness.
    """
    step = depths[1] - depths[0]
    seen = torch.isfinite(truth.first)
    surface = torch.where(seen, truth.first, depths[0]).clamp(depths[0], depths[-1])
    apart = (surface[:, None] - depths[None, :, None, None]).abs() / step  # (B, D, H, W) slices
    answer = (1 - apart).clamp_min(0)
    entropy = -(answer * shares[:, 0].clamp_min(1e-6).log()).sum(1)
    return (entropy * seen).mean()


def _length(vectors: Tensor, least: float = 1e-5) -> Tensor:
    return (vectors.square().sum(1, keepdim=True) + least).sqrt()
