"""The procedural head: symmetric, closed where it should be, and moved where an expression's name says.

Tests: head.procedural, head.skin, head.parts, head.linings, head.fields, head.identity, head.expressions.
"""

import numpy as np
import pytest
import torch

from flow3d.morphable import EXPRESSIONS, IDENTITY_NAMES, ProceduralHead, random_alpha, talking_head, vertex_normals
from flow3d.morphable.head.fields import EYE_HALF_WIDTH, EYE_X, EYE_Y, MOUTH_HALF_WIDTH, MOUTH_Y
from flow3d.morphable.head.skin import make_grid
from tolerances import MORPHABLE

HEAD, GRID = ProceduralHead(), make_grid(1.0)
POINTS = MORPHABLE["points"][0]
SKIN = HEAD.mean[HEAD.slices["skin"]]
CENTRES = {
    "eyes": ((EYE_X, EYE_Y), (0.16, 0.09)), "brows": ((0.27, 0.26), (0.17, 0.06)),
    "mouth": ((0.0, MOUTH_Y), (0.25, 0.11)), "cheeks": ((0.40, -0.45), (0.1, 0.1)),
    "nose": ((0.0, -0.34), (0.13, 0.1)), "chin": ((0.0, -0.84), (0.15, 0.1)),
}  # fmt: skip
# where each named expression moves most, and regions that it must leave in place
MOVES = {
    "jaw_open": ("mouth", "eyes brows"), "smile": ("mouth", "brows"), "frown": ("mouth", "eyes brows"),
    "pucker": ("mouth", "eyes brows"), "brow_up": ("brows", "mouth cheeks nose chin"),
    "brow_down": ("brows", "mouth cheeks nose chin"), "brow_inner_up": ("brows", "mouth cheeks nose chin"),
    "blink_right": ("eyes", "mouth nose chin"), "blink_left": ("eyes", "mouth nose chin"),
    "wide_eyes": ("eyes", "mouth nose chin"), "gaze_y": ("eyes", "mouth nose chin"),
    "upper_lip_up": ("mouth", "eyes brows chin"), "lower_lip_down": ("mouth", "eyes brows nose"),
    "cheek_puff": ("cheeks", "brows"), "squint": ("eyes", "mouth chin"), "sneer": ("nose", "eyes brows chin"),
    "jaw_side": ("mouth", "eyes brows"), "smile_right": ("mouth", "brows"), "smile_left": ("mouth", "brows"),
    "mouth_stretch": ("mouth", "eyes brows"), "lip_press": ("mouth", "eyes brows cheeks"),
    "chin_raise": ("chin", "eyes brows cheeks"), "mouth_side": ("mouth", "eyes brows"),
}  # fmt: skip


def region(name: str) -> torch.Tensor:
    (cx, cy), (w, h) = CENTRES[name]
    x, y, z = SKIN[:, 0].abs(), -SKIN[:, 1], -SKIN[:, 2]
    return ((x - cx).abs() < w) & ((y - cy).abs() < h) & (z > 0.2)


