"""Every voxel's true flow: the exact one where a surface is seen, the rigid one inside, and none for equal frames."""

import pytest
import torch

from flow3d.morphable import Camera, Coefficients, Frame, Person, exact_flow
from flow3d.morphable.coefficients import POSE
from flow3d.morphable.volume import VolumeGrid
from flow3d.morphable.volume_flow import (
    LAYERS,
    Rays,
    Surfaces,
    VolumeTruth,
    rays_of,
    surface_flow,
    volume_side,
    volume_truth,
)
from tolerances import MORPHABLE, VOLUME

SIZE = 32
DEPTHS = VolumeGrid(slices=8).depths()
STILL = Coefficients.neutral().values[:, POSE]
HERE = {"yaw": -0.3, "pitch": 0.1, "jaw_open": 0.1}
THERE = {"yaw": 0.1, "jaw_open": 0.5, "smile": 0.3}


@pytest.fixture(scope="module")
def person() -> Person:
    return Person.random(43)


def frame(person: Person, **coefficients: float) -> Frame:
    return person.render(Coefficients.neutral().replace(**coefficients), SIZE)


def pose(**coefficients: float) -> torch.Tensor:
    return Coefficients.neutral().replace(**coefficients).values[:, POSE]


def truth_between(person: Person, here: dict[str, float], there: dict[str, float]) -> tuple[Surfaces, VolumeTruth]:
    """Of the target ``there`` and the source ``here``."""
    target, source = frame(person, **there), frame(person, **here)
    surfaces = surface_flow(rays_of(target), source.placed[None], SIZE)
    return surfaces, volume_truth(surfaces, pose(**here), pose(**there), DEPTHS)


def nearest_is_head(surfaces: Surfaces) -> torch.Tensor:
    """Whether the surface that is nearest to a voxel belongs to the head, (B, D, H, W)."""
    nearest = (surfaces.depth[:, None] - DEPTHS[None, :, None, None, None]).abs().argmin(2)
    return surfaces.head[:, None].expand(-1, len(DEPTHS), -1, -1, -1).gather(2, nearest[:, :, None])[:, :, 0]


def test_the_first_surface_moves_as_the_exact_flow_says(person):
    """A ray through every pixel's centre meets what the pixel sees, so both must agree there, dz too."""
    target, source = frame(person, **THERE), frame(person, **HERE)
    flow, _ = exact_flow(target, source)
    rays = rays_of(target, SIZE)
    surfaces = surface_flow(rays, source.placed[None], SIZE)
    hit = target.surface.hit
    assert torch.equal(torch.isfinite(surfaces.depth[0, 0]), hit)
    assert torch.equal(rays.corners[0, 0][hit], target.mesh.faces[target.surface.face[hit]])
    first = surfaces.flow[0, :, 0]
    pixels = MORPHABLE["pixels"][0]
    torch.testing.assert_close(first[:2, hit], flow[:2, hit], rtol=0, atol=pixels)
    unit = Camera().pixels_per_unit(SIZE)
    torch.testing.assert_close(first[2, hit] * unit, flow[2, hit], rtol=0, atol=VOLUME["dz of the surface"][0])
    away = Camera().distance
    torch.testing.assert_close(surfaces.depth[0, 0] + away, target.depth[0] + away, rtol=MORPHABLE["depth"][0], atol=0)
    assert flow[:, hit].abs().amax(1).min() > 1


def test_at_voxel_centres_it_is_the_mean_of_the_pixels_around(person):
    target, source = frame(person, **THERE), frame(person, **HERE)
    flow, _ = exact_flow(target, source)
    surfaces = surface_flow(rays_of(target), source.placed[None], SIZE)
    side = volume_side(SIZE)
    stride = SIZE // side
    mean = torch.nn.functional.avg_pool2d(flow[None, :2], stride)[0] / stride
    inside = torch.nn.functional.avg_pool2d(target.surface.hit[None].float(), stride)[0] == 1
    apart = (surfaces.flow[0, :2, 0] - mean)[:, inside].norm(dim=0)
    assert apart.median() < VOLUME["voxel centres, median"][0]
    assert mean[:, inside].norm(dim=0).median() > 1


def test_two_equal_frames_have_no_flow(person):
    surfaces, truth = truth_between(person, THERE, THERE)
    assert surfaces.flow.abs().max() < MORPHABLE["pixels"][0]
    assert truth.flow.abs().max() < MORPHABLE["pixels"][0]
    assert truth.rigid.abs().max() < MORPHABLE["pixels"][0]
    assert truth.occupied.any()


def test_a_turn_of_the_head_alone_is_rigid_on_the_head_and_not_on_the_shoulders(person):
    surfaces, truth = truth_between(person, {"yaw": -0.1}, {"yaw": 0.3, "pitch": 0.2, "roll": -0.1})
    head = truth.occupied & nearest_is_head(surfaces)
    beyond = (truth.flow - truth.rigid).norm(dim=1)
    assert head.sum() > 200
    assert beyond[head].max() < VOLUME["rigid on the head"][0]
    assert truth.rigid.norm(dim=1)[head].mean() > 1
    assert beyond[truth.occupied & ~nearest_is_head(surfaces)].mean() > 0.1


