"""The rasteriser against a loop over triangles and pixels, and its edge cases."""

import math

import numpy as np
import pytest
import torch

from flow3d.morphable import rasterise, vertex_normals
from flow3d.morphable.rasteriser import Surface, peel
from tolerances import MORPHABLE

HEIGHT, WIDTH = 13, 17
SQUARE = torch.tensor([[2.0, 2.0], [8.0, 2.0], [8.0, 8.0], [2.0, 8.0]])
HALVES = torch.tensor([[0, 1, 2], [0, 2, 3]])  # clockwise on a screen whose y grows downwards
WEIGHTS, TIE = MORPHABLE["weights"][0], MORPHABLE["edge or tie"][0]
LAYERS = 3


def met(screen, depth, faces, double_sided, x, y):
    """Every triangle at a pixel's centre, nearest first, as (depth, face, weights); and whether one is nearly there."""
    found, unsure = [], False
    for number, corners in enumerate(faces):
        (ax, ay), (bx, by), (cx, cy) = screen[corners]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if (area <= 0 and not double_sided[number]) or (depth[corners] <= 0).any():
            continue
        second = ((x - ax) * (cy - ay) - (y - ay) * (cx - ax)) / area
        third = ((bx - ax) * (y - ay) - (by - ay) * (x - ax)) / area
        flat = np.array([1 - second - third, second, third])
        unsure |= bool(abs(flat.min()) < TIE)
        if flat.min() >= 0:
            over = flat / depth[corners]
            found.append((1 / over.sum(), number, over / over.sum()))
    return sorted(found, key=lambda each: each[0]), unsure


def naive(screen, depth, faces, double_sided, layers=1, gap=0.0):
    """(face, weights, depth) of every layer and pixel in float64; a pixel near an edge or a tie is marked unsure."""
    face = np.full((layers, HEIGHT, WIDTH), -1)
    weights, depths = np.zeros((layers, HEIGHT, WIDTH, 3)), np.full((layers, HEIGHT, WIDTH), np.inf)
    unsure = np.zeros((HEIGHT, WIDTH), dtype=bool)
    for y in range(HEIGHT):
        for x in range(WIDTH):
            found, unsure[y, x] = met(screen, depth, faces, double_sided, x, y)
            least = -np.inf
            for k in range(layers):
                unsure[y, x] |= any(abs(each[0] - least) < TIE for each in found)
                found = [each for each in found if each[0] >= least]
                if not found:
                    break
                unsure[y, x] |= len(found) > 1 and found[1][0] - found[0][0] < TIE
                depths[k, y, x], face[k, y, x], weights[k, y, x] = found[0]
                least = found[0][0] + gap
    return face, weights, depths, unsure


@pytest.mark.parametrize("seed", range(4))
def test_it_sees_what_a_loop_over_pixels_sees(seed):
    rng = np.random.default_rng(seed)
    screen = rng.uniform(-4, 20, (36, 2))
    depth = rng.uniform(1, 9, 36) * np.where(rng.random(36) < 0.05, -1, 1)
    faces = rng.permutation(36).reshape(12, 3)
    both = rng.random(12) < 0.3
    seen = rasterise(
        torch.tensor(screen, dtype=torch.float32),
        torch.tensor(depth, dtype=torch.float32),
        torch.tensor(faces),
        (HEIGHT, WIDTH),
        torch.tensor(both),
    )
    (face,), (weights,), (nearest,), unsure = naive(screen, depth, faces, both)
    sure = torch.tensor(~unsure)
    assert sure.float().mean() > 0.95
    assert 0.2 < seen.hit.float().mean() < 1
    assert torch.equal(seen.face[sure], torch.tensor(face)[sure])
    torch.testing.assert_close(seen.weights[sure].double(), torch.tensor(weights)[sure], rtol=0, atol=WEIGHTS)
    torch.testing.assert_close(seen.depth[sure].double(), torch.tensor(nearest)[sure], rtol=WEIGHTS, atol=0)


@pytest.mark.parametrize("gap", [0.05, 0.8])
def test_peeling_meets_what_a_loop_over_pixels_meets(gap):
    rng = np.random.default_rng(5)
    screen, depth = rng.uniform(-4, 20, (60, 2)), rng.uniform(1, 9, 60)
    faces = rng.permutation(60).reshape(20, 3)
    layers = peel(
        torch.tensor(screen, dtype=torch.float32), torch.tensor(depth, dtype=torch.float32), torch.tensor(faces),
        WIDTH, LAYERS, gap,
    )  # fmt: skip
    face, weights, depths, unsure = naive(screen, depth, faces, np.ones(20, dtype=bool), LAYERS, gap)
    sure = torch.tensor(~unsure)
    assert sure.float().mean() > 0.9
    assert len(layers) == LAYERS
    for k, layer in enumerate(layers):
        seen = Surface(layer.face[:HEIGHT], layer.weights[:HEIGHT], layer.depth[:HEIGHT])
        assert 0.05 < seen.hit[sure].float().mean() < 1
        assert torch.equal(seen.face[sure], torch.tensor(face[k])[sure])
        torch.testing.assert_close(seen.weights[sure].double(), torch.tensor(weights[k])[sure], rtol=0, atol=WEIGHTS)
        torch.testing.assert_close(seen.depth[sure].double(), torch.tensor(depths[k])[sure], rtol=WEIGHTS, atol=0)
        if k:
            assert not (seen.hit & ~layers[k - 1].hit[:HEIGHT]).any()  # nothing lies behind nothing


