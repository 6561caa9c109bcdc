"""The base of every rival: a network that takes a request for a frame, finds a motion, and paints with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ...config import preset
from ...datasets.batch import Batch
from ...synthesis.refine import NEARLY_ONE
from ...warping import MappingNetwork, warp_pixels

Scalar = Float[Tensor, ""]


@dataclass(frozen=True)
class Widths:
    """Sizes of a rival at one preset.

    Attributes:
        preset: gives the size of the image and the length of the motion vector.
        motion: channels of the levels of the network that finds the motion.
        paint: channels of the network that paints.
        points: keypoints, where the method has them.
        residual: add the painter's output to the source's warped pixels, where the method has a flow.
    """

    preset: str
    motion: tuple[int, ...]
    paint: tuple[int, ...]
    points: int = 10
    residual: bool = True

    @property
    def size(self) -> int:
        """Side of the image in pixels."""
        return preset(self.preset).size

    @property
    def z(self) -> int:
        """Length of the motion vector."""
        return preset(self.preset).motion

    @property
    def hidden(self) -> int:
        """Width of the layer between motion vector and scale and bias."""
        return preset(self.preset).adain_hidden


@dataclass(frozen=True, eq=False)
class Request:
    """B sources with driving windows and driving pictures; a rival reads only one of the two."""

    source: Float[Tensor, "B 3 S S"]
    source_window: Float[Tensor, "B 73 27"]
    driving: Float[Tensor, "B 3 S S"]
    driving_window: Float[Tensor, "B 73 27"]


@dataclass(frozen=True, eq=False)
class Motion:
    """A rival's motion, from which it paints.

    Attributes:
        flow: (dx, dy) backward in pixels, from the frame to the source; None where the method has no such flow.
        warped: the source's pixels moved by the flow, where the method's paper trains them too.
        parts: other tensors that the method's painting and losses need.
    """

    flow: Float[Tensor, "B 2 S S"] | None
    warped: Float[Tensor, "B 3 S S"] | None = None
    parts: dict[str, Tensor] = field(default_factory=dict)


class Rival(nn.Module):
    """A method to compare with. None of them separates person and background: all paint the whole frame.

    Attributes:
        paper: who described it.
        driven_by: the 3DMM coefficients, or the driving picture itself.
        style: weight of the style loss, for papers that have one.
        widths: its sizes at the presets that it supports.
    """

    paper: ClassVar[str]
    driven_by: ClassVar[Literal["coefficients", "picture"]]
    style: ClassVar[float] = 0.0
    widths: ClassVar[dict[str, Widths]]

    def __init__(self, widths: Widths) -> None:
        super().__init__()
        self.size, self.residual = widths.size, widths.residual

    def motion(self, request: Request) -> Motion:
        """Find the motion."""
        raise NotImplementedError

    def paint(self, request: Request, motion: Motion) -> Float[Tensor, "B 3 S S"]:
        """Paint the frame, in [-1, 1]."""
        raise NotImplementedError

    def coloured(
        self,
        raw: Float[Tensor, "B 3 S S"],
        request: Request,
        motion: Motion,
        visible: Float[Tensor, "B 1 S S"] | float = 1.0,
    ) -> Float[Tensor, "B 3 S S"]:
        """The frame from a painter's raw output, added to the source's warped pixels where they are visible.

        Our own refiner starts from these pixels too; no rival's paper does. Without them a painter spends a small
        budget on learning to copy, and the comparison is one of painters rather than of motions.
        """
        if not self.residual or motion.flow is None:
            return torch.tanh(2 * raw)
        pixels = warp_pixels(request.source, motion.flow) if motion.warped is None else motion.warped
        return torch.tanh(torch.atanh(NEARLY_ONE * pixels) * visible + 2 * raw)

    def own_losses(self, request: Request, motion: Motion, batch: Batch, depths: Depths | None) -> dict[str, Scalar]:
        """The weighted terms that only this method's paper has."""
        return {}

    def forward(self, request: Request) -> tuple[Float[Tensor, "B 3 S S"], Motion]:
        """The frame, and the motion it was painted with."""
        motion = self.motion(request)
        return self.paint(request, motion), motion

    def standardise(self, coefficients: Float[Tensor, "N 73"]) -> None:
        """Set mean and deviation of the training coefficients in every mapping network."""
        for module in self.modules():
            if isinstance(module, MappingNetwork):
                module.standardise(coefficients)


# true depth of source and driving frame: 0 at the head's centre, -1 near, 1 far and on the background
Depths = tuple[Float[Tensor, "B 1 S S"], Float[Tensor, "B 1 S S"]]


def check_request(request: Request, size: int) -> None:
    """Raise ValueError unless both pictures have this size, one for each window, and the windows are finite."""
    count = len(request.source_window)
    for name in ("source", "driving"):
        picture = getattr(request, name)
        if tuple(picture.shape[1:]) != (3, size, size) or len(picture) != count:
            raise ValueError(f"{name}: expected {count} x 3 x {size} x {size}, got {picture.shape}")
    if not all(bool(torch.isfinite(getattr(request, n)).all()) for n in ("source_window", "driving_window")):
        raise ValueError("windows: expected finite numbers, got NaN or infinity")
