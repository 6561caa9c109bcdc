"""Proof that the comparisons can fail: each kernel is given a mistake, and the same comparison must find it.

Tests: warp_op, warp_forward, warp_backward, warp_gather, warp_parts, adain_op, adain_forward, adain_backward,
adain_parts.
"""

import inspect
import re

import pytest

from flow3d_kernels import adain3d, warp3d
from flow3d_kernels.triton_kernels import (
    adain_backward,
    adain_forward,
    adain_op,
    adain_parts,
    tiles,
    warp_backward,
    warp_forward,
    warp_gather,
    warp_op,
    warp_parts,
)

# name -> the module with the mistake, what it says, what it should not say
WARP_BUGS = {
    "x and y swapped": (warp_parts, "return x + dx, y + dy,", "return x + dy, y + dx,"),
    "the sign of the flow": (warp_parts, "z + dz, reads", "z - dz, reads"),
    "mask forgotten": (warp_forward, "dim *= tl.load", "dim += 0 * tl.load"),
    "weight of another corner": (warp_forward, "share_of(above_y, j)", "share_of(above_y, k)"),
    "row of another corner": (warp_forward, "j * step_y", "k * step_y"),
    "the upper neighbour never read": (warp_forward, "step = (above > 0)", "step = (above > 1)"),
    "the last voxel left out": (warp_parts, "LAST: tl.constexpr = size - 1", "LAST: tl.constexpr = max(size - 2, 0)"),
    "the edge is not held": (warp_parts, "tl.maximum(position, 0.0)", "tl.maximum(position, 0.5)"),
    "the last voxel not written": (warp_parts, "& (z < D)", "& (z < D) & (x + y + z < W + H + D - 3)"),
    "bricks in the wrong place": (warp_parts, "brick // (ACROSS * DOWN)", "brick // ACROSS"),
    "channels beyond the first step lost": (warp_forward, "tl.static_range(STEPS)", "tl.static_range(1)"),
    "gradient of volume without mask": (warp_backward, "weight_z = dim * fade_x", "weight_z = fade_x"),
    "gradient of volume to another corner": (
        warp_backward,
        "share_of(above_x, i))[:, None] * g",
        "share_of(above_x, j))[:, None] * g",
    ),
    "gradient of flow along y reversed": (warp_backward, "far) - near\n    front", "far) + near\n    front"),
    "gradient of flow in the lower plane only": (warp_backward, "tl.fma(z, slope_2 - slope_0, slope_0)", "slope_0"),
    "gradient of flow without mask": (
        warp_backward,
        "fade_x * fade_y\n        tl.store(grad_flow + 2 * axis, tl.where(reads, dim * along, 0)",
        "fade_x * fade_y\n        tl.store(grad_flow + 2 * axis, tl.where(reads, along, 0)",
    ),
    "gradient of flow beyond the edge": (
        warp_backward,
        "(position > 0) & (position < LAST)",
        "(position > -9) & (position < LAST)",
    ),
    "gradient of mask from the first channels": (
        warp_backward,
        "tl.fma(g, tl.fma(z, depth, front), bright)",
        "g * tl.fma(z, depth, front)",
    ),
    "gathered from another cell": (warp_gather, "q % W - i,", "q % W - j,"),
    "gathered without mask": (warp_gather, "weight *= ", "weight = weight + 0 * "),
    "one reader forgotten": (warp_gather, "tl.max(count, axis=0)", "tl.minimum(tl.max(count, axis=0), 1)"),
}
# Of volumes that end: where padding is "zeros".
FADING_BUGS = {
    "no fading outside": (warp_parts, "1 - tl.abs(position - held)", "1 - 0 * tl.abs(position - held)"),
    "fading has no slope": (warp_backward, "tl.where(position < 0, 1.0,", "tl.where(position < 0, 0.0,"),
    "seen from too far": (warp_backward, "(position >= -1) &", "(position >= -2) &"),
}
COUNT = "count = tl.minimum(voxels - part.to(tl.int64) * chunk, chunk)[:, None]"
ADAIN_BUGS = {
    "residual forgotten": (adain_forward, "if HAS_RESIDUAL:", "if False:"),
    "scale without the one": (adain_forward, "value *= 1 + style", "value *= style"),
    "activation forgotten": (adain_forward, "SLOPE * value", "value"),
    "variance of a sample": (
        adain_forward,
        "spread / voxels + EPS)  # (BLOCK_C,)\n    tl.store",
        "spread / (voxels - 1) + EPS)  # (BLOCK_C,)\n    tl.store",
    ),
    "depth taken for height": (adain_parts, "p // plane", "p % D"),
    "parts taken for equally long": (adain_parts, f"{COUNT}.to(FLOAT)", "count = tl.full([ROWS, 1], chunk, FLOAT)"),
    "spread of the parts' means forgotten": (adain_parts, "other=0) + count * apart * apart", "other=0)"),
    "gradient of x keeps its mean": (adain_backward, "- level[None, :]", ""),
    "gradient of x keeps its slope": (adain_backward, "- normalised * slope[None, :]", ""),
    "gradient ignores the activation": (adain_parts, "tl.where(value > 0, g, SLOPE * g)", "g"),
    "sign decided without the residual": (adain_parts, "if HAS_RESIDUAL:", "if False:"),
    "gradient of gamma not normalised": (adain_backward, "along += g * normalised", "along += g"),
    "slope and level mixed up": (adain_backward, "levels + (samples + sample) * C", "levels + sample * C"),
}
SMALL = dict.fromkeys(tiles.TILES["interpreter"], tiles.Tile(16, 2))  # several steps and programs of a small volume


