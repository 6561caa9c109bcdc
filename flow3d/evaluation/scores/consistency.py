"""Two flows, one after the other: their composition, and the distance after a way there and back."""

from jaxtyping import Bool, Float
from torch import Tensor

from ...warping import warp_pixels


def compose_flows(first: Float[Tensor, "B 2 S S"], second: Float[Tensor, "B 2 S S"]) -> Float[Tensor, "B 2 S S"]:
    """The one backward flow that does what ``first`` and then ``second`` do, (dx, dy) in pixels.

    Pixel p of the second picture shows the first picture at ``p + second(p)``, and ``first`` says where that came from.
    So the first flow is sampled where the second one points, not added pixel by pixel.
    """
    return second + warp_pixels(first, second)


def cycle_distance(
    forward: Float[Tensor, "B 2 S S"], backward: Float[Tensor, "B 2 S S"], where: Bool[Tensor, "B 1 S S"]
) -> float:
    """How far a pixel of ``where`` ends from where it began, there and back; mean in pixels, 0 for inverse flows.

    Raises:
        ValueError: ``where`` holds no pixel.
    """
    if not bool(where.any()):
        raise ValueError("where: expected at least one pixel, got none")
    return float(compose_flows(forward, backward).norm(dim=1, keepdim=True)[where].mean())
