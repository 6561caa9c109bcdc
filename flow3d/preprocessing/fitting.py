"""Fit the morphable head to five landmarks: weak perspective, most probable pose and identity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..morphable import Appearance, Coefficients, Person, ProceduralHead, rasterise
from ..morphable.head.fields import MOUTH_HALF_WIDTH, MOUTH_Y
from ..morphable.model import PIVOT, rotation_matrix
from ..morphable.rasteriser import Surface
from ..threads import one_thread
from .landmarks import LANDMARK_NAMES, FaceLandmarks

LANDMARK_NOISE = 0.02  # head half-heights: how exactly a person clicks, 2 px in a 256 px crop
ANGLE_SPREAD = 0.5  # radians: how far heads turn in photographs
MAX_ALPHA = 4.0  # standard deviations: no real face lies further from the mean
MAX_ANGLE = 1.1  # radians of pitch or yaw: beyond it five points cannot all be seen
FAR = 500.0  # a camera so far away that perspective is weak


def landmark_vertices(head: ProceduralHead) -> Int[Tensor, " 5"]:
    """Vertices that stand for the five landmarks, in their order."""
    skin = head.slices["skin"]
    points, latitude = head.mean[skin], head.local[skin, 0]
    slit = (latitude - MOUTH_Y).abs() < 1e-4
    off = [
        torch.where(slit & (points[:, 2] < 0), (points[:, 0] - x).abs(), torch.inf)
        for x in (-MOUTH_HALF_WIDTH, MOUTH_HALF_WIDTH)
    ]
    corner = [o.argmin() for o in off]
    nose = points[:, 2].argmin()  # nearest to the viewer
    eyes = [head.slices[name].start for name in ("eye_right", "eye_left")]  # the subject's right is the viewer's left
    return torch.tensor([*eyes, int(nose) + skin.start, *(int(c) + skin.start for c in corner)])


@dataclass(frozen=True)
class HeadFit:
    """A head laid on a photograph: ``pixel = scale * (x, y) + offset`` for posed vertices.

    Attributes:
        person: the fitted identity; ``coefficients`` (1 frame) its pose and expression.
        scale: pixels per head half-height. ``offset``: (x, y) pixels.
        residual: (5,) distances in pixels between the landmarks and the fitted head's.
    """

    person: Person
    coefficients: Coefficients
    scale: float
    offset: tuple[float, float]
    residual: Float[Tensor, " 5"]

    def project(self, coefficients: Coefficients) -> tuple[Float[Tensor, "V 2"], Float[Tensor, " V"]]:
        """Pixel positions and depths (from a far camera, head half-heights) of all vertices for one frame."""
        points = self.person.vertices(coefficients)
        screen = points[:, :2] * self.scale + points.new_tensor(self.offset)
        return screen, points[:, 2] + FAR

    def surface(self, coefficients: Coefficients, size: tuple[int, int]) -> Surface:
        """What each pixel of an image of ``size`` (height, width) sees of the head; depth as in :meth:`project`."""
        screen, depth = self.project(coefficients)
        return rasterise(screen, depth, self.person.faces, size, self.person.double_sided)


@one_thread()
def fit_head(
    landmarks: FaceLandmarks,
    *,
    expression: Mapping[str, float] | None = None,
    hair: str | None = None,
    head: ProceduralHead | None = None,
    iterations: int = 30,
) -> HeadFit:
    """Find the pose, scale and identity under which the head's five points fall on ``landmarks``.

    Ten numbers do not fix 86 unknowns, so the most probable solution is taken: identity coefficients are standard
    normal, angles are about half a radian, clicks are about 2 % of a head off (Gauss-Newton on the sum of squares).

    Args:
        landmarks: five points in pixels of the photograph.
        expression: the photograph's expression by name, for example ``{"smile": 0.8}``; five points do not fix it.
        hair: a hair style that gives the photograph's hair its depth. With None the flow fades out around the bare
            head, which is smoother where no style has the photograph's outline.
        head: the morphable model.
        iterations: Gauss-Newton steps.

    Raises:
        ValueError: an unknown expression or hair style, or landmarks that no face fits.
    """
    model = head or ProceduralHead()
    start = Coefficients.neutral().replace(**(expression or {}))
    chosen = landmark_vertices(model)
    mean = model.shape(None, start.expression[0])[chosen].double()
    basis = model.identity_basis[:, chosen].double().flatten(1)  # (80, 15)
    wanted = landmarks.points()
    unit = (wanted[3:].mean(0) - wanted[:2].mean(0)).norm() / 0.6
    pivot = mean.new_tensor(PIVOT)

    def place(unknown: Tensor) -> Tensor:
        """Pixels (5, 2) of the five points for (pitch, yaw, roll, log scale, x, y, alpha)."""
        angles, log_scale, shift, alpha = unknown[:3], unknown[3], unknown[4:6], unknown[6:]
        points = mean + (alpha @ basis).view_as(mean)
        turned = (points - pivot) @ rotation_matrix(angles).T + pivot
        return (turned[:, :2] * log_scale.exp() + shift) * unit + wanted[:2].mean(0)

    def residuals(unknown: Tensor) -> Tensor:
        return torch.cat(
            [(place(unknown) - wanted).flatten() / (LANDMARK_NOISE * unit), unknown[:3] / ANGLE_SPREAD, unknown[6:]]
        )

    unknown = torch.zeros(6 + len(basis), dtype=torch.float64)
    for _ in range(iterations):
        jacobian = torch.autograd.functional.jacobian(residuals, unknown)
        step = torch.linalg.lstsq(jacobian, -residuals(unknown)[:, None]).solution[:, 0]
        unknown = unknown + step * min(1.0, 0.5 / float(step[:4].abs().max().clamp_min(1e-9)))
    error = (place(unknown) - wanted).norm(dim=1)
    far_off = float(error.max()) > 0.15 * float(unit) or float(unknown[:2].abs().max()) > MAX_ANGLE
    if not torch.isfinite(unknown).all() or far_off or float(unknown[6:].abs().max()) > MAX_ALPHA:
        raise ValueError(
            "landmarks: expected five points of one face; the best fit misses "
            f"{LANDMARK_NAMES[int(error.argmax())]} by {float(error.max()):.0f} px, at pitch "
            f"{float(unknown[0]):.1f} and yaw {float(unknown[1]):.1f} rad"
        )
    scale = float(unit * unknown[3].exp())
    offset = unknown[4:6] * unit + wanted[:2].mean(0)
    named = dict(zip(("pitch", "yaw", "roll"), unknown[:3].tolist(), strict=True))
    person = Person(unknown[6:].float(), Appearance(hair=hair), model, without=("neck", "cloth"))
    return HeadFit(person, start.replace(**named), scale, (float(offset[0]), float(offset[1])), error.float())
