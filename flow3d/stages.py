"""What a frame passes through: a source prepared once, the projected person, and every intermediate (Fig. 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor

from .synthesis import Refined
from .warping import Encoded, Warped


@dataclass(frozen=True, eq=False)
class Prepared:
    """B sources, prepared once for all motions; :meth:`flow3d.FlowRenderer.prepare` makes it of one picture.

    Attributes:
        image: the pictures in [-1, 1].
        alpha: their mattes.
        encoded: what the warping stage computed from them.
        motion: their own motion vectors, None where they are not known.
        hidden: where they do not show the background: their mattes, widened by ``hole_margin``.
        plate: the background as the inpainter paints it without a person; None in a model without
            ``background_plate``.
    """

    image: Float[Tensor, "B 3 S S"]
    alpha: Float[Tensor, "B 1 S S"]
    encoded: Encoded
    motion: Float[Tensor, "B Z"] | None
    hidden: Float[Tensor, "B 1 S S"]
    plate: Float[Tensor, "B 3 S S"] | None = None

    def expand(self, batch: int) -> Prepared:
        """One source for ``batch`` motions, without a copy."""

        def repeated(value: Tensor | None) -> Any:
            return None if value is None else value.expand(batch, *value.shape[1:])

        image, alpha, motion, hidden, plate = map(
            repeated, (self.image, self.alpha, self.motion, self.hidden, self.plate)
        )
        return Prepared(image, alpha, self.encoded.expand(batch), motion, hidden, plate)


@dataclass(frozen=True, eq=False)
class Projected:
    """The person that is laid over the background: a picture on black and its matte.

    ``refined`` is the result of stage 3; it is None where the person does not come from the refiner.
    """

    foreground: Float[Tensor, "B 3 S S"]
    alpha: Float[Tensor, "B 1 S S"]
    refined: Refined | None = None


@dataclass(frozen=True, eq=False)
class Stages:
    """All results of B frames, stage by stage, in the order of Fig. 2.

    Attributes:
        z: the driving motion vectors.
        warp: stage 2: flow, warped volume and picture.
        person: stage 3: the refined person and the matte it is projected with.
        composite: the person on the source's background, blank where the source's person stood.
        hole: 1 where background must be invented.
        painted: the inpainter's own picture, before known pixels are pasted back; with ``background_plate``, the
            person over the plate.
        output: the frames.
        volume: the source's feature volume f.
    """

    z: Float[Tensor, "B Z"]
    warp: Warped
    person: Projected
    composite: Float[Tensor, "B 3 S S"]
    hole: Float[Tensor, "B 1 S S"]
    painted: Float[Tensor, "B 3 S S"]
    output: Float[Tensor, "B 3 S S"]
    volume: Float[Tensor, "B F D H W"]

    @property
    def flow(self) -> Float[Tensor, "B 3 D H W"]:
        """The 3D flow, backward, in voxels (dx, dy, dz)."""
        return self.warp.flow

    @property
    def pixel_flow(self) -> Float[Tensor, "B 2 S S"]:
        """The flow seen from the front, backward, in pixels (dx, dy)."""
        return self.warp.pixel_flow

    @property
    def warped(self) -> Float[Tensor, "B 3 S S"]:
        """The decoded warp w."""
        return self.warp.image

    @property
    def pixels(self) -> Float[Tensor, "B 3 S S"] | None:
        """The source's own pixels, warped; None in a model without ``rgb_warp``."""
        return self.warp.pixels

    @property
    def alpha(self) -> Float[Tensor, "B 1 S S"]:
        """The projected person's matte."""
        return self.person.alpha

    @property
    def refined(self) -> Float[Tensor, "B 3 S S"]:
        """What the refiner painted; on black in a model with a matte of its own, else not cut out yet."""
        return self.person.foreground if self.person.refined is None else self.person.refined.foreground

    @property
    def mask(self) -> Float[Tensor, "B 1 S S"] | None:
        """The mask between warped pixels and paint; None in a model without one."""
        return None if self.person.refined is None else self.person.refined.mask

    def pictures(self) -> dict[str, Float[Tensor, "B C S S"]]:
        """Every picture and mask by name, in order; those that the model does not have are absent."""
        names = ("warped", "pixels", "mask", "refined", "alpha", "composite", "hole", "output")
        return {name: value for name in names if (value := getattr(self, name)) is not None}
