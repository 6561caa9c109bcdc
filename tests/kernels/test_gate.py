"""The gate: it refuses what is wrong, and never a right row by chance."""

from dataclasses import replace

import pytest
import torch

import gate
import gpu
from flow3d_kernels import warp3d
from setting import REHEARSAL
from tolerances import BENCH

SMALL = replace(REHEARSAL, volume=(4, 6, 10, 12))
DTYPES = ("float32", "bfloat16")


def row(operation="warp3d", layout="channels-last", variant="smooth flow and mask", dtype="float32"):
    return gpu.row_of(SMALL, operation, layout, variant, dtype, 2, "eager")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", ["channels-last", "contiguous"])
@pytest.mark.parametrize(
    ("operation", "variant"),
    [("warp3d", "smooth flow and mask"), ("warp3d", "white flow"), ("adain3d", "style per channel and residual")],
    ids=["smooth", "white", "adain"],
)
def test_a_right_row_passes(operation, variant, layout, dtype):
    errors = gate.judged(row(operation, layout, variant, dtype))
    assert set(errors) == {"plain", "plain gradients", "ours", "ours gradients"}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("size", [16, 64], ids=lambda size: f"{size} voxels")
def test_no_position_meets_a_lattice_plane(seed, size):
    """The flow's gradient is another on the other side: drawn freely, one row in four was refused for it."""
    drawn = 2 * torch.randn(3, 10_000, generator=torch.Generator().manual_seed(seed))
    flow, index = gpu.off_the_lattice(drawn), torch.arange(size)[:, None, None]
    assert (flow - drawn).abs().max() < 2**-12
    single, double = index + flow, index + flow.double()
    assert torch.equal(single.double(), double), "float32 rounds a position"
    assert (double != double.round()).all(), "a position is whole"


def test_a_value_at_the_activations_kink_is_no_reason_to_refuse(monkeypatch):
    """Float32 may see it on the other side, where the gradient is another."""
    right = row("adain3d", "contiguous", "style per channel")
    x, gamma, beta = (each.clone() for each in right.inputs)
    beta[0, 0] -= right.ours(x, gamma, beta).detach()[0, 0].max() - 1e-6  # one value is nearly zero

    def other_side(x, gamma, beta):
        out = right.ours(x, gamma, beta)
        slope = 0.1 if x.dtype == torch.float32 else 1
        size = out.detach().abs()
        return torch.where(size == size.min(), slope * out + (1 - slope) * out.detach(), out)

    at_the_kink = replace(right, ours=other_side, inputs=(x, gamma, beta))
    gate.judged(at_the_kink)
    monkeypatch.setattr(gate, "KINK", 0)
    with pytest.raises(gate.Stray, match="gradients off by"):
        gate.judged(at_the_kink)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("part", ["values", "gradients", "nan"])
def test_a_wrong_row_is_refused(part, dtype):
    right = row(dtype=dtype)

    def wrong(volume, flow, mask):
        out = warp3d(volume, flow, mask)
        if volume.dtype == torch.float64:
            return out
        if part == "values":
            return out * (1 + 2**-6)  # two steps of bfloat16
        return out + (volume - volume.detach()) * (1 if part == "gradients" else torch.nan)

    with pytest.raises(gate.Stray, match=f"ours{' gradients' if part == 'gradients' else ''} off by"):
        gate.judged(replace(right, ours=wrong))


def test_bfloat16_is_judged_by_its_own_rounding():
    """Half a step of the number itself, however large: an absolute limit refused large values by chance."""
    values, _ = gate.limits_of(row(dtype="bfloat16"))
    exact = torch.tensor([100.3, 0.1003, 1e-9], dtype=torch.float64)
    assert 0.1 < values.excess(exact.bfloat16(), exact, 1) <= 0.5
    assert values.excess(exact.bfloat16() * 1.02, exact, 1) > 1


def test_a_gradient_that_is_zero_everywhere_passes():
    """Far outside in border mode nothing slides."""
    volume, flow, mask = row().inputs
    still = replace(row(), inputs=(volume, torch.full_like(flow, 1000.5), mask))
    assert gate.judged(still, ("ours",))["ours gradients"] <= BENCH["still gradients"][0]


@pytest.mark.parametrize("limit", gate.GATE, ids=str)
def test_every_limit_has_a_reason(limit):
    assert len(gate.GATE[limit].reason) > 10
    assert gate.GATE[limit].floor > 0
