"""Exercises of notebook 02: sampling an image by a flow, and the best affine map."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from flow3d.evaluation.scores.metrics import affine_flow, warp_image
from flow3d.teach.exercises.exercise import Exercise

Image = Float[Tensor, "C H W"]
Flow = Float[Tensor, "3 H W"]
Where = Bool[Tensor, "H W"]


def _picture() -> Image:
    return torch.rand(3, 7, 9, generator=torch.Generator().manual_seed(1))


def _flow(scale: float) -> Flow:
    return scale * torch.randn(3, 7, 9, generator=torch.Generator().manual_seed(2))


def _constant(dx: float, dy: float) -> Flow:
    return torch.tensor([dx, dy, 0.0])[:, None, None].repeat(1, 7, 9)


def _corner_aligned(image: Image, flow: Flow) -> Image:
    """The trap of many published grids: pixel positions scaled by (n - 1) / n, so that zero flow shrinks."""
    height, width = image.shape[1:]
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
    shrunk = torch.stack([(x - middle_x) / width, (y - middle_y) / height, 0.0 * x])
    return warp_image(image, flow - shrunk)


def _zeros_beyond(image: Image, flow: Flow) -> Image:
    height, width = image.shape[1:]
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    px, py = x + flow[0], y + flow[1]
    inside = (px >= 0) & (px <= width - 1) & (py >= 0) & (py <= height - 1)
    return warp_image(image, flow) * inside


def _turned(where_from: str) -> tuple[Flow, Where]:
    """A flow that no affine map fits exactly, and the pixels that count."""
    generator = torch.Generator().manual_seed(3)
    y, x = torch.meshgrid(torch.arange(8.0), torch.arange(10.0), indexing="ij")
    flow = torch.stack([0.2 * x - 0.3 * y + 1, 0.1 * x + 0.4 * y - 2, 0 * x])
    flow = flow + 0.3 * torch.randn(3, 8, 10, generator=generator)
    everywhere = torch.ones(8, 10, dtype=torch.bool)
    return flow, everywhere if where_from == "everywhere" else (x + y) % 3 == 0


def _mean_only(flow: Flow, where: Where) -> Flow:
    constant = flow[:2, where].mean(1)
    return torch.cat([constant, torch.zeros(1)])[:, None, None].expand_as(flow).clone()


def _linear_only(flow: Flow, where: Where) -> Flow:
    """No shift: rows (x, y) instead of (x, y, 1)."""
    y, x = torch.meshgrid(torch.arange(8.0), torch.arange(10.0), indexing="ij")
    basis = torch.stack([x, y], -1)
    solution = torch.linalg.lstsq(basis[where], flow[:2, where].T).solution
    return torch.cat([(basis @ solution).permute(2, 0, 1), torch.zeros_like(flow[:1])])


EXERCISES = [
    Exercise(
        name="warp_image",
        reference=warp_image,
        cases={
            "zero flow": lambda: (_picture(), _constant(0, 0)),
            "two pixels from the right": lambda: (_picture(), _constant(2, 0)),
            "half a pixel from below": lambda: (_picture(), _constant(0, 0.5)),
            "a wild flow": lambda: (_picture(), _flow(2.0)),
        },
        mistakes={
            "x and y swapped": lambda image, flow: warp_image(image, flow[[1, 0, 2]]),
            "the flow read forwards": lambda image, flow: warp_image(image, -flow),
            "corners taken for pixel centres": _corner_aligned,
            "zeros beyond the edge": _zeros_beyond,
            "the nearest pixel instead of a blend": lambda image, flow: warp_image(image, flow.round()),
        },
        hint="clamp the position to the image first, then split it into a whole part and a rest",
    ),
    Exercise(
        name="affine_flow",
        reference=affine_flow,
        cases={
            "over the whole frame": lambda: _turned("everywhere"),
            "over some pixels": lambda: _turned("some"),
        },
        mistakes={
            "a shift alone": _mean_only,
            "no shift": _linear_only,
            "fitted over all pixels": lambda flow, where: affine_flow(flow, torch.ones_like(where)),
            "x and y swapped": lambda flow, where: affine_flow(flow, where)[[1, 0, 2]],
        },
        hint="torch.linalg.lstsq(rows, values) with one row (x, y, 1) for each pixel of `where`",
        rtol=1e-3,
        atol=1e-3,
    ),
]
