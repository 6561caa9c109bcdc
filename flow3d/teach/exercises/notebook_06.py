"""Exercises of notebook 06: the hole, laying the person over the background, and decibels in the hole."""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from flow3d.evaluation.scores.metrics import psnr
from flow3d.synthesis.projection import FILL, cut_out, hole_of, project
from flow3d.teach.exercises.exercise import Exercise

Image = Float[Tensor, "B 3 H W"]
Matte = Float[Tensor, "B 1 H W"]


def _image(seed: int) -> Image:
    return 2 * torch.rand(2, 3, 6, 7, generator=torch.Generator().manual_seed(seed)) - 1


def _soft(seed: int) -> Matte:
    return torch.rand(2, 1, 6, 7, generator=torch.Generator().manual_seed(seed))


def _box(left: int) -> Matte:
    """A hard matte of four columns."""
    alpha = torch.zeros(2, 1, 6, 7)
    alpha[..., left : left + 4] = 1
    return alpha


def _layers(alpha: Matte, source_alpha: Matte) -> tuple[Image, Matte, Image, Matte]:
    return cut_out(_image(3), alpha), alpha, _image(4), source_alpha


def _blended_twice(foreground: Image, alpha: Matte, source: Image, source_alpha: Matte) -> Image:
    return alpha * foreground + (1 - alpha) * cut_out(source, 1 - source_alpha)


def _fill_counted_twice(foreground: Image, alpha: Matte, source: Image, source_alpha: Matte) -> Image:
    return foreground + (1 - alpha) * cut_out(source, 1 - source_alpha)


def _over_the_whole_source(foreground: Image, alpha: Matte, source: Image, source_alpha: Matte) -> Image:
    return foreground + (1 - alpha) * (source - FILL)


def _two_pictures(pixels: str) -> tuple[Float[Tensor, "3 H W"], Float[Tensor, "3 H W"], Bool[Tensor, "H W"]]:
    """Pictures that differ more in a quarter of the frame, and which pixels count."""
    a, b = _image(5)[0], _image(6)[0]
    where = torch.zeros(6, 7, dtype=torch.bool)
    where[:3, :4] = True
    b = torch.where(where, b, 0.9 * a + 0.1 * b)
    return a, b, where if pixels == "hole" else torch.ones_like(where)


def _gap(a: Tensor, b: Tensor, where: Tensor) -> float:
    return float((a - b)[:, where].abs().mean())


def _zeros_counted(a: Tensor, b: Tensor, where: Tensor) -> float:
    return float(10 * torch.log10(4 / ((a - b) * where).square().mean()))


EXERCISES = [
    Exercise(
        name="hole_of",
        reference=hole_of,
        cases={
            "two boxes": lambda: (_box(0), _box(2)),
            "the same box": lambda: (_box(1), _box(1)),
            "soft mattes": lambda: (_soft(5), _soft(6)),
        },
        mistakes={
            "source and new person swapped": lambda source_alpha, alpha: hole_of(alpha, source_alpha),
            "the whole of the source's person": lambda source_alpha, alpha: source_alpha.clone(),
            "both sides of the move": lambda source_alpha, alpha: (source_alpha - alpha).abs(),
            "a difference, wrong where both are soft": lambda source_alpha, alpha: (source_alpha - alpha).clamp_min(0),
            "what neither covers": lambda source_alpha, alpha: (1 - source_alpha) * (1 - alpha),
        },
        hint="the source's person stood here, and the new one does not: both must hold, so multiply",
    ),
    Exercise(
        name="project",
        reference=project,
        cases={
            "hard mattes": lambda: _layers(_box(2), _box(0)),
            "a soft new person": lambda: _layers(_soft(7), _box(0)),
            "soft mattes": lambda: _layers(_soft(7), _soft(8)),
        },
        mistakes={
            "blended twice: the soft edge is darkened": _blended_twice,
            "the background's FILL not taken out before adding": _fill_counted_twice,
            "no hole: the source's person still stands there": _over_the_whole_source,
            "the new person's matte cuts the background": lambda f, alpha, source, _: project(f, alpha, source, alpha),
        },
        hint="background = cut_out(source, 1 - source_alpha); subtract FILL from it, multiply by 1 - alpha, then add",
    ),
    Exercise(
        name="hole_psnr",
        reference=psnr,
        cases={
            "in a hole": lambda: _two_pictures("hole"),
            "over the whole frame": lambda: _two_pictures("all"),
        },
        mistakes={
            "pixels beside the hole counted as right": _zeros_counted,
            "the whole frame, whatever the mask": lambda a, b, where: psnr(a, b, torch.ones_like(where)),
            "beside the hole instead of inside": lambda a, b, where: psnr(a, b, where if where.all() else ~where),
            "a peak of 1": lambda a, b, where: psnr(a, b, where) - 20 * math.log10(2),
            "a peak of 255": lambda a, b, where: psnr(a, b, where) + 20 * math.log10(255 / 2),
            "the error's size instead of its square": lambda a, b, where: 10 * math.log10(4 / _gap(a, b, where)),
        },
        hint="(a - b)[:, where] picks the pixels of all three channels; then square, mean, logarithm",
    ),
]
