"""A photograph that can be turned: the fitted head gives every pixel a depth, hence a 3D flow for any change."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from flow3d_kernels import warp3d

from ..checks import check_image
from ..morphable import Coefficients
from ..morphable.coefficients import EXPRESSION, ROTATION
from ..morphable.head.parts import MATERIAL
from ..morphable.rasteriser import Surface
from ..threads import one_thread
from .fitting import HeadFit

FADE = 0.9  # head half-heights over which the flow fades to zero outside the head
HIDDEN = 0.04  # head half-heights: a point this far behind the seen surface is hidden in the photograph
MOUTH = ("bag", "teeth", "tongue")


class Portrait:
    """A photograph with a head fitted to it, re-posed by an analytic flow: nothing is learnt here.

    Args:
        image: the photograph (3,H,W) in [-1, 1].
        fit: the head fitted to it, see :func:`flow3d.preprocessing.fit_head`.

    Example:
        >>> photo, points = crop_portrait(*astronaut())
        >>> portrait = Portrait(photo, fit_head(points, expression=ASTRONAUT_EXPRESSION))
        >>> turned = portrait.change(yaw=0.3)
    """

    def __init__(self, image: Float[Tensor, "3 H W"], fit: HeadFit) -> None:
        check_image(image, "image")
        self.image, self.fit = image, fit
        self.size = (image.shape[1], image.shape[2])
        self._screen, self._depth = fit.project(fit.coefficients)
        self._surface = fit.surface(fit.coefficients, self.size)

    @property
    def depth(self) -> Float[Tensor, "1 H W"]:
        """Depth of the head behind its own centre, head half-heights; infinite beside the head."""
        return (self._surface.depth - (self._depth.mean()))[None]

    @property
    def silhouette(self) -> Float[Tensor, "1 H W"]:
        """1 where the fitted head (with neck, hair and shoulders) lies."""
        return self._surface.hit[None].float()

    def coefficients(self, **changes: float) -> Coefficients:
        """The fitted coefficients plus ``changes`` by name, for example ``yaw=0.3, jaw_open=0.8``."""
        base = self.fit.coefficients
        return base.replace(**{name: base[name] + value for name, value in changes.items()})

    def flow(self, target: Coefficients) -> Float[Tensor, "3 H W"]:
        """Backward flow from the photograph with the coefficients ``target`` to the photograph as it is, in pixels.

        The flow is exact where the photograph shows the fitted head. Hidden points follow their visible neighbours, and
        outside the silhouette the flow fades smoothly to zero. dz is in pixels too.
        """
        return self._move(target)[0]

    def change(self, *, paint_mouth: bool = True, **changes: float) -> Float[Tensor, "3 H W"]:
        """The photograph (3,H,W) with ``changes`` added to the fitted coefficients, warped by ``warp3d``."""
        return self.render(self.coefficients(**changes), paint_mouth=paint_mouth)

    def drive(self, motion: Coefficients) -> Iterator[Float[Tensor, "3 H W"]]:
        """The photograph, frame by frame, with the expressions of ``motion`` and its turns since its first frame.

        Expressions are taken as they are. The driver's turns since its first frame are added to the photograph's
        rotation. The driver's place and crop are ignored.
        """
        base = self.fit.coefficients.values[0]
        for frame in motion.values:
            target = base.clone()
            target[EXPRESSION] = frame[EXPRESSION]
            target[ROTATION] += frame[ROTATION] - motion.values[0, ROTATION]
            yield self.render(Coefficients(target[None]))

    @one_thread()
    def render(self, target: Coefficients, *, paint_mouth: bool = True) -> Float[Tensor, "3 H W"]:
        """The photograph (3,H,W) with the coefficients ``target``.

        Args:
            target: one frame of coefficients.
            paint_mouth: draw the head's own teeth and mouth where a shut mouth opens, since no warp can show them.
        """
        flow, inside, seen = self._move(target)
        plane = torch.cat([flow[:2], torch.zeros_like(flow[:1])])  # the photograph is a volume of one slice
        warped = warp3d(self.image[None, :, None], plane[None, :, None])[0, :, 0]
        if not paint_mouth or not bool(inside.any()):
            return warped
        there = Surface(torch.where(inside, seen.face, -1), seen.weights, seen.depth)
        colour = self.fit.person.shade(there, target)
        soft = cv2.GaussianBlur(inside.numpy().astype(np.float32), (0, 0), 0.004 * self.size[0])
        share = torch.from_numpy(soft)[None] * inside
        return warped * (1 - share) + colour * share

    @one_thread()
    def _move(self, target: Coefficients) -> tuple[Float[Tensor, "3 H W"], Bool[Tensor, "H W"], Surface]:
        """The flow, a mask of the mouth's inside where the photograph hides it, and the target's surface."""
        seen = self.fit.surface(target, self.size)
        hit = seen.hit
        corner = self.fit.person.faces[seen.face[hit]]  # (P, 3)
        # the weights are perspective-correct for the far camera; multiplied by depth, they are affine in the picture
        now = self.fit.project(target)[1][corner]  # (P, 3) depths
        weights = seen.weights[hit] * now
        weights = weights / weights.sum(1, keepdim=True)
        place = (self._screen[corner] * weights[..., None]).sum(1)  # (P, 2) in the photograph
        depth = (self._depth[corner] * weights).sum(1)
        here = hit.nonzero().flip(-1).float()
        flow = torch.zeros(3, *self.size)
        dz = (depth - (now * weights).sum(1)) * self.fit.scale
        flow[:, hit] = torch.cat([place - here, dz[:, None]], 1).T
        x, y = (place[:, k].round().long().clamp(0, self.size[1 - k] - 1) for k in (0, 1))
        hidden = depth > self._surface.depth[y, x] + HIDDEN
        mouth = torch.zeros(hit.shape, dtype=torch.bool)
        material = self.fit.person.material[seen.face[hit]]
        mouth[hit] = hidden & torch.isin(material, torch.tensor([MATERIAL[name] for name in MOUTH]))
        known = hit.clone()  # hidden points would show what covers them, so they follow their neighbours
        known[hit] = ~hidden
        return _fade(flow, known, FADE * self.fit.scale), mouth, seen


def _fade(flow: Float[Tensor, "3 H W"], hit: Bool[Tensor, "H W"], reach: float) -> Float[Tensor, "3 H W"]:
    """Continue ``flow`` beyond the pixels ``hit`` by their nearest values, smoothed, to zero at ``reach`` pixels."""
    outside = (~hit).numpy().astype(np.uint8)
    if not outside.any() or outside.all():
        return flow
    distance, nearest = cv2.distanceTransformWithLabels(outside, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    field = flow.permute(1, 2, 0).numpy()
    owner = np.zeros((int(nearest.max()) + 1, 3), np.float32)
    owner[nearest[outside == 0]] = field[outside == 0]
    spread = owner[nearest]
    # nearest values jump along rays; the farther out, the smoother they have to be
    smooth = cv2.GaussianBlur(spread, (0, 0), 0.25 * reach)
    share = np.clip(distance / (0.5 * reach), 0, 1)[..., None]
    spread = spread * (1 - share) + smooth * share
    t = np.clip(1 - distance / reach, 0, 1)[..., None]
    faded = spread * (t * t * (3 - 2 * t))
    return torch.from_numpy(np.where(outside[..., None] > 0, faded, field)).permute(2, 0, 1).float().contiguous()
