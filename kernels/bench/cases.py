"""What is compared: each row's two sides, their inputs, and how far each strays from the float64 reference."""

import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from flow3d_kernels import adain3d, use_backend, warp3d

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


def plain_warp(volume: Tensor, flow: Tensor, mask: Tensor | None = None) -> Tensor:
    """The usual way: identity grid, flow scaled to [-1, 1], F.grid_sample, mask."""
    B, _, D, H, W = volume.shape
    identity = torch.eye(3, 4, device=flow.device).expand(B, 3, 4)
    scale = torch.tensor([2 / (W - 1), 2 / (H - 1), 2 / (D - 1)], device=flow.device)
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
    """Every comparison, on random inputs that are the same for every device."""
    B, _, D, H, W = SHAPE
    generator = torch.Generator().manual_seed(0)
    volume = torch.randn(SHAPE, generator=generator)
    # White noise is the hardest flow for every cache; off whole positions, where the gradient has one value.
    flow = torch.randint(-2, 2, (B, 3, D, H, W), generator=generator) + 0.1
    flow = flow + 0.8 * torch.rand(flow.shape, generator=generator)
    mask = torch.rand(B, 1, D, H, W, generator=generator)
    volume, flow, mask = volume.to(device), flow.to(device), mask.to(device)
    for layout, targets in (("channels-last", {"forward": 0.5, "forward+backward": 0.9}), ("contiguous", {})):
        yield Row("warp3d", layout, "contiguous", "flow", plain_warp, warp3d, (volume, flow), targets)
        yield Row("warp3d", layout, "contiguous", "flow and mask", plain_warp, warp3d, (volume, flow, mask))
    for variant, axes in (("style per channel", 2), ("style per depth", 3), ("full style map", 5)):
        gamma, beta = (torch.randn(SHAPE[:axes], generator=generator).to(device) for _ in range(2))
        inputs = (volume + 0.5, 0.3 * gamma, beta)
        targets = {"forward": 0.4} if axes == 2 else {}
        yield Row("adain3d", "contiguous", "contiguous", variant, plain_adain, styled, inputs, targets)
        yield Row("adain3d", "channels-last", "contiguous", variant, plain_adain, styled, inputs)
        yield Row("adain3d", "channels-last", "channels-last", variant, plain_adain, styled, inputs)


def laid_out(inputs: tuple[Tensor, ...], layout: str) -> tuple[Tensor, ...]:
    """Inputs as one side gets them: its tensors of many channels in its layout, ready to be differentiated."""
    first, *rest = (t.contiguous(memory_format=LAYOUTS[layout]) if t.shape[1:] == SHAPE[1:] else t for t in inputs)
    return tuple(tensor.detach().requires_grad_() for tensor in (first, *rest))


def works(row: Row) -> dict[str, dict[str, Callable[[], object]]]:
    """passes -> side -> the work to time."""
    work: dict[str, dict[str, Callable[[], object]]] = {"forward": {}, "forward+backward": {}}
    for side, function, layout in (("plain", row.plain, row.plain_layout), ("ours", row.ours, row.layout)):
        inputs = laid_out(row.inputs, layout)
        gradient = torch.ones(SHAPE, device=inputs[0].device).contiguous(memory_format=LAYOUTS[layout])

        def forward(function=function, inputs=inputs) -> None:
            with torch.no_grad():
                function(*inputs)

        def both(function=function, inputs=inputs, gradient=gradient) -> None:
            torch.autograd.grad(function(*inputs), inputs, gradient)

        work["forward"][side], work["forward+backward"][side] = forward, both
    return work


def errors(row: Row) -> dict[str, float]:
    """Largest errors against the float64 reference: absolute for values, relative to the largest for gradients."""

    def run(function: Callable[..., Tensor], inputs: tuple[Tensor, ...]) -> list[Tensor]:
        out = function(*inputs)
        projection = torch.linspace(-1, 1, out.numel(), dtype=torch.float64).view(out.shape).to(out)
        return [out.detach(), *torch.autograd.grad(out, inputs, projection)]

    with use_backend("reference"):
        exact = run(row.ours, tuple(tensor.double().requires_grad_() for tensor in row.inputs))
    found = {}
    for side, function, layout in (("plain", row.plain, row.plain_layout), ("ours", row.ours, row.layout)):
        out, *gradients = run(function, laid_out(row.inputs, layout))
        found[side] = (out - exact[0]).abs().max().item()
        found[f"{side} gradients"] = max(
            ((got - want).abs().max() / want.abs().max()).item() for got, want in zip(gradients, exact[1:], strict=True)
        )
    return found


def refuse_strays(row: Row, gate: dict[str, tuple[float, str]]) -> dict[str, float]:
    """The row's errors; the run ends here where ours are too large."""
    found = errors(row)
    single = row.dtype == "float32"
    limits = {
        "ours": f"{row.operation} {row.layout}" if single else f"{row.dtype} values",
        "ours gradients": "gradients" if single else f"{row.dtype} gradients",
    }
    for name, tolerance in limits.items():
        limit, _ = gate[tolerance]
        if not found[name] <= limit:
            sys.exit(f"{row}: {name} off by {found[name]:.2e}, more than {limit:.0e}: nothing is written")
    return found


def summary(row: Row, found: dict[str, float], passes: str, plain: Sequence[float], ours: Sequence[float]) -> dict:
    """One line of the record, from milliseconds."""

    def spread(values: Sequence[float]) -> dict[str, float]:
        deciles = statistics.quantiles(values, n=10)
        return {"p20": round(deciles[1], 4), "p50": round(statistics.median(values), 4), "p80": round(deciles[7], 4)}

    return row.described() | {
        "passes": passes,
        "plain_ms": spread(plain),
        "ours_ms": spread(ours),
        "ratio": round(statistics.median(ours) / statistics.median(plain), 3),
        "target": row.targets.get(passes),
        "error": found,
    }
