"""Laying one set of points onto another by scale, rotation and shift, and what a rotation is in angles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True, eq=False)
class Similarity:
    """``target = scale * rotation @ source + shift``."""

    scale: float
    rotation: Float[np.ndarray, "3 3"]
    shift: Float[np.ndarray, " 3"]

    def __call__(self, points: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, "N 3"]:
        """Points of the source, laid onto the target."""
        return self.scale * points @ self.rotation.T + self.shift

    @property
    def angles(self) -> Float[np.ndarray, " 3"]:
        """Pitch, yaw and roll in radians, as the coefficients have them: R = Rz(roll) Ry(yaw) Rx(pitch).

        Pitch is nose down, yaw is nose to the viewer's right, roll is clockwise; a face that looks ahead has zeros.
        """
        turn = self.rotation
        level = np.hypot(turn[2, 1], turn[2, 2])
        return np.array(
            [np.arctan2(turn[2, 1], turn[2, 2]), np.arctan2(turn[2, 0], level), np.arctan2(turn[1, 0], turn[0, 0])]
        )


def fit_similarity(
    source: Float[np.ndarray, "N 3"], target: Float[np.ndarray, "N 3"], weights: Float[np.ndarray, " N"]
) -> Similarity:
    """The similarity with the least weighted sum of squares (S. Umeyama, 1991); it never mirrors."""
    share = weights / weights.sum()
    from_middle, to_middle = source - share @ source, target - share @ target
    left, stretch, right = np.linalg.svd((to_middle * share[:, None]).T @ from_middle)
    upright = np.array([1, 1, np.sign(np.linalg.det(left @ right))])
    rotation = (left * upright) @ right
    scale = float((stretch * upright).sum() / (share @ (from_middle**2).sum(1)))
    return Similarity(scale, rotation, share @ target - scale * rotation @ (share @ source))
