"""A lifted frame looks like the frame, and the rigid flow is the exact flow of what is rigid."""

import pytest
import torch

from flow3d.morphable import PARTS, Coefficients, Person, exact_flow
from flow3d.morphable.volume import VolumeGrid, composite, rigid_flow, rigid_motion
from flow3d_kernels import warp3d
from tolerances import VOLUME

GRID = VolumeGrid(size=64, slices=32)


@pytest.fixture(scope="module")
def person() -> Person:
    return Person.random(43)


def turned(person: Person, **pose: float):
    return person.render(Coefficients.neutral().replace(**pose), 64)


def test_looking_through_a_lifted_frame_gives_the_frame_back(person):
    frame = turned(person)
    picture, alpha = composite(GRID.lift(frame))
    solid = frame.alpha[0] > 0.999
    inside = solid & (alpha[0] > 0.5)
    assert inside.sum() > 0.97 * solid.sum()
    assert (picture - frame.foreground)[:, inside].abs().mean() < VOLUME["lifted picture"][0]
    assert (alpha[0][frame.alpha[0] == 0] == 0).all()


def test_each_pixel_lies_in_the_slice_of_its_depth(person):
    frame = turned(person)
    opacity = GRID.lift(frame)[3]
    y, x = 40, 32
    first = int((opacity[:, y, x] > 0.5).nonzero()[0])
    assert abs(float(GRID.depths()[first]) - float(frame.depth[0, y, x])) < (GRID.far - GRID.near) / 31


def test_no_turn_is_no_flow():
    angles = torch.tensor([0.1, -0.4, 0.2])
    assert GRID.rigid_flow(angles, angles).abs().max() < VOLUME["no turn"][0]


def error_on_the_head(flow, source, target, grid):
    """The largest distance to the exact flow, at each pixel's own depth, in pixels."""
    exact, visible = exact_flow(target, source)
    place = (target.depth[0].nan_to_num(posinf=0) - grid.near) / (grid.far - grid.near) * (grid.slices - 1)
    low = place.floor().clamp(0, grid.slices - 2).long()
    share = (place - low).clamp(0, 1)
    pick = lambda index: flow.gather(1, index[None, None].expand(3, 1, -1, -1))[:, 0]  # noqa: E731
    at_surface = pick(low) * (1 - share) + pick(low + 1) * share
    head = (visible[0] > 0.5) & (target.alpha[0] > 0.5)
    for part in ("neck", "clothing", "eyes"):  # shoulders turn less; gaze is the same, but lids lie on eyeballs
        head &= target.labels[0] != PARTS[part]
    assert head.sum() > 500
    assert exact[:2, head].abs().max() > 4
    return (at_surface[:2] - exact[:2])[:, head].abs().max()


def test_the_rigid_flow_is_the_exact_flow_on_the_head(person):
    source, target = turned(person, yaw=-0.2, pitch=0.1), turned(person, yaw=0.3, roll=0.1)
    rigid = GRID.rigid_flow(torch.tensor([0.1, -0.2, 0.0]), torch.tensor([0.0, 0.3, 0.1]))
    assert error_on_the_head(rigid, source, target, GRID) < VOLUME["rigid flow"][0]


def test_it_is_the_exact_flow_of_a_head_that_moves_in_another_crop_too(person):
    here = {"yaw": -0.1, "translation_x": 0.06, "crop_scale": 0.9}
    there = {"yaw": 0.1, "translation_y": -0.04, "translation_z": 0.2, "crop_scale": 1.1, "crop_x": 9.0}
    source, target = (Coefficients.neutral().replace(**pose).values[:, 64:] for pose in (here, there))
    flow = rigid_flow(source, target, GRID.depths(), GRID.size)[0]
    assert error_on_the_head(flow, turned(person, **here), turned(person, **there), GRID) < VOLUME["rigid flow"][0]


def test_a_coarse_rigid_flow_is_the_fine_one(person):
    angles = [torch.tensor([0.0, -0.35, 0.0]), torch.tensor([0.0, 0.35, 0.0])]
    fine, coarse = (GRID.rigid_flow(angles[0], angles[1], shape) for shape in (None, (4, 8)))
    inner = (slice(None), slice(2, -2), slice(8, -8), slice(8, -8))  # enlarging clamps at the rim
    assert (fine - coarse)[inner].abs().max() < 1.0
    assert fine.abs().max() > 10


def test_warping_the_volume_turns_the_head(person):
    source, target = turned(person, yaw=-0.2), turned(person, yaw=0.2)
    angles = [torch.tensor([0.0, -0.2, 0.0]), torch.tensor([0.0, 0.2, 0.0])]
    seen = ((exact_flow(target, source)[1] > 0.5) & (target.alpha > 0.5))[0]

    def error(flow: torch.Tensor) -> float:
        picture, _ = composite(warp3d(GRID.lift(source)[None], flow[None].contiguous(), padding="zeros")[0])
        return float((picture - target.foreground)[:, seen].abs().mean())

    right, wrong = GRID.rigid_flow(angles[0], angles[1]), GRID.rigid_flow(angles[1], angles[0])
    assert error(right) < 0.5 * error(torch.zeros_like(right))
    assert error(wrong) > error(torch.zeros_like(right))


def test_points_at_any_depth_move_as_their_slice_does():
    source, target = (
        torch.cat([Coefficients.neutral().replace(**pose).values[:, 64:] for pose in poses])
        for poses in (({"yaw": -0.2}, {"translation_z": 0.1}), ({"yaw": 0.3, "crop_scale": 1.1}, {"pitch": -0.2}))
    )
    depths, side = GRID.depths(5), 8
    slices = rigid_flow(source, target, depths, side)  # (2, 3, 5, 8, 8)
    order = torch.rand(2, 5, side, side, generator=torch.Generator().manual_seed(0)).argsort(1)  # each ray its own
    moved = rigid_motion(source, target, depths[order])
    expected = slices.gather(2, order[:, None].expand(-1, 3, -1, -1, -1))
    moved[:, 2] /= depths[1] - depths[0]  # from head half-heights to slices
    torch.testing.assert_close(moved, expected)
    assert expected.abs().amax((1, 2, 3, 4)).min() > 0.5


def test_a_flow_of_the_grid_s_size_is_enlarged_to_itself_and_a_coarser_one_to_its_voxels():
    grid = VolumeGrid(size=16, slices=5)
    flow = torch.randn(3, 5, 16, 16, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(grid.enlarge(flow), flow)
    plain = torch.tensor([1.0, -2.0, 0.5])[:, None, None, None].expand(3, 3, 4, 4)  # two steps between three slices
    large = torch.tensor([4.0, -8.0, 1.0])[:, None, None, None].expand(3, 5, 16, 16)
    torch.testing.assert_close(grid.enlarge(plain), large)
    deep = torch.arange(3.0)[None, :, None, None].expand(3, 3, 4, 4)
    torch.testing.assert_close(grid.enlarge(deep)[2, :, 7, 7], torch.tensor([0.0, 1.0, 2.0, 3.0, 4.0]))


def test_a_picture_is_lifted_as_its_frame_is(person):
    frame = turned(person)
    assert torch.equal(GRID.lift_picture(frame.foreground, frame.depth), GRID.lift(frame))


def test_a_frame_of_another_size_is_refused(person):
    with pytest.raises(ValueError, match="frame: expected 64 px like the grid, got 32"):
        GRID.lift(person.render(Coefficients.neutral(), 32))
