"""The Fréchet distance between two sets of features. It is called FID only where the features are Inception's."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from torch import Tensor


def frechet_distance(a: Float[Tensor, "N F"], b: Float[Tensor, "M F"]) -> float:
    """d = |mu1 - mu2|² + Tr(S1 + S2 - 2 (S1 S2)^1/2) of the Gaussians that fit N and M features, in float64.

    With centred features A and B over the roots of N - 1 and M - 1, S1 = A'A and S2 = B'B, the trace of the root is the
    sum of the singular values of A B'. This is exact even for sets smaller than F, and needs no F x F matrix.
    A distance of few frames is biased upwards: compare only sets of equal size.

    Raises:
        ValueError: two different F, fewer than two features in a set, or NaN.
    """
    sets = []
    for name, features in (("a", a), ("b", b)):
        table = features.detach().cpu().double().numpy()
        if table.ndim != 2 or len(table) < 2 or table.shape[1] != a.shape[-1]:
            raise ValueError(f"{name}: expected two or more rows of {a.shape[-1]} features, got {table.shape}")
        if not np.isfinite(table).all():
            raise ValueError(f"{name}: expected finite features, got NaN or infinity")
        sets.append((table.mean(0), (table - table.mean(0)) / np.sqrt(len(table) - 1)))
    (mean_a, wide_a), (mean_b, wide_b) = sets
    overlap = np.linalg.svd(wide_a @ wide_b.T, compute_uv=False).sum()
    trace = (wide_a**2).sum() + (wide_b**2).sum() - 2 * overlap
    return float(max(0.0, ((mean_a - mean_b) ** 2).sum() + trace))
