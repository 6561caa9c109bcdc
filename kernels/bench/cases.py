"""What is compared: each row's two sides, and the plain compositions of PyTorch that ours is held against."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from flow3d_kernels import adain3d, use_backend, warp3d

SHAPE = (1, 32, 16, 64, 64)  # the paper's warp volume
SLOPE = 0.1
WANTED = {"forward": 1.0, "forward+backward": 1.0}  # of the sizes that a frame calls for: no more than one would write
# preset -> the distinct calls of a frame whose source is prepared: a volume's shape, and the axes of an AdaIN's style
FRAMES: dict[str, dict[str, tuple[tuple[tuple[int, ...], int], ...]]] = {
    "tiny": {
        "warp3d": (((1, 1, 1, 64, 64), 0), ((1, 8, 4, 32, 32), 0)),
        "adain3d": (
            *(((1, 16, 1, 64, 64), 2), ((1, 32, 1, 32, 32), 2), ((1, 48, 1, 16, 16), 2)),
            *(((1, 16, 4, 32, 32), 3), ((1, 24, 2, 16, 16), 3), ((1, 48, 1, 8, 8), 3), ((1, 96, 1, 4, 4), 3)),
        ),
    },
    "small": {
        "warp3d": (((1, 1, 1, 128, 128), 0), ((1, 16, 8, 32, 32), 0)),
        "adain3d": (
            *(((1, 16, 1, 128, 128), 2), ((1, 32, 1, 64, 64), 2), ((1, 64, 1, 32, 32), 2)),
            *(((1, 16, 8, 32, 32), 3), ((1, 32, 4, 16, 16), 3), ((1, 48, 2, 8, 8), 3), ((1, 64, 1, 4, 4), 3)),
        ),
    },
    "paper": {
        "warp3d": (((1, 1, 1, 256, 256), 0), ((1, 32, 16, 64, 64), 0)),
        "adain3d": (
            *(
                ((1, 64, 1, 256, 256), 2),
                ((1, 128, 1, 128, 128), 2),
                ((1, 256, 1, 64, 64), 2),
                ((1, 512, 1, 32, 32), 2),
            ),
            *(((1, 32, 16, 64, 64), 3), ((1, 64, 8, 32, 32), 3), ((1, 128, 4, 16, 16), 3), ((1, 256, 2, 8, 8), 3)),
            ((1, 256, 1, 4, 4), 3),
        ),
    },
}
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
    cpp_targets: dict[str, float] = field(default_factory=dict)  # as ``targets``, of the backend "cpp"

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
    return torch.tensor([2 / (W - 1), 2 / (H - 1), *([2 / (D - 1)] if D > 1 else [])], device=volume.device)


def plain_warp(volume: Tensor, flow: Tensor, mask: Tensor | None = None, *, scale: Tensor) -> Tensor:
    """The usual way: identity grid, flow scaled to [-1, 1], F.grid_sample, mask."""
    identity = torch.eye(3, 4, device=flow.device).expand(len(flow), 3, 4)
    grid = F.affine_grid(identity, list(volume.shape), align_corners=True) + flow.movedim(1, -1) * scale
    out = F.grid_sample(volume, grid, padding_mode="border", align_corners=True)
    return out if mask is None else out * mask


def plain_picture(volume: Tensor, flow: Tensor, *, scale: Tensor) -> Tensor:
    """The usual way to bend a picture, a volume of one slice: the same in the plane."""
    identity = torch.eye(2, 3, device=flow.device).expand(len(flow), 2, 3)
    picture = volume[:, :, 0]
    grid = F.affine_grid(identity, list(picture.shape), align_corners=True) + flow[:, :2, 0].movedim(1, -1) * scale
    return F.grid_sample(picture, grid, padding_mode="border", align_corners=True)[:, :, None]


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
    flow = noise((B, 3, D, H, W), generator)
    mask = torch.rand(B, 1, D, H, W, generator=generator)
    volume, flow, mask = volume.to(device), flow.to(device), mask.to(device)
    plain = partial(plain_warp, scale=grid_scale(volume))
    for layout, targets in (("channels-last", {"forward": 0.5, "forward+backward": 0.9}), ("contiguous", {})):
        row = Row("warp3d", layout, "contiguous", "flow", plain, warp3d, (volume, flow), targets)
        yield replace(row, cpp_targets={"forward": 0.12, "forward+backward": 0.4} if targets else {})
        yield Row("warp3d", layout, "contiguous", "flow and mask", plain, warp3d, (volume, flow, mask))
    for variant, axes in (("style per channel", 2), ("style per depth", 3), ("full style map", 5)):
        gamma, beta = (torch.randn(SHAPE[:axes], generator=generator).to(device) for _ in range(2))
        inputs = (volume + 0.5, 0.3 * gamma, beta)
        targets = {"forward": 0.4} if axes == 2 else {}
        yield Row("adain3d", "contiguous", "contiguous", variant, plain_adain, styled, inputs, targets)
        yield Row("adain3d", "channels-last", "contiguous", variant, plain_adain, styled, inputs)
        yield Row("adain3d", "channels-last", "channels-last", variant, plain_adain, styled, inputs)


def frame_rows() -> Iterator[Row]:
    """The calls of the presets' frames on a CPU, contiguous as one would write them; the variant is the preset."""
    generator = torch.Generator().manual_seed(0)
    for preset, operations in FRAMES.items():
        for operation, calls in operations.items():
            for shape, axes in calls:
                volume = torch.randn(shape, generator=generator)
                if operation == "warp3d":
                    plain = partial(plain_warp if shape[2] > 1 else plain_picture, scale=grid_scale(volume))
                    ours, inputs = warp3d, (volume, noise((shape[0], 3, *shape[2:]), generator))
                else:
                    plain, ours = plain_adain, styled
                    gamma, beta = (torch.randn(shape[:axes], generator=generator) for _ in range(2))
                    inputs = (volume + 0.5, 0.3 * gamma, beta)
                row = Row(operation, "contiguous", "contiguous", preset, plain, ours, inputs, WANTED)
                yield replace(row, cpp_targets=WANTED)


