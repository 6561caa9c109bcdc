"""What all materials share: the form of a paint, soft steps, bells, mixtures and grain."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from ..appearance import Appearance, linear

Points = Float[Tensor, "P 3"]
Local = Float[Tensor, "P 2"]
Scalars = Float[Tensor, " P"]
Paint = tuple[Points, Scalars, Scalars]
Material = Callable[[Points, Local, Scalars, Appearance], Paint]


def step(low: float, high: float, value: Scalars) -> Scalars:
    """0 at ``low``, 1 at ``high``, a cubic between them; ``low`` may be the larger of the two."""
    t = ((value - low) / (high - low)).clamp(0, 1)
    return t * t * (3 - 2 * t)


def bell(value: Scalars, centre: float, width: float) -> Scalars:
    """A Gaussian of height one."""
    return torch.exp(-0.5 * ((value - centre) / width) ** 2)


def mix(a: Float[Tensor, "... 3"], b: Float[Tensor, "... 3"], share: Scalars) -> Points:
    """Colour ``a`` where ``share`` is 0, ``b`` where it is 1; either may be one colour (3,)."""
    return a + (b - a) * share[:, None]


def grain(point: Points, scale: float) -> Scalars:
    """Cheap smooth noise in [-1, 1]: products of sines that do not repeat on a head."""
    x, y, z = (point * scale).unbind(-1)
    return torch.sin(x + 1.7 * torch.sin(0.9 * y)) * torch.sin(1.3 * y + 1.1 * torch.sin(1.1 * z + x))


def skin_tone(look: Appearance) -> Float[Tensor, " 3"]:
    """Linear skin colour, a little redder than given: the filmic curve takes colour out of bright skin."""
    return linear(look.skin) * torch.tensor([1.03, 0.93, 0.86])
