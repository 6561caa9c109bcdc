"""Notebook 06's tools: what is known of the background is exact, and what is filled is filled where it should be."""

import pytest
import torch

from flow3d.evaluation.scores.metrics import psnr
from flow3d.synthesis import cut_out
from flow3d.teach.lessons import lesson_06
from flow3d.teach.lessons.lesson_06 import Scenes
from tolerances import VIDEO


@pytest.fixture(scope="module")
def data() -> Scenes:
    return lesson_06.scenes([1_000_006, 1_000_008], targets=2)


def flat(wall: float, person: float) -> Scenes:
    """A square person who steps two pixels to the right before a wall of one colour."""
    walls, before, after = torch.full((1, 3, 16, 16), wall), torch.zeros(1, 1, 16, 16), torch.zeros(1, 1, 16, 16)
    before[..., 4:10, 4:10] = 1
    after[..., 4:10, 6:12] = 1
    source, target = (alpha * person + (1 - alpha) * walls for alpha in (before, after))
    windows = torch.zeros(1, 73, 27)
    flow = torch.zeros(1, 3, 16, 16)
    return Scenes(source, target, walls, cut_out(target, after), after, before, windows, windows, flow)


def test_scenes_are_pairs_of_one_person_and_one_background(data):
    assert len(data) == 4
    assert torch.equal(data.source[0], data.source[1])
    assert torch.equal(data.background[2], data.background[3])
    assert not torch.equal(data.target[0], data.target[1])
    bare = (data.alpha == 0).expand_as(data.target)
    assert torch.equal(data.target[bare], data.background[bare])
    again = lesson_06.scenes([1_000_006, 1_000_008], targets=2)
    assert torch.equal(data.target, again.target)
    assert torch.equal(data.flow, again.flow)


def test_some_of_the_scenes_are_scenes(data):
    one = data[[2]]
    assert len(one) == 1
    assert torch.equal(one.hole, data.hole[2:3])


def test_hole_known_and_the_new_person_cover_the_frame(data):
    total = data.hole + data.known + data.alpha
    torch.testing.assert_close(total, torch.ones_like(total))
    assert float((data.hole > 0.5).sum()) > 100


def test_the_untouched_background_is_the_source_s_own(data):
    assert data.untouched.float().mean() > 0.2
    assert lesson_06.grey_steps(data.composite, data.source, data.untouched).max() <= 1
    assert lesson_06.grey_steps(data.target, data.source, data.untouched).max() <= 1


def test_no_paste_can_differ_by_more_than_a_grey_step_outside_both_mattes():
    generator = torch.Generator().manual_seed(0)
    for sign in (-1.0, 1.0):  # the worst that colours can do
        mattes = torch.rand(2, 1, 1, 64, 64, generator=generator) * lesson_06.TOUCHED
        source, colour, painted = sign * torch.ones(1, 3, 64, 64), -sign, -sign
        source_alpha, alpha = mattes
        background = cut_out(source, 1 - source_alpha)
        composite = alpha * colour - (1 - alpha) + (1 - alpha) * (background + 1)
        known = (1 - source_alpha) * (1 - alpha)
        output = known * composite + (1 - known) * painted
        where = lesson_06.outside(source_alpha, alpha)
        assert where.all()
        assert 0.5 < lesson_06.grey_steps(output, source, where).max() <= 1


def test_outside_stops_at_every_matte():
    first, second = torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4)
    first[..., 0, 0], second[..., 1, 1] = 1, 0.01
    assert int((~lesson_06.outside(first, second)).sum()) == 2


def test_scenes_want_a_seed_and_a_target():
    with pytest.raises(ValueError, match="seeds, targets: expected at least one"):
        lesson_06.scenes([])
    with pytest.raises(ValueError, match="got 0 targets"):
        lesson_06.scenes([1_000_000], targets=0)


@pytest.mark.parametrize("method", ["telea", "ns"])
def test_fill_changes_marked_pixels_only(data, method):
    where = torch.zeros(1, 64, 64)
    where[..., 20:30, 5:15] = 1
    filled = lesson_06.fill(data.source[0], where, method)
    beside = (where == 0).expand(3, -1, -1)
    assert (filled - data.source[0])[beside].abs().max() <= VIDEO["eight bits"][0]
    assert (filled - data.source[0])[~beside].abs().max() > 0.1


def test_fill_refuses_an_unknown_method(data):
    with pytest.raises(ValueError, match="method: expected one of telea, ns, got 'magic'"):
        lesson_06.fill(data.source[0], data.hole[0], "magic")


