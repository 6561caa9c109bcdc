"""What is compared: each row's two sides, and the plain compositions of PyTorch that ours is held against."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from flow3d_kernels import adain3d, warp3d

SHAPE = (1, 32, 16, 64, 64)  # the paper's warp volume
SLOPE = 0.1
LAYOUTS = {"contiguous": torch.contiguous_format, "channels-last": torch.channels_last_3d}


@dataclass
class Row:
    """One comparison: what both sides compute, and in which layout each of them gets its volume."""

    operation: str
    layout: str
    plain_layout: str
    variant: str
    plain: Callable[..., Tensor] = field(repr=False)
    ours: Callable[..., Tensor] = field(repr=False)
    inputs: tuple[Tensor, ...] = field(repr=False)
    targets: dict[str, float] = field(default_factory=dict)  # passes -> largest ratio wanted
    rival: str = "plain"
    dtype: str = "float32"

    def described(self) -> dict:
        """What tells one row from another, for the record."""
        return {key: value for key, value in vars(self).items() if isinstance(value, str)} | {
            "batch": self.inputs[0].shape[0]
        }

    def __str__(self) -> str:
        return f"{self.operation} {self.layout}, {self.variant}, against {self.plain_layout}"


def grid_scale(volume: Tensor) -> Tensor:
    """Voxels (dx, dy, dz) -> F.grid_sample's units, (3,). Made once: a CUDA graph cannot copy it from the host."""
    *_, D, H, W = volume.shape
    return torch.tensor([2 / (W - 1), 2 / (H - 1), 2 / (D - 1)], device=volume.device)


def plain_warp(volume: Tensor, flow: Tensor, mask: Tensor | None = None, *, scale: Tensor) -> Tensor:
    """The usual way: identity grid, flow scaled to [-1, 1], F.grid_sample, mask."""
    identity = torch.eye(3, 4, device=flow.device).expand(len(flow), 3, 4)
    grid = F.affine_grid(identity, list(volume.shape), align_corners=True) + flow.movedim(1, -1) * scale
    out = F.grid_sample(volume, grid, padding_mode="border", align_corners=True)
    return out if mask is None else out * mask


def plain_adain(x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
    """The usual way: instance_norm, scale, shift, leaky_relu, each a pass over the volume."""
    space = (1,) * (5 - gamma.ndim)
    scale, shift = 1 + gamma.view(gamma.shape + space), beta.view(beta.shape + space)
    return F.leaky_relu(F.instance_norm(x) * scale + shift, SLOPE)


def styled(x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
    return adain3d(x, gamma, beta, negative_slope=SLOPE)


def rows(device: str) -> Iterator[Row]:
    """Every comparison on a CPU, on random inputs that are the same for every device."""
    B, _, D, H, W = SHAPE
    generator = torch.Generator().manual_seed(0)
    volume = torch.randn(SHAPE, generator=generator)
    # White noise is the hardest flow for every cache; off whole positions, where the gradient has one value.
    flow = torch.randint(-2, 2, (B, 3, D, H, W), generator=generator) + 0.1
    flow = flow + 0.8 * torch.rand(flow.shape, generator=generator)
    mask = torch.rand(B, 1, D, H, W, generator=generator)
    volume, flow, mask = volume.to(device), flow.to(device), mask.to(device)
    plain = partial(plain_warp, scale=grid_scale(volume))
    for layout, targets in (("channels-last", {"forward": 0.5, "forward+backward": 0.9}), ("contiguous", {})):
        yield Row("warp3d", layout, "contiguous", "flow", plain, warp3d, (volume, flow), targets)
        yield Row("warp3d", layout, "contiguous", "flow and mask", plain, warp3d, (volume, flow, mask))
    for variant, axes in (("style per channel", 2), ("style per depth", 3), ("full style map", 5)):
        gamma, beta = (torch.randn(SHAPE[:axes], generator=generator).to(device) for _ in range(2))
        inputs = (volume + 0.5, 0.3 * gamma, beta)
        targets = {"forward": 0.4} if axes == 2 else {}
        yield Row("adain3d", "contiguous", "contiguous", variant, plain_adain, styled, inputs, targets)
        yield Row("adain3d", "channels-last", "contiguous", variant, plain_adain, styled, inputs)
        yield Row("adain3d", "channels-last", "channels-last", variant, plain_adain, styled, inputs)


def laid_out(inputs: tuple[Tensor, ...], layout: str) -> tuple[Tensor, ...]:
    """Inputs as one side gets them: the tensors of the first one's shape in its layout, ready to be differentiated."""
    shape = inputs[0].shape
    laid = (each.contiguous(memory_format=LAYOUTS[layout]) if each.shape == shape else each for each in inputs)
    return tuple(each.detach().requires_grad_() for each in laid)


def works(row: Row) -> dict[str, dict[str, Callable[[], object]]]:
    """passes -> side -> the work to time."""
    work: dict[str, dict[str, Callable[[], object]]] = {"forward": {}, "forward+backward": {}}
    for side, function, layout in (("plain", row.plain, row.plain_layout), ("ours", row.ours, row.layout)):
        inputs = laid_out(row.inputs, layout)
        gradient = torch.ones_like(inputs[0])

        def forward(function=function, inputs=inputs) -> None:
            with torch.no_grad():
                function(*inputs)

        def both(function=function, inputs=inputs, gradient=gradient) -> None:
            torch.autograd.grad(function(*inputs), inputs, gradient)

        work["forward"][side], work["forward+backward"][side] = forward, both
    return work