def noise(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """White noise, the hardest flow for every cache; off whole positions, where the gradient has one value."""
    whole = torch.randint(-2, 2, shape, generator=generator) + 0.1
    return whole + 0.8 * torch.rand(shape, generator=generator)


def laid_out(inputs: tuple[Tensor, ...], layout: str) -> tuple[Tensor, ...]:
    """Inputs as one side gets them: the tensors of the first one's shape in its layout, ready to be differentiated."""
    shape = inputs[0].shape
    laid = (each.contiguous(memory_format=LAYOUTS[layout]) if each.shape == shape else each for each in inputs)
    return tuple(each.detach().requires_grad_() for each in laid)


def in_cpp(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The same by the backend "cpp"."""

    def call(*inputs: Tensor) -> Tensor:
        with use_backend("cpp"):
            return function(*inputs)

    return call


def works(row: Row, cpp: bool) -> dict[str, dict[str, Callable[[], object]]]:
    """passes -> side -> the work to time; the side "cpp" is ours in C++, where it can be had."""
    work: dict[str, dict[str, Callable[[], object]]] = {"forward": {}, "forward+backward": {}}
    sides = [("plain", row.plain, row.plain_layout), ("ours", row.ours, row.layout)]
    for side, function, layout in (*sides, *([("cpp", in_cpp(row.ours), row.layout)] if cpp else [])):
        inputs = laid_out(row.inputs, layout)
        gradient = torch.ones_like(inputs[0])

        def forward(function=function, inputs=inputs) -> None:
            with torch.no_grad():
                function(*inputs)

        def both(function=function, inputs=inputs, gradient=gradient) -> None:
            torch.autograd.grad(function(*inputs), inputs, gradient)

        work["forward"][side], work["forward+backward"][side] = forward, both
    return work
