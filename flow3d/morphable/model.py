"""The morphable model (Eq. 1) and the pose that follows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

from .coefficients import EXPRESSION, ROTATION, TRANSLATION, Coefficients, one_frame

# shares of (pitch, yaw, roll) that the shoulders take of the head's rotation
TORSO_SHARE = (0.10, 0.22, 0.15)
PIVOT = (0.0, 0.82, 0.18)  # the top of the spine, about which the head turns


def rotation_matrix(angles: Float[Tensor, "*B 3"]) -> Float[Tensor, "*B 3 3"]:
    """R = Rz(roll) Ry(yaw) Rx(pitch) for points as columns, in a frame x right, y down, z away.

    +pitch turns the nose down, +yaw to the viewer's right, +roll clockwise; radians. Differentiable.
    """
    (cp, cy, cr), (sp, sy, sr) = angles.cos().unbind(-1), angles.sin().unbind(-1)
    one, zero = torch.ones_like(cp), torch.zeros_like(cp)
    rx = torch.stack([one, zero, zero, zero, cp, -sp, zero, sp, cp], -1).unflatten(-1, (3, 3))
    ry = torch.stack([cy, zero, -sy, zero, one, zero, sy, zero, cy], -1).unflatten(-1, (3, 3))
    rz = torch.stack([cr, -sr, zero, sr, cr, zero, zero, zero, one], -1).unflatten(-1, (3, 3))
    return rz @ ry @ rx


@dataclass(frozen=True, eq=False)
class MorphableModel:
    """S = mean + alpha B_id + beta B_exp (paper, section 3.1, Eq. 1), with the surface that carries it.

    Vertices are in head half-heights: x right, y down, z away from the camera, origin in the middle of the head.
    Faces run clockwise as seen from outside. ``follow`` is the share of the head's rotation a vertex takes
    (1 on the head, falling to 0 at the shoulders); ``seams`` are pairs of vertices that share one normal.
    """

    mean: Float[Tensor, "V 3"]
    identity_basis: Float[Tensor, "I V 3"]
    expression_basis: Float[Tensor, "E V 3"]
    faces: Int[Tensor, "F 3"]
    material: Int[Tensor, " F"]
    follow: Float[Tensor, " V"]
    local: Float[Tensor, "V 2"]
    seams: Int[Tensor, "P 2"]
    slices: dict[str, slice] = field(default_factory=dict)
    identity_names: tuple[str, ...] = ()
    expression_names: tuple[str, ...] = ()

    @cached_property
    def _moving(self) -> Float[Tensor, "E M 3"]:
        """The expression basis up to the last vertex that any expression moves: hair and clothes come after."""
        last = int(self.expression_basis.abs().amax((0, 2)).nonzero()[-1]) + 1
        return self.expression_basis[:, :last].contiguous()

    def shape(
        self, alpha: Float[Tensor, " I"] | None = None, beta: Float[Tensor, " E"] | None = None
    ) -> Float[Tensor, "V 3"]:
        """Return the vertices (V, 3) of Eq. 1, in head half-heights.

        Args:
            alpha: identity coefficients (80,), normally distributed; None means zero, the mean head.
            beta: expression coefficients (64,), 1 being a full expression; None means zero, the neutral face.

        Raises:
            ValueError: a wrong number of coefficients, or NaN.
        """
        points = self.mean.clone()
        for name, value, basis in (("alpha", alpha, self.identity_basis), ("beta", beta, self.expression_basis)):
            if value is None:
                continue
            if value.shape != basis.shape[:1]:
                raise ValueError(f"{name}: expected shape ({len(basis)},), got {tuple(value.shape)}")
            if not torch.isfinite(value).all():
                raise ValueError(f"{name}: expected finite numbers, got NaN or infinity")
            points = points + (value @ basis.flatten(1)).view_as(points)
        return points

    def pose(
        self, points: Float[Tensor, "V 3"], rotation: Float[Tensor, " 3"], translation: Float[Tensor, " 3"]
    ) -> Float[Tensor, "V 3"]:
        """Turn the head about the top of its spine, the shoulders less, and move both.

        Args:
            points: vertices of the neutral pose.
            rotation: pitch, yaw, roll in radians; see :func:`rotation_matrix`.
            translation: right, down, away in head half-heights.
        """
        pivot = points.new_tensor(PIVOT)
        arm = points - pivot
        head = arm @ rotation_matrix(rotation).T
        torso = arm @ rotation_matrix(rotation * rotation.new_tensor(TORSO_SHARE)).T
        return torso + self.follow[:, None] * (head - torso) + pivot + translation

    def posed(
        self, coefficients: Coefficients | Float[Tensor, " 73"], base: Float[Tensor, "V 3"] | None = None
    ) -> Float[Tensor, "V 3"]:
        """Vertices (V, 3) of one frame on the neutral shape ``base`` (an identity's; the mean head's by default).

        The expression is added (Eq. 1), then the rotation turns and the translation moves the result.

        Raises:
            TypeError: ``coefficients`` is neither Coefficients nor a tensor of floating-point numbers.
            ValueError: another number of coefficients or of frames, or NaN.
        """
        row = one_frame(coefficients)
        neutral = self.mean if base is None else base
        moving = self._moving
        moved = neutral.clone()
        moved[: len(moving[0])] += (row[EXPRESSION] @ moving.flatten(1)).view_as(moving[0])
        return self.pose(moved, row[ROTATION], row[TRANSLATION])
