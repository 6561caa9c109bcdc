"""Exercises of notebook 05: the two layers of a refined person, Gram matrices, and sharpness."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from flow3d.evaluation.scores.metrics import gradient
from flow3d.synthesis import compose, cut_out
from flow3d.teach.exercises.exercise import Exercise
from flow3d.training import gram

Image = Float[Tensor, "B 3 S S"]
Layer = Float[Tensor, "B 1 S S"]
Maps = Float[Tensor, "B C H W"]
Where = Bool[Tensor, "H W"]


def _layers(mask: float | None = None, alpha: float | None = None) -> tuple[Image, Image, Layer, Layer]:
    """Painted and warped pixels in [-1, 1], mask and matte in [0, 1]: random, or the numbers given."""
    generator = torch.Generator().manual_seed(5)
    painted, pixels = (2 * torch.rand(2, 3, 8, 8, generator=generator) - 1 for _ in range(2))
    soft = [torch.rand(2, 1, 8, 8, generator=generator) for _ in range(2)]
    m, a = (s if value is None else torch.full_like(s, value) for s, value in zip(soft, (mask, alpha), strict=True))
    return painted, pixels, m, a


def _grey_outside(painted: Image, pixels: Image, mask: Layer, alpha: Layer) -> Image:
    return alpha * compose(painted, pixels, mask)


def _alpha_on_painted_alone(painted: Image, pixels: Image, mask: Layer, alpha: Layer) -> Image:
    return mask * pixels + (1 - mask) * cut_out(painted, alpha)


def _maps(batch: int, channels: int, height: int, width: int, mean: float = 0.0) -> Maps:
    return mean + torch.randn(batch, channels, height, width, generator=torch.Generator().manual_seed(channels))


def _centred(maps: Maps) -> Float[Tensor, "B C C"]:
    return gram(maps - maps.mean((2, 3), keepdim=True))


def _whole_batch(maps: Maps) -> Float[Tensor, "B C C"]:
    return gram(maps).mean(0, keepdim=True).expand(len(maps), -1, -1)


def _unit_rows(maps: Maps) -> Float[Tensor, "B C C"]:
    rows = torch.nn.functional.normalize(maps.flatten(2), dim=2)
    return rows @ rows.mT


def _picture() -> Float[Tensor, "3 H W"]:
    return torch.rand(3, 9, 12, generator=torch.Generator().manual_seed(7))


def _ramp(dx: float, dy: float) -> Float[Tensor, "3 H W"]:
    y, x = torch.meshgrid(torch.arange(9.0), torch.arange(12.0), indexing="ij")
    return (dx * x + dy * y).expand(3, 9, 12).clone()


def _everywhere() -> Where:
    return torch.ones(9, 12, dtype=torch.bool)


def _disc() -> Where:
    y, x = torch.meshgrid(torch.arange(9.0), torch.arange(12.0), indexing="ij")
    return (x - 6).square() + (y - 4).square() < 12


def _differences(image: Float[Tensor, "3 H W"]) -> tuple[Tensor, Tensor]:
    return image[:, :-1, 1:] - image[:, :-1, :-1], image[:, 1:, :-1] - image[:, :-1, :-1]


def _inside(where: Where) -> Bool[Tensor, "h w"]:
    return where[:-1, :-1] & where[:-1, 1:] & where[1:, :-1]


def _city_block(image: Float[Tensor, "3 H W"], where: Where) -> float:
    dx, dy = _differences(image)
    return float((dx.abs() + dy.abs())[:, _inside(where)].mean())


def _signed(image: Float[Tensor, "3 H W"], where: Where) -> float:
    dx, dy = _differences(image)
    return float((dx + dy)[:, _inside(where)].mean())


def _edge_counted(image: Float[Tensor, "3 H W"], where: Where) -> float:
    return gradient(torch.where(where, image, 0.0), torch.ones_like(where))


EXERCISES = [
    Exercise(
        name="compose",
        reference=compose,
        cases={
            "warped pixels alone": lambda: _layers(mask=1.0, alpha=1.0),
            "the painted layer alone": lambda: _layers(mask=0.0, alpha=1.0),
            "nobody there": lambda: _layers(alpha=0.0),
            "soft mask and matte": lambda: _layers(),
        },
        mistakes={
            "mask and painted layer the wrong way round": lambda p, w, m, a: compose(p, w, 1 - m, a),
            "grey (0) outside the person instead of black (-1)": _grey_outside,
            "the matte on the painted layer alone": _alpha_on_painted_alone,
            "mask and matte swapped": lambda p, w, m, a: compose(p, w, a, m),
            "no matte": lambda p, w, m, a: compose(p, w, m),
        },
        hint="Mix the two layers first; then let alpha choose between the mixture and black, which is -1 here.",
    ),
    Exercise(
        name="gram",
        reference=gram,
        cases={
            "one map": lambda: (_maps(1, 1, 4, 4),),
            "three channels": lambda: (_maps(1, 3, 5, 7),),
            "channels with a mean": lambda: (_maps(1, 4, 6, 6, mean=2.0),),
            "a batch": lambda: (_maps(3, 5, 4, 6, mean=0.5),),
        },
        mistakes={
            "divided by the pixels but not by the channels": lambda maps: gram(maps) * maps.shape[1],
            "not divided at all": lambda maps: gram(maps) * maps[0].numel(),
            "each channel's mean taken off (a covariance)": _centred,
            "each channel scaled to length one (a cosine)": _unit_rows,
            "one matrix for the whole batch": _whole_batch,
        },
        hint="Flatten the pixels: rows (B, C, N). Every entry is the dot product of two rows, over C N.",
    ),
    Exercise(
        name="sharpness",
        reference=gradient,
        cases={
            "a flat picture": lambda: (_ramp(0.0, 0.0), _everywhere()),
            "a slope of (0.3, -0.4)": lambda: (_ramp(0.3, -0.4), _everywhere()),
            "a picture": lambda: (_picture(), _everywhere()),
            "inside a region": lambda: (_picture(), _disc()),
        },
        mistakes={
            "|dx| + |dy| instead of the length": _city_block,
            "signs kept, so that slopes cancel": _signed,
            "the region's edge counted as an edge": _edge_counted,
            "the region ignored": lambda image, where: gradient(image, torch.ones_like(where)),
        },
        hint="Differences to the right and lower neighbour; keep the pixels for which all three lie in the region.",
    ),
]
