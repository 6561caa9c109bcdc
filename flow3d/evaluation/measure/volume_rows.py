"""How three-dimensional a flow is: against what is true at each voxel, not only at the surface that is seen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from torch import Tensor

from flow3d_kernels import warp3d

from ...datasets import Pair
from ...morphable import Camera
from ...morphable.volume import VolumeGrid, composite
from ...morphable.volume_flow import VolumeTruth
from ..scores.metrics import psnr
from ..scores.statistics import Estimate, estimate
from .method import Reenacted, on_background
from .pair_rows import Row, regions

SLICES = 32  # of the volume into which the source is lifted
MOMENTS = ("count", "own", "true", "own own", "true true", "own true")  # sums over voxels, for a correlation


def volume_row(flow: Float[Tensor, "3 D H W"], pair: Pair) -> Row:
    """Sums over one pair's voxels, which :func:`deviation`, :func:`correlation` and ``ratio`` make numbers of.

    * "slices ...": deviations of (dx, dy) from their mean along the ray, on rays with two or more voxels of the head.
    * "dz ...": dz on the head's voxels.
    * "voxel error", "voxel zero": end-point errors on occupied voxels, of the flow and of the zero flow, in voxels
      across; "beyond error", "beyond zero": the same of what is left of both when the rigid motion is taken away.
    * "psnr lifted": of the source's picture, lifted to its depth, warped by the flow and looked at from the front;
      "psnr lifted exact": by the exact flow.
    """
    depths = VolumeGrid(slices=flow.shape[1]).depths()
    truth = pair.volume_truth(depths)
    exact, rigid = truth.flow[0], truth.rigid[0]
    row = _moments("slices", *(_deviations(f, truth) for f in (flow, exact)))
    row |= _moments("dz", *(f[2][truth.head[0]] for f in (flow, exact)))
    deep = float(depths[1] - depths[0]) * Camera().pixels_per_unit(flow.shape[-1])  # voxels across in a slice
    across = flow.new_tensor([1.0, 1.0, deep])[:, None, None, None]
    for name, own, true in (("voxel", flow, exact), ("beyond", flow - rigid, exact - rigid)):
        row[f"{name} error"] = _length((own - true) * across, truth)
        row[f"{name} zero"] = _length(true * across, truth)
    for name, moved in (("psnr lifted", flow), ("psnr lifted exact", exact)):
        row[name] = _lifted(moved, pair)
    return row


def depth_row(pair: Pair, reenacted: Reenacted) -> Row:
    """:func:`volume_row` of one frame; empty for a flow of one slice, or on another grid than the pair's truth."""
    flow, side = reenacted.volume, pair.surfaces.depth.shape[-1]
    return {} if flow is None or flow.shape[2] < 2 or flow.shape[-1] != side else volume_row(flow[0], pair)


def deviation(rows: Sequence[Row]) -> Estimate:
    """Deviation between slices over the truth's: root mean squares, pooled over pairs."""
    own, true = ([row[f"slices {name}"] for row in rows] for name in ("own own", "true true"))
    return estimate(np.stack([own, true], -1), lambda sums: np.sqrt(sums[..., 0] / sums[..., 1]))


def correlation(rows: Sequence[Row], what: str) -> Estimate:
    """Correlation with the truth, of the "slices" or of "dz", over all voxels of all pairs."""
    table = np.stack([[row[f"{what} {name}"] for name in MOMENTS] for row in rows])

    def pooled(sums: np.ndarray) -> np.ndarray:
        count, own, true, own_own, true_true, own_true = (sums[..., k] for k in range(len(MOMENTS)))
        spread = (own_own - own**2 / count) * (true_true - true**2 / count)
        return np.asarray((own_true - own * true / count) / np.sqrt(spread))

    return estimate(table, pooled)


def _deviations(flow: Float[Tensor, "3 D H W"], truth: VolumeTruth) -> Float[Tensor, " N"]:
    """(dx, dy) less their mean over the head's voxels of the ray, where there are two or more."""
    head = truth.head[0]  # (D, H, W)
    count = head.sum(0)
    mean = (flow[:2] * head).sum(1, keepdim=True) / count.clamp_min(1)
    return (flow[:2] - mean)[:, head & (count >= 2)].flatten()


def _moments(name: str, own: Tensor, true: Tensor) -> Row:
    own, true = own.double(), true.double()
    products = (own.sum(), true.sum(), own.square().sum(), true.square().sum(), (own * true).sum())
    return {f"{name} {moment}": float(v) for moment, v in zip(MOMENTS, (own.numel(), *products), strict=True)}


def _length(vectors: Float[Tensor, "3 D H W"], truth: VolumeTruth) -> float:
    return float(vectors.norm(dim=0)[truth.occupied[0]].sum())


def _lifted(flow: Float[Tensor, "3 D H W"], pair: Pair) -> float:
    size = pair.source.shape[-1]
    grid = VolumeGrid(size=size, slices=SLICES)
    lifted = grid.lift_picture(pair.source_foreground, pair.source_depth)
    warped = warp3d(lifted[None], grid.enlarge(flow)[None], padding="zeros")[0]
    picture, alpha = composite(warped)
    person = (picture + 1) * alpha - 1  # on black
    return psnr(on_background(person, alpha, pair.background), pair.target, regions(pair)["union"])
