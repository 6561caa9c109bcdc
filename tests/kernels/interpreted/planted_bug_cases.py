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
    "x and y swapped": (warp_parts, "p % W + dx", "p % W + dy"),
    "the sign of the flow": (warp_parts, "p // W // H + dz", "p // W // H - dz"),
    "mask forgotten": (warp_forward, "total * dim[:, None]", "total"),
    "weight of another corner": (warp_forward, "share_of(above_y, j) *", "share_of(above_y, i) *"),
    "row of another corner": (warp_forward, "(y + j)) * W", "(y + i)) * W"),
    "the last voxel left out": (warp_parts, "(index < size)", "(index < size - 1)"),
    "the edge is not held": (warp_parts, "tl.maximum(position, 0)", "tl.maximum(position, -1)"),
    "the last voxel not written": (warp_parts, "p, p < voxels\n", "p, p < voxels - 1\n"),
    "channels beyond the first step lost": (warp_forward, "range(0, C, BLOCK_C)", "range(0, BLOCK_C, BLOCK_C)"),
    "gradient of volume without mask": (warp_backward, "(dim * weight_z * ", "(weight_z * "),
    "gradient of flow along y reversed": (warp_backward, "(2 * j - 1)", "(1 - 2 * j)"),
    "gradient of flow without mask": (warp_backward, "dim * along_z", "along_z"),
    "gradient of flow beyond the edge": (warp_parts, "(position > 0) &", "(position > -9) &"),
    "gradient of mask from one corner": (warp_backward, "bright += ", "bright = "),
    "gathered from another cell": (warp_gather, "q % W - i,", "q % W - j,"),
    "gathered without mask": (warp_gather, "weight *= ", "weight = weight + 0 * "),
    "one reader forgotten": (warp_gather, "tl.max(count, axis=0)", "tl.minimum(tl.max(count, axis=0), 1)"),
}
COUNT = "count = tl.minimum(voxels - part * chunk, chunk)[:, None]"
ADAIN_BUGS = {
    "residual forgotten": (adain_forward, "if HAS_RESIDUAL:", "if False:"),
    "scale without the one": (adain_forward, "value *= 1 + style", "value *= style"),
    "activation forgotten": (adain_forward, "SLOPE * value", "value"),
    "variance of a sample": (adain_forward, "spread / voxels + EPS", "spread / (voxels - 1) + EPS"),
    "depth taken for height": (adain_parts, "p // plane", "p % D"),
    "parts taken for equally long": (adain_parts, f"{COUNT}.to(FLOAT)", "count = tl.full([ROWS, 1], chunk, FLOAT)"),
    "spread of the parts' means forgotten": (adain_parts, "other=0) + count * apart * apart", "other=0)"),
    "gradient of x keeps its mean": (adain_backward, "- level[None, :]", ""),
    "gradient of x keeps its slope": (adain_backward, "- normalised * slope[None, :]", ""),
    "gradient ignores the activation": (adain_parts, "tl.where(value > 0, g, SLOPE * g)", "g"),
    "sign decided without the residual": (adain_parts, "if HAS_RESIDUAL:", "if False:"),
    "gradient of gamma not normalised": (adain_backward, "along += g * normalised", "along += g"),
    "one part's sum lost": (adain_backward, "range(0, parts, ROWS)", "range(ROWS, parts + ROWS, ROWS)"),
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

    def check(deterministic):
        kernels = ("warp3d_forward", "warp3d_backward", *("warp3d_cells", "warp3d_gather")[: 2 * deterministic])
        names = ("out", "volume", "flow", "mask")
        warp = lambda *t: warp3d(*t, deterministic=deterministic)  # noqa: E731
        assert_parity(warp, tensors, names, "interpreted warp3d float64", kernels)

    return check


@pytest.mark.parametrize("bug", WARP_BUGS)
def test_a_planted_warp_bug_is_caught(bug, plant, warp_parity):
    plant(*WARP_BUGS[bug])
    with pytest.raises(AssertionError, match="exceeds"):
        warp_parity(deterministic=WARP_BUGS[bug][0] is warp_gather)


@pytest.fixture
def adain_parity(monkeypatch, draw, assert_parity):
    monkeypatch.setitem(tiles.TILES, "interpreter", SMALL)
    monkeypatch.setitem(tiles.PROCESSORS, "interpreter", 3)
    shape = (1, 3, 3, 3, 7)  # 63 voxels in 4 parts, the last one shorter
    tensors = (draw(shape), draw(shape[:3], seed=1), draw(shape[:2], seed=2), draw(shape, seed=3))

    def restyle(x, gamma, beta, residual):
        return adain3d(x, gamma, beta, negative_slope=0.1, residual=residual)

    def check():
        kernels = ("adain3d_moments", "adain3d_forward", "adain3d_gradient_sums", "adain3d_backward")
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
    adain_parity()


def test_a_mistake_must_be_in_the_source(mutated):
    with pytest.raises(AssertionError, match="warp_parts says it 0 times"):
        mutated(warp_parts, "no such line", "")
