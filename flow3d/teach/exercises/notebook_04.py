"""Exercises of notebook 04: the cyclic warp loss (Eq. 3), and two flows in a row."""

import torch
from jaxtyping import Float
from torch import Tensor

from flow3d.evaluation.scores.consistency import compose_flows
from flow3d.teach.exercises.exercise import Exercise
from flow3d.training import loss_cw
from flow3d.warping import warp_pixels

Pictures = Float[Tensor, "B 3 H W"]
Flows = Float[Tensor, "B 2 S S"]


def _pictures(number: int, batch: int = 2) -> tuple[Pictures, Pictures]:
    generator = torch.Generator().manual_seed(number)
    first, second = (2 * torch.rand(batch, 3, 8, 8, generator=generator) - 1 for _ in range(2))
    return first, second


def _one_pixel_off() -> tuple[Pictures, Pictures]:
    first, _ = _pictures(3)
    second = first.clone()
    second[0, 1, 2, 5] += 0.75
    return second, first


def _constant(dx: float, dy: float) -> Flows:
    return torch.tensor([float(dx), float(dy)])[None, :, None, None].repeat(1, 1, 8, 8)


def _bent(number: int, scale: float) -> Flows:
    coarse = scale * torch.randn(1, 2, 3, 3, generator=torch.Generator().manual_seed(number))
    return torch.nn.functional.interpolate(coarse, size=(8, 8), mode="bilinear", align_corners=True)


EXERCISES = [
    Exercise(
        name="loss_cw",
        reference=loss_cw,
        cases={
            "the picture itself": lambda: (_pictures(1)[0], _pictures(1)[0]),
            "two pictures": lambda: _pictures(2),
            "one value off by 0.75": _one_pixel_off,
        },
        mistakes={
            "the sum instead of the mean": lambda i_bw, i: (i_bw - i).abs().sum(),
            "squared differences": lambda i_bw, i: (i_bw - i).square().mean(),
            "a mean in which differences cancel": lambda i_bw, i: (i_bw - i).mean().abs(),
            "one number for each picture": lambda i_bw, i: (i_bw - i).abs().mean((1, 2, 3)),
        },
        hint="absolute differences, then one mean over everything",
    ),
    Exercise(
        name="compose_flows",
        reference=compose_flows,
        cases={
            "there and back by two pixels": lambda: (_constant(2, 0), _constant(-2, 0)),
            "a bend, then a shift": lambda: (_bent(4, 2.0), _constant(1, -2)),
            "two bends": lambda: (_bent(5, 1.5), _bent(6, 1.5)),
        },
        mistakes={
            "added pixel by pixel": lambda first, second: first + second,
            "the second flow sampled by the first": lambda first, second: first + warp_pixels(second, first),
            "the way of the second flow forgotten": lambda first, second: warp_pixels(first, second),
            "the second flow read forwards": lambda first, second: second + warp_pixels(first, -second),
        },
        hint="a flow is a picture of two channels, so warp_pixels can sample it",
    ),
]
