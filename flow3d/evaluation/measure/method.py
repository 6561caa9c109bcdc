"""A method under evaluation: a function that re-enacts a source and returns everything that can be measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from ...renderer import FlowRenderer
from ...synthesis.projection import FILL
from ...warping import warp_pixels

Layer = tuple[Float[Tensor, "B 3 S S"], Float[Tensor, "B 1 S S"]]


@dataclass(frozen=True, eq=False)
class Reenacted:
    """B frames of one source; images in [-1, 1]. A field that a method lacks stays None or empty, and is not measured.

    Attributes:
        output: the final frames.
        alpha: the matte with which the method laid its person over the background.
        flow: (dx, dy) backward, from the frame to the source, in pixels.
        layers: the pictures that the output was made from: the person alone, on black, each with its matte.
        unpasted: the output without ``paste_known_background``, where the method has that switch on.
        volume: the 3D flow (dx, dy, dz), backward, in voxels.
    """

    output: Float[Tensor, "B 3 S S"]
    alpha: Float[Tensor, "B 1 S S"] | None = None
    flow: Float[Tensor, "B 2 S S"] | None = None
    layers: Mapping[str, Layer] = field(default_factory=dict)
    unpasted: Float[Tensor, "B 3 S S"] | None = None
    volume: Float[Tensor, "B 3 D H W"] | None = None


# source (3,S,S), its matte (1,S,S), its window (73,27), driving windows (B,73,27)
Method = Callable[[Tensor, Tensor, Tensor, Tensor], Reenacted]


def renderer_method(renderer: FlowRenderer) -> Method:
    """A renderer, strict or extended, as a method to be measured.

    Layers: "refined foreground" with the matte of the output; "decoded warp" and, where the model has them, "warped
    pixels", with the source's matte warped in the same way. A strict model's flow is its volume's, averaged over depth.
    """

    @torch.no_grad()
    def method(source: Tensor, alpha: Tensor, source_window: Tensor, windows: Tensor) -> Reenacted:
        ready = renderer.prepare(source, alpha, source_window)
        stages = renderer.stages(ready, windows)
        layers = {"refined foreground": (stages.person.foreground, stages.alpha)}
        moved = warp_pixels(ready.alpha.expand(len(windows), -1, -1, -1), stages.pixel_flow).clamp(0, 1)
        warps = {"decoded warp": stages.warped, "warped pixels": stages.pixels}
        layers |= {name: (picture, moved) for name, picture in warps.items() if picture is not None}
        unpasted = stages.painted if renderer.config.paste_known_background else None
        return Reenacted(stages.output, stages.alpha, stages.pixel_flow, layers, unpasted, stages.flow)

    return method


def on_background(
    person: Float[Tensor, "*B 3 S S"], alpha: Float[Tensor, "*B 1 S S"], background: Float[Tensor, "3 S S"]
) -> Float[Tensor, "*B 3 S S"]:
    """Lay a person on black, with black in the soft edges, over a background."""
    return (person + (1 - alpha) * (background - FILL)).clamp(-1, 1)