def test_the_first_layer_is_what_is_seen_from_both_sides():
    rng = np.random.default_rng(6)
    screen = torch.tensor(rng.uniform(-4, 20, (36, 2)), dtype=torch.float32)
    depth, faces = torch.tensor(rng.uniform(1, 9, 36), dtype=torch.float32), torch.arange(36).view(12, 3)
    seen = rasterise(screen, depth, faces, 17, torch.ones(12, dtype=torch.bool))
    first = peel(screen, depth, faces, 17, 1, 0.1)[0]
    for name in ("face", "weights", "depth"):
        assert torch.equal(getattr(first, name), getattr(seen, name))


def test_two_skins_that_nearly_touch_are_one_surface():
    screen, depth = torch.cat([SQUARE] * 3), torch.tensor([2.0] * 4 + [2.05] * 4 + [3.0] * 4)
    faces = torch.cat([HALVES, HALVES + 4, HALVES + 8])
    for gap, expected in ((0.1, [2.0, 3.0, math.inf]), (0.01, [2.0, 2.05, 3.0])):
        layers = peel(screen, depth, faces, 10, 3, gap)
        assert [float(layer.depth[5, 5]) for layer in layers] == pytest.approx(expected)
        assert all(torch.isinf(layer.depth[0, 0]) and layer.face[0, 0] == -1 for layer in layers)


def test_weights_are_perspective_correct():
    # the middle of an edge on screen is a point that lies nearer to the corner nearer to the camera
    seen = rasterise(SQUARE[:3], torch.tensor([1.0, 3.0, 3.0]), HALVES[:1], 10)
    near, far, _ = seen.weights[2, 5]
    assert (float(near), float(far)) == pytest.approx((0.75, 0.25), abs=WEIGHTS)
    assert float(seen.depth[2, 5]) == pytest.approx(0.75 * 1 + 0.25 * 3, rel=WEIGHTS)


def test_neighbours_leave_no_gap_and_include_their_edges():
    seen = rasterise(SQUARE, torch.ones(4), HALVES, 11)
    expected = torch.zeros(11, 11, dtype=torch.bool)
    expected[2:9, 2:9] = True
    assert torch.equal(seen.hit, expected)


def test_the_nearest_surface_wins_whatever_the_order():
    screen, depth = torch.cat([SQUARE, SQUARE]), torch.tensor([2.0] * 4 + [1.0] * 4)
    for faces in (torch.cat([HALVES, HALVES + 4]), torch.cat([HALVES + 4, HALVES])):
        seen = rasterise(screen, depth, faces, 10)
        assert (seen.depth[seen.hit] == 1).all()
        assert (faces[seen.face[seen.hit]] >= 4).all()


def test_a_back_face_is_culled_unless_it_is_double_sided():
    back = HALVES.flip(1)
    assert not rasterise(SQUARE, torch.ones(4), back, 10).hit.any()
    seen = rasterise(SQUARE, torch.ones(4), back, 10, torch.tensor([True, False]))
    assert seen.hit.any()
    assert set(seen.face.unique().tolist()) == {-1, 0}
    assert (seen.weights[seen.hit] >= -1e-5).all()


def test_a_triangle_that_reaches_behind_the_camera_is_left_out():
    assert not rasterise(SQUARE, torch.tensor([1.0, 1.0, -0.1, 1.0]), HALVES, 10).hit.any()
    assert not rasterise(SQUARE, torch.tensor([1.0, 0.0, 1.0, 1.0]), HALVES[:1], 10).hit.any()


def test_nothing_is_seen_where_nothing_is():
    none = torch.zeros(0, 3, dtype=torch.int64)
    for faces, shift in ((none, 0.0), (HALVES, 100.0), (HALVES, -100.0), (HALVES, float("nan"))):
        seen = rasterise(SQUARE + shift, torch.ones(4), faces, (5, 7))
        assert seen.face.shape == (5, 7)
        assert not seen.hit.any()
        assert seen.weights.abs().sum() == 0
        assert torch.isinf(seen.depth).all()


def test_a_triangle_without_area_is_not_seen():
    line = torch.tensor([[2.0, 2.0], [5.0, 5.0], [8.0, 8.0]])
    assert not rasterise(line, torch.ones(3), HALVES[:1], 10, torch.tensor([True])).hit.any()


def test_normals_of_a_plane_point_at_the_camera_and_seams_share_one():
    plane = torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 1.0, 0.0]])
    none = torch.zeros(0, 2, dtype=torch.int64)
    assert vertex_normals(plane, HALVES, none)[:, 2].tolist() == [-1.0] * 4  # z grows away from the camera
    roof = torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 1], [0, 1, 1], [0, 0, 0], [1, 0, 0], [1, -1, 1], [0, -1, 1]])
    faces = torch.cat([HALVES, (HALVES + 4).flip(1)])
    apart = vertex_normals(roof, faces, none)
    joined = vertex_normals(roof, faces, torch.tensor([[0, 4], [1, 5]]))
    assert (apart[0] - apart[4]).norm() > 1
    assert torch.equal(joined[0], joined[4])
    assert joined[0, 2] < 0