def slit(latitude: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Vertex numbers of the upper and the lower copy of a slit."""
    columns = torch.arange(GRID.shape[1])
    upper, lower = (GRID.row(latitude, side) * GRID.shape[1] + columns for side in (1, -1))
    return upper, lower


def parted(points: torch.Tensor, latitude: float) -> torch.Tensor:
    upper, lower = slit(latitude)
    return (points[upper] - points[lower]).norm(dim=1)


def outside(latitude: float) -> torch.Tensor:
    x = SKIN[slit(latitude)[0], 0].abs()
    return x > MOUTH_HALF_WIDTH if latitude == MOUTH_Y else (x - EYE_X).abs() > EYE_HALF_WIDTH


def identities(count: int) -> list[torch.Tensor]:
    return [random_alpha(np.random.default_rng(seed)) for seed in range(count)]


def test_the_grids_vertices_are_the_skins():
    assert GRID.shape[0] * GRID.shape[1] == len(SKIN)
    assert int(GRID.above.sum()) == 0
    assert sorted(GRID.y) == list(GRID.y)


def test_the_mean_head_is_symmetric():
    rows = SKIN.view(*GRID.shape, 3)
    middle = int(np.argmin(np.abs(GRID.u)))
    mirrored = torch.roll(rows.flip(1), 2 * middle + 1 - GRID.shape[1], 1) * torch.tensor([-1.0, 1.0, 1.0])
    torch.testing.assert_close(mirrored, rows, rtol=0, atol=POINTS)


def test_the_skin_faces_outward():
    normals = vertex_normals(HEAD.mean, HEAD.faces, HEAD.seams)[HEAD.slices["skin"]]
    assert ((normals * SKIN).sum(1) > 0).float().mean() > 0.97
    torch.testing.assert_close(normals.norm(dim=1), torch.ones(len(SKIN)))


def test_heads_of_one_detail_share_their_tensors_and_more_detail_is_more_vertices():
    assert ProceduralHead().mean is HEAD.mean
    assert len(ProceduralHead(0.5).mean) < len(HEAD.mean)


@pytest.mark.parametrize("detail", [0.0, 5.0, float("nan")])
def test_a_senseless_detail_is_refused(detail):
    with pytest.raises(ValueError, match=r"detail: expected a number from 0.3 to 4, got"):
        ProceduralHead(detail)


def test_a_blink_shuts_the_eyes_of_every_identity():
    shut = torch.zeros(64)
    shut[[EXPRESSIONS.index("blink_left"), EXPRESSIONS.index("blink_right")]] = 1.0
    for alpha in identities(20):
        assert parted(HEAD.shape(alpha), EYE_Y).max() > 0.08
        assert parted(HEAD.shape(alpha, shut), EYE_Y).max() < POINTS


def test_a_neutral_mouth_is_shut_on_every_identity_and_the_jaw_opens_it():
    opened = torch.zeros(64)
    opened[EXPRESSIONS.index("jaw_open")] = 1.0
    for alpha in identities(20):
        assert parted(HEAD.shape(alpha), MOUTH_Y).max() < POINTS
        assert parted(HEAD.shape(alpha, opened), MOUTH_Y).max() > 0.15


@pytest.mark.parametrize("latitude", [EYE_Y, MOUTH_Y])
def test_nothing_parts_a_seam_outside_its_opening(latitude):
    still = outside(latitude)
    assert still.any()
    assert not still.all()
    for basis in (HEAD.expression_basis, HEAD.identity_basis):
        for field in basis:
            assert parted(field, latitude)[still].max() < POINTS
    for seed, alpha in enumerate(identities(5)):
        for beta in talking_head(40, seed).expression[::8]:
            assert parted(HEAD.shape(alpha, beta), latitude)[still].max() < POINTS


@pytest.mark.parametrize("name", MOVES)
def test_an_expression_moves_its_region_and_little_elsewhere(name):
    where, still = MOVES[name]
    moved = HEAD.expression_basis[EXPRESSIONS.index(name)].norm(dim=1)[HEAD.slices["skin"]]
    assert moved[region(where)].max() > 0.02
    for other in still.split():
        assert moved[region(other)].max() < 0.2 * moved[region(where)].max(), other
        if "brow" not in other and "brow" not in name:
            assert moved[region(other)].max() < 0.02, other


def test_every_named_expression_is_listed_or_moves_the_eyeballs():
    assert {*MOVES, "gaze_x"} == set(EXPRESSIONS)
    gaze = HEAD.expression_basis[EXPRESSIONS.index("gaze_x")].norm(dim=1)
    for side in ("eye_left", "eye_right"):
        assert gaze[HEAD.slices[side]].max() > 0.05
    assert gaze[HEAD.slices["skin"]].max() == 0


def test_left_and_right_are_the_persons_own():
    x = SKIN[:, 0]
    for left, right in (("blink_left", "blink_right"), ("smile_left", "smile_right")):
        for name, side in ((left, 1), (right, -1)):
            moved = HEAD.expression_basis[EXPRESSIONS.index(name)].norm(dim=1)[HEAD.slices["skin"]]
            assert moved[x * side > 0.1].max() > 0.05
            assert moved[x * side < -0.1].max() < POINTS


def test_lower_teeth_follow_the_jaw_and_upper_teeth_stay():
    jaw = HEAD.expression_basis[EXPRESSIONS.index("jaw_open")]
    assert (jaw[HEAD.slices["teeth_lower"], 1] > 0.1).all()
    assert jaw[HEAD.slices["teeth_upper"]].abs().max() == 0


def test_no_identity_parts_the_lids_from_the_eyeballs():
    eye = HEAD.slices["eye_left"]
    lids = region("eyes") & (SKIN[:, 0] > 0)
    for name in IDENTITY_NAMES:
        field = HEAD.identity_basis[IDENTITY_NAMES.index(name)]
        gap = field[HEAD.slices["skin"]][lids].mean(0) - field[eye].mean(0)
        assert gap.norm() < 0.015, name