KERNEL = re.compile(r"^def (\w+)\(", re.MULTILINE)


def users_of(module):
    """Where a module's functions were imported to, and the module itself."""
    kernels = (warp_forward, warp_backward, warp_gather, adain_parts, adain_forward, adain_backward)
    return (*kernels, warp_op, adain_op, module)


@pytest.fixture
def plant(mutated, monkeypatch):
    """Replace every kernel of a module by one whose source holds the mistake."""

    def replace(module, right, wrong):
        spoilt = mutated(module, right, wrong)
        for name in KERNEL.findall(inspect.getsource(spoilt)):
            for user in users_of(module):
                if hasattr(user, name):
                    monkeypatch.setattr(user, name, getattr(spoilt, name))

    return replace


@pytest.fixture
def warp_parity(monkeypatch, draw, draw_flow, assert_parity):
    monkeypatch.setitem(tiles.TILES, "interpreter", SMALL)
    shape = (1, 3, 2, 3, 4)
    tensors = (draw(shape), draw_flow((1, 3, 2, 3, 4)), draw((1, 1, 2, 3, 4), seed=2))

    def check(deterministic, padding="border"):
        kernels = ("warp3d_forward", "warp3d_backward", *("warp3d_cells", "warp3d_gather")[: 2 * deterministic])
        names = ("out", "volume", "flow", "mask")
        warp = lambda *t: warp3d(*t, padding=padding, deterministic=deterministic)  # noqa: E731
        assert_parity(warp, tensors, names, "interpreted warp3d float64", kernels)

    return check


@pytest.mark.parametrize("bug", WARP_BUGS)
def test_a_planted_warp_bug_is_caught(bug, plant, warp_parity):
    plant(*WARP_BUGS[bug])
    with pytest.raises(AssertionError, match="exceeds"):
        warp_parity(deterministic=WARP_BUGS[bug][0] is warp_gather)


@pytest.mark.parametrize("bug", FADING_BUGS)
def test_a_planted_bug_outside_the_volume_is_caught(bug, plant, warp_parity):
    plant(*FADING_BUGS[bug])
    with pytest.raises(AssertionError, match="exceeds"):
        warp_parity(deterministic=False, padding="zeros")


@pytest.fixture
def adain_parity(monkeypatch, draw, assert_parity):
    monkeypatch.setitem(tiles.TILES, "interpreter", SMALL)
    monkeypatch.setitem(tiles.PROCESSORS, "interpreter", 3)
    shape = (1, 3, 3, 3, 7)  # 63 voxels in 4 parts, the last one shorter
    tensors = (draw(shape), draw(shape[:3], seed=1), draw(shape[:2], seed=2), draw(shape, seed=3))

    def restyle(x, gamma, beta, residual):
        return adain3d(x, gamma, beta, negative_slope=0.1, residual=residual)

    def check():
        kernels = ("adain3d_moments", "adain3d_join", "adain3d_forward", "adain3d_gradient_sums", "adain3d_backward")
        names = ("out", "x", "gamma", "beta", "residual")
        assert_parity(restyle, tensors, names, "interpreted adain3d float64", kernels)

    return check


@pytest.mark.parametrize("bug", ADAIN_BUGS)
def test_a_planted_adain_bug_is_caught(bug, plant, adain_parity):
    plant(*ADAIN_BUGS[bug])
    with pytest.raises(AssertionError, match="exceeds"):
        adain_parity()


def test_without_a_planted_bug_nothing_is_caught(warp_parity, adain_parity):
    warp_parity(deterministic=False)
    warp_parity(deterministic=True)
    warp_parity(deterministic=False, padding="zeros")
    adain_parity()


def test_a_mistake_must_be_in_the_source(mutated):
    with pytest.raises(AssertionError, match="warp_parts says it 0 times"):
        mutated(warp_parts, "no such line", "")
