"""Person and background: cut out (B,3,H,W) by a matte (B,1,H,W), and lay over a background (sections 3.1, 3.4)."""

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

FILL = -1.0  # black: the colour where the person, or the background, is not known


def cut_out(image: Float[Tensor, "B 3 H W"], alpha: Float[Tensor, "B 1 H W"]) -> Float[Tensor, "B 3 H W"]:
    """The person on black: ``alpha * image + (1 - alpha) * FILL``.

    Convention:
        Images are in [-1, 1], mattes in [0, 1]. A matte of 1 returns the image, of 0 black.
    """
    return alpha * image + (1 - alpha) * FILL


def hole_of(source_alpha: Float[Tensor, "B 1 H W"], alpha: Float[Tensor, "B 1 H W"]) -> Float[Tensor, "B 1 H W"]:
    """1 where the source hid the background and the projected person does not cover it: the blank of section 3.4."""
    return source_alpha * (1 - alpha)


def widen(alpha: Float[Tensor, "B 1 H W"], margin: int) -> Float[Tensor, "B 1 H W"]:
    """A matte that reaches ``margin`` pixels farther: the largest value of each square of 2 margin + 1 pixels.

    Convention:
        Mattes are in [0, 1]. A margin of 0 returns the matte.
    """
    return alpha if margin == 0 else functional.max_pool2d(alpha, 2 * margin + 1, 1, margin)


def project(
    foreground: Float[Tensor, "B 3 H W"],
    alpha: Float[Tensor, "B 1 H W"],
    source: Float[Tensor, "B 3 H W"],
    source_alpha: Float[Tensor, "B 1 H W"],
) -> Float[Tensor, "B 3 H W"]:
    """Lay a person cut out on black over the source's background, blank where the source's person stood.

    ``foreground`` already holds ``FILL`` in its soft edges, so it is added rather than blended a second time, which
    would darken them twice.

    Convention:
        Both pictures are in [-1, 1]. With the source's own person and matte, and a matte of zeros and ones, the source
        comes back.
    """
    background = cut_out(source, 1 - source_alpha)
    return foreground + (1 - alpha) * (background - FILL)