@pytest.mark.parametrize("method", ["telea", "ns"])
def test_a_flat_wall_is_restored_by_the_plate_but_not_from_the_composite(method):
    scene = flat(wall=155 / 127.5 - 1, person=-0.5)
    hole = scene.hole[:, 0] > 0.5
    plate, patch = lesson_06.over_plate(scene, method), lesson_06.over_composite(scene, method)
    restored, bled = (float(lesson_06.grey_steps(made, scene.target, hole).max()) for made in (plate, patch))
    assert 10 * restored < bled, "the person's colour runs into the hole"


def test_the_plate_follows_the_matte_that_it_is_given():
    scene = flat(wall=0.5, person=-0.5)
    ghost = lesson_06.over_plate(scene, matte=torch.zeros_like(scene.source_alpha))
    hole = scene.hole[:, 0] > 0.5
    assert lesson_06.grey_steps(ghost, scene.target, hole).max() > 100, "nothing is cut: the old person stays"


def test_mean_colour_is_the_wall_s():
    scene = flat(wall=0.3, person=-0.9)
    hole = scene.hole[:, 0] > 0.5
    assert lesson_06.grey_steps(lesson_06.over_mean(scene), scene.target, hole).max() < 1
    assert lesson_06.grey_steps(scene.composite, scene.target, hole).max() > 100


def test_region_psnr_agrees_with_the_package_s_and_needs_enough_pixels(data):
    where = data.hole[:, 0] > 0.5
    found = lesson_06.region_psnr(data.composite, data.target, where)
    for k in range(len(data)):
        assert float(found[k]) == pytest.approx(psnr(data.composite[k], data.target[k], where[k]))
    few = torch.zeros_like(where)
    few[:, 0, :7] = True
    assert lesson_06.region_psnr(data.composite, data.target, few).isnan().all()
    few[:, 0, 7] = True
    assert lesson_06.region_psnr(data.composite, data.target, few).isfinite().all()


def test_grey_steps_counts_only_where_it_is_told():
    truth, made = torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 4)
    made[0, 1, 2, 2], made[0, 0, 0, 0] = 3 / 127.5, 1.0
    where = torch.zeros(1, 4, 4, dtype=torch.bool)
    where[0, 2, 2] = True
    assert float(lesson_06.grey_steps(made, truth, where)) == pytest.approx(3)


def test_mark_paints_the_marked(data):
    where = (data.hole[0] > 0.5).float()
    marked = lesson_06.mark(data.composite[0], where)
    assert torch.equal(marked[:, where[0] == 0], data.composite[0][:, where[0] == 0])
    assert torch.equal(marked[:, where[0] == 1], lesson_06.MAGENTA[:, 0].expand(-1, int(where.sum())))


def test_a_flow_without_reach_ends_at_the_silhouette(data):
    flow, alpha = data.flow[0], data.alpha[0]
    inside = alpha[0] > 0.5
    extended = lesson_06.extend_flow(flow, alpha, 0)
    assert torch.equal(extended[:, inside], flow[:, inside])
    assert extended[:, ~inside].abs().max() == 0


def test_a_flow_is_extended_from_the_nearest_pixel_and_fades():
    flow, alpha = torch.zeros(3, 40, 40), torch.zeros(1, 40, 40)
    alpha[0, 4, 2], alpha[0, 4, 37] = 1, 1
    flow[:, 4, 2], flow[:, 4, 37] = torch.tensor([5.0, 0, 0]), torch.tensor([0, -7.0, 0])
    extended = lesson_06.extend_flow(flow, alpha, 6.0)
    fade = torch.exp(torch.tensor(-((5 / 6) ** 2)))
    torch.testing.assert_close(extended[:, 4, 7], fade * flow[:, 4, 2])
    torch.testing.assert_close(extended[:, 4, 32], fade * flow[:, 4, 37])
    far = lesson_06.extend_flow(flow, alpha, 1e6)
    torch.testing.assert_close(far[:, :, 3], flow[:, 4, 2:3].expand(-1, 40))


def test_an_extended_flow_wants_a_person_and_a_reach():
    with pytest.raises(ValueError, match="reach: expected at least 0 and a person, got -1"):
        lesson_06.extend_flow(torch.zeros(3, 4, 4), torch.ones(1, 4, 4), -1)
    with pytest.raises(ValueError, match="and 0 pixels"):
        lesson_06.extend_flow(torch.zeros(3, 4, 4), torch.zeros(1, 4, 4), 1)
