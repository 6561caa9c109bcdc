"""The gate of the benchmark: no row is timed whose values or gradients stray from the float64 reference."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from cases import Row, laid_out
from flow3d_kernels import use_backend

KINK = (
    1e-4  # results nearer to zero than this get no gradient: float32 may see them on the other side of the activation
)


class Stray(Exception):
    """A row is further from the reference than its limit; the message says by how much."""


@dataclass(frozen=True)
class Limit:
    """How far each number may be off: ``floor * scale + share * |exact|``.

    The scale is 1 for values and the largest exact number for gradients. The share is for a type that rounds each
    number by a share of itself.
    """

    floor: float
    share: float
    reason: str

    def excess(self, got: Tensor, exact: Tensor, scale: float) -> float:
        """The largest error in units of what is allowed: 1 and less passes, and NaN does not."""
        allowed = self.floor * scale + self.share * exact.abs()
        return ((got.double() - exact).abs() / allowed).max().item()


TINY = 1e-30  # a gradient that is zero everywhere has no scale
BFLOAT16 = 2**-7  # one step of bfloat16, as a share: rounding is off by at most half a step
FLOAT32 = 2**-21  # four steps of float32: a style makes values of up to 30, which are rounded to as many steps of 1e-6
# At (B, 32, 16, 64, 64)
GATE = {
    "warp3d channels-last": Limit(
        2e-5, 0, "the floor that the project sets; measured 1.1e-5, the rounding of a position near 64"
    ),
    "warp3d contiguous": Limit(
        1e-4, 0, "the floor that the project sets; measured 1.1e-5 where sizes are powers of two"
    ),
    "adain3d channels-last": Limit(4e-6, FLOAT32, "measured 1.2e-6 near 4, 2.4e-6 near 20"),
    "adain3d contiguous": Limit(4e-6, FLOAT32, "measured 1.1e-6 near 4, 2.8e-6 near 20"),
    "gradients": Limit(
        1.2e-5, 0, "measured 3.7e-6: a mask's gradient, sums over 32 channels of positions rounded near 64"
    ),
}


def limits_of(row: Row) -> tuple[Limit, Limit]:
    """The limits of a row's values and gradients; in bfloat16 those of float32 with the type's rounding on top.

    Positions beyond 64 voxels are rounded that much more coarsely, and a warp may be off by as much more.
    """
    coarser = max(1.0, max(row.inputs[0].shape[2:]) / 64) if row.operation == "warp3d" else 1.0
    value, slope = GATE[f"{row.operation} {row.layout}"], GATE["gradients"]
    both = replace(value, floor=coarser * value.floor), replace(slope, floor=coarser * slope.floor)
    if row.dtype == "float32":
        return both
    values, gradients = (Limit(each.floor, BFLOAT16, f"{each.reason}; and one step of {row.dtype}") for each in both)
    return values, gradients


def projection(exact: Tensor, dtype: torch.dtype) -> Tensor:
    """The weights of a sum whose gradients are compared, rounded to the row's type so that all sides get the same."""
    weight = torch.linspace(-1, 1, exact.numel(), dtype=torch.float64, device=exact.device).view(exact.shape)
    return torch.where(exact.abs() > KINK, weight, 0).to(dtype)


def errors(row: Row, sides: Sequence[str] = ("plain", "ours")) -> tuple[dict[str, float], dict[str, float]]:
    """How far each side is off, and by how much ours uses up its limits ("values", "gradients").

    Errors are absolute for values, and relative to the largest for gradients.
    """
    with use_backend("reference"):
        inputs = tuple(tensor.double().requires_grad_() for tensor in row.inputs)
        exact = row.ours(*inputs)
        weight = projection(exact.detach(), row.inputs[0].dtype)
        wanted = torch.autograd.grad(exact, inputs, weight.double())
    scales = [max(each.abs().max().item(), TINY) for each in wanted]
    off, used = {}, {}
    for side, function, layout in (("plain", row.plain, row.plain_layout), ("ours", row.ours, row.layout)):
        if side not in sides:
            continue
        leaves = laid_out(row.inputs, layout)
        out = function(*leaves)
        got = torch.autograd.grad(out, leaves, weight.to(out))
        off[side] = (out - exact).abs().max().item()
        distances = [(a - b).abs().max().item() / scale for a, b, scale in zip(got, wanted, scales, strict=True)]
        off[f"{side} gradients"] = max(distances)
        if side == "ours":
            values, slopes = limits_of(row)
            used["values"] = values.excess(out, exact, 1)
            used["gradients"] = max(map(slopes.excess, got, wanted, scales))
    return off, used


def judged(row: Row, sides: Sequence[str] = ("plain", "ours")) -> dict[str, float]:
    """The row's errors.

    Raises:
        Stray: ours is further off than its limit.
    """
    off, used = errors(row, sides)
    for (part, share), limit in zip(used.items(), limits_of(row), strict=True):
        if not share <= 1:
            name = "ours" if part == "values" else "ours gradients"
            raise Stray(f"{row}: {name} off by {off[name]:.2e}, {share:.3g} times its limit ({limit.reason})")
    return off