def test_an_expression_is_what_is_left_without_the_rigid_motion(person):
    surfaces, truth = truth_between(person, {}, {"jaw_open": 0.8})
    beyond = (truth.flow - truth.rigid).norm(dim=1)
    assert not truth.rigid.abs().max() > MORPHABLE["pixels"][0]
    assert beyond[truth.occupied].max() > 0.3
    assert torch.equal(beyond > MORPHABLE["pixels"][0], (beyond > MORPHABLE["pixels"][0]) & truth.occupied)
    assert surfaces.depth.shape[1] == LAYERS


def test_farther_in_the_source_is_a_positive_dz(person):
    surfaces, truth = truth_between(person, {"translation_z": 0.2}, {})
    dz, limit = surfaces.flow[:, 2][surfaces.head], VOLUME["moved away"][0]
    torch.testing.assert_close(dz, torch.full_like(dz, 0.2), rtol=0, atol=limit)
    slices = truth.rigid[:, 2] * (DEPTHS[1] - DEPTHS[0])
    torch.testing.assert_close(slices, torch.full_like(slices, 0.2), rtol=0, atol=limit)


def test_occupied_and_head_are_those_of_a_scene_worked_out_by_hand():
    """Four rays over slices at 0, 1, 2, 3: head before head, head before shoulders, shoulders alone, and nothing."""
    none = torch.inf
    depth = torch.tensor([[[0.4, 1.0], [2.0, none]], [[2.6, 2.6], [none, none]]])[None]  # (1, 2 surfaces, 2, 2 rays)
    head = torch.tensor([[[True, True], [False, False]], [[True, False], [False, False]]])[None]
    flow = torch.zeros(1, 3, 2, 2, 2)
    flow[:, 0, 0], flow[:, 0, 1], flow[:, 2, 1] = 0.25, 0.5, 0.125
    slices = torch.tensor([0.0, 1.0, 2.0, 3.0])
    truth = volume_truth(Surfaces(depth, head, flow), STILL, STILL, slices)

    def column(values: torch.Tensor, ray: int) -> list:
        return values[0].flatten(-2)[..., ray].tolist()

    assert [column(truth.occupied, ray) for ray in range(4)] == [
        [True, False, False, True],  # .4 is nearest to 0, 2.6 to 3
        [False, True, False, True],
        [False, False, True, False],
        [False] * 4,
    ]
    assert [column(truth.head, ray) for ray in range(4)] == [
        [True] * 4,  # from half a slice before the first surface to half a slice behind the last
        [False, True, True, True],
        [False] * 4,  # the first surface is no head's
        [False] * 4,
    ]
    assert truth.first.flatten().tolist() == pytest.approx([0.4, 1.0, 2.0, none])
    still = MORPHABLE["pixels"][0]
    assert truth.rigid.abs().max() < still
    for ray, (dx, dz) in enumerate(
        (([0.25, 0, 0, 0.5], [0, 0, 0, 0.125]), ([0, 0.25, 0, 0.5], [0, 0, 0, 0.125]), ([0, 0, 0.25, 0], [0] * 4))
    ):
        assert column(truth.flow[:, 0], ray) == pytest.approx(dx, abs=still)
        assert column(truth.flow[:, 2], ray) == pytest.approx(dz, abs=still)


def test_dz_counts_slices():
    depth, head = torch.zeros(1, 1, 1, 1), torch.ones(1, 1, 1, 1, dtype=torch.bool)
    flow = torch.tensor([0.0, 0.0, 0.5]).view(1, 3, 1, 1, 1)
    truth = volume_truth(Surfaces(depth, head, flow), STILL, STILL, torch.tensor([-0.25, 0.0, 0.25]))
    assert truth.flow[0, 2, 1].item() == pytest.approx(2.0, abs=MORPHABLE["pixels"][0])


def test_each_of_a_batch_has_its_own_source(person):
    other = Person.random(44)
    pairs = [(person, HERE, THERE), (other, {"yaw": 0.2}, {"smile": 0.7}), (person, THERE, HERE)]
    alone = [truth_between(*each) for each in pairs]
    frames = [(frame(who, **there), frame(who, **here)) for who, here, there in pairs]
    each = [rays_of(target) for target, _ in frames]
    rays = Rays(*(torch.cat([getattr(r, name) for r in each]) for name in ("corners", "weights", "depth", "head")))
    vertices = torch.stack([source.placed for _, source in frames])
    surfaces = surface_flow(rays, vertices, SIZE)
    source, target = (torch.cat([pose(**one[k]) for one in pairs]) for k in (1, 2))
    together = volume_truth(surfaces, source, target, DEPTHS)
    for k, (_, truth) in enumerate(alone):
        torch.testing.assert_close(together.flow[k], truth.flow[0], rtol=0, atol=MORPHABLE["pixels"][0])
        assert torch.equal(together.occupied[k], truth.occupied[0])
        assert torch.equal(together.head[k], truth.head[0])


def test_what_lies_behind_the_source_s_camera_is_no_surface(person):
    target = frame(person)
    behind = target.placed.clone()
    behind[:, 2] = -1.0
    surfaces = surface_flow(rays_of(target), behind[None], SIZE)
    assert torch.isinf(surfaces.depth).all()
    assert not surfaces.head.any()
    assert not surfaces.flow.any()


@pytest.mark.parametrize(("size", "side"), [(16, 8), (32, 16), (64, 32), (128, 32), (256, 64)])
def test_a_volume_is_as_wide_as_the_presets_have_it(size, side):
    assert volume_side(size) == side
