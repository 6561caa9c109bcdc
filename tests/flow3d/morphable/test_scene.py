"""A rendered frame: composited, labelled, posed as its coefficients say, and the same scene at every size.

Tests: frame, appearance, backgrounds, shading, head.hair, materials.table, materials.skin, materials.outside,
materials.inside, materials.paint.
"""

from functools import cache
from typing import cast

import numpy as np
import pytest
import torch
from torch.nn import functional

from flow3d.morphable import (
    BACKGROUNDS,
    HAIR_STYLES,
    PARTS,
    Appearance,
    Coefficients,
    Frame,
    Person,
    ProceduralHead,
    random_alpha,
    talking_head,
)
from flow3d.morphable.backgrounds import paint_background
from flow3d.morphable.head.parts import MATERIAL
from tolerances import MORPHABLE

NEUTRAL = Coefficients.neutral()
PERSON = Person.random(3)


def centroid(frame: Frame, part: str) -> torch.Tensor:
    """Mean (x, y) of a part's pixels."""
    return (frame.labels[0] == PARTS[part]).nonzero().flip(-1).float().mean(0)


@cache
def posed(**named: float) -> Frame:
    """The person at 64 px; neutral where nothing is named."""
    return PERSON.render(NEUTRAL.replace(**named), 64)


def eyeballs(frame: Frame) -> int:
    face = frame.surface.face[frame.surface.hit]
    return int((frame.mesh.material[face] == MATERIAL["eyeball"]).sum())


def test_shapes_types_and_ranges():
    frame = posed()
    assert frame.size == 64
    for image in (frame.image, frame.foreground):
        assert image.shape == (3, 64, 64)
        assert image.dtype == torch.float32
        assert -1 <= image.min() <= image.max() <= 1
    assert frame.alpha.shape == frame.depth.shape == frame.labels.shape == (1, 64, 64)
    assert frame.labels.dtype == torch.int64
    assert 0 == frame.alpha.min() <= frame.alpha.max() == 1
    assert ((frame.alpha > 0) & (frame.alpha < 1)).float().mean() > 0.01  # edges are soft


def test_the_image_is_the_person_over_the_background():
    frame = posed()
    alpha = frame.alpha
    composite = alpha * frame.foreground + (1 - alpha) * PERSON.background(64)
    assert torch.equal(frame.image, composite)
    nobody = (alpha == 0).expand_as(frame.image)
    assert (frame.foreground[nobody] == -1).all()
    assert torch.equal(frame.image[nobody], PERSON.background(64)[nobody])


def test_labels_depth_and_surface_agree_on_what_is_background():
    frame = posed()
    nobody = frame.labels == PARTS["background"]
    assert torch.equal(nobody, torch.isinf(frame.depth))
    assert torch.equal(nobody[0], ~frame.surface.hit)
    assert frame.depth[~nobody].abs().max() < 1.5
    weights = frame.surface.weights[frame.surface.hit]
    torch.testing.assert_close(weights.sum(1), torch.ones(len(weights)))


def test_the_surface_point_of_a_pixel_projects_onto_it():
    frame = posed()
    hit = frame.surface.hit
    corners = PERSON.faces[frame.surface.face[hit]]
    points = (PERSON.vertices(NEUTRAL)[corners] * frame.surface.weights[hit][..., None]).sum(1)
    place, depth = PERSON.camera.project(points, NEUTRAL.crop[0], 64)
    here = hit.nonzero().flip(-1).float()
    torch.testing.assert_close(place, here, rtol=0, atol=MORPHABLE["reprojected pixels"][0])
    torch.testing.assert_close(depth, frame.surface.depth[hit], rtol=MORPHABLE["depth"][0], atol=0)


def test_the_same_person_is_the_same_bytes():
    frame = posed()
    again = Person.random(3).render(NEUTRAL, 64)
    assert torch.equal(again.image, frame.image)
    assert torch.equal(again.labels, frame.labels)
    assert not torch.equal(Person.random(4).render(NEUTRAL, 64).image, frame.image)


def test_the_number_of_threads_changes_nothing_and_is_left_alone():
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        image = PERSON.render(NEUTRAL, 64).image
        assert torch.get_num_threads() == 2
        with pytest.raises(ValueError, match="size"):
            PERSON.render(NEUTRAL, 100)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(image, posed().image)


def test_translation_moves_the_head_right_down_and_away():
    frame = posed()
    at = centroid(frame, "skin")
    unit, near = PERSON.camera.pixels_per_unit(64), MORPHABLE["centroid of the skin"][0]
    right = centroid(posed(translation_x=0.2), "skin") - at
    assert right.tolist() == pytest.approx([0.2 * unit, 0], abs=near)
    down = centroid(posed(translation_y=0.2), "skin") - at
    assert down.tolist() == pytest.approx([0, 0.2 * unit], abs=near)
    away = posed(translation_z=1.0)
    assert (away.labels == PARTS["skin"]).sum() < 0.9 * (frame.labels == PARTS["skin"]).sum()
    depth = float(frame.depth[0, 32, 32]) + 1.0
    assert away.depth[0, 32, 32] == pytest.approx(depth, abs=MORPHABLE["depth moved away"][0])


def test_rotations_turn_the_face_the_way_their_names_say():
    mouth, eyes = centroid(posed(), "mouth"), centroid(posed(), "eyes")
    assert centroid(posed(yaw=0.3), "mouth")[0] > mouth[0] + 2
    assert centroid(posed(yaw=-0.3), "mouth")[0] < mouth[0] - 2
    assert centroid(posed(pitch=0.3), "eyes")[1] > eyes[1] + 2
    rolled = posed(roll=0.3)
    spine = centroid(rolled, "mouth") - centroid(rolled, "eyes")
    assert spine[0] < -2  # clockwise: the chin goes to the viewer's left
    assert torch.atan2(-spine[0], spine[1]) == pytest.approx(0.3, abs=MORPHABLE["roll seen in the face"][0])


def test_a_crop_zooms_and_shifts_the_person_but_not_the_background():
    frame = posed()
    shifted = posed(crop_x=16.0, crop_y=-8.0)  # 4 and -2 pixels at 64
    for a, b in ((shifted.labels, frame.labels), (shifted.alpha, frame.alpha)):
        assert torch.equal(a[:, 4:60, 8:60], b[:, 6:62, 4:56])
    nobody = ((shifted.alpha == 0) & (frame.alpha == 0)).expand(3, -1, -1)
    assert torch.equal(shifted.image[nobody], frame.image[nobody])
    zoomed = posed(crop_scale=1.2)
    wide = [(f.labels == PARTS["eyes"]).sum().item() for f in (frame, zoomed)]
    assert wide[1] == pytest.approx(1.44 * wide[0], rel=MORPHABLE["area of the eyes"][0])


@pytest.mark.parametrize("pose", [{}, {"yaw": 0.4, "pitch": 0.1, "crop_scale": 1.1, "crop_x": 10.0, "crop_y": -6.0}])
def test_64_and_256_pixels_show_the_same_scene(pose):
    small, large = (PERSON.render(NEUTRAL.replace(**pose), size) for size in (64, 256))
    for name, limit in (("image", "64 against 256 px, image"), ("alpha", "64 against 256 px, alpha")):
        reduced = functional.avg_pool2d(getattr(large, name)[None], 4)[0]
        assert (reduced - getattr(small, name)).abs().mean() < MORPHABLE[limit][0]


def test_one_sample_a_pixel_has_hard_edges_and_the_same_labels():
    hard = PERSON.render(NEUTRAL, 64, supersample=1)
    assert set(hard.alpha.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(hard.labels, posed().labels)
    assert torch.equal(PERSON.render(NEUTRAL, 64, supersample=4).labels, posed().labels)


def test_every_part_is_seen_over_a_few_people():
    seen = torch.zeros(len(PARTS))
    for seed in range(6):
        labels = Person.random(seed).render(NEUTRAL, 64).labels
        counts = torch.bincount(labels.flatten(), minlength=len(PARTS))
        assert len(counts) == len(PARTS)
        assert counts[PARTS["eyes"]] > 40
        assert counts[PARTS["mouth"]] > 20
        seen += counts
    assert (seen > 0).all()


def test_a_blink_hides_the_eyeballs_and_the_lids_stay_eyes():
    shut = posed(blink_left=1.0, blink_right=1.0)
    assert eyeballs(posed()) > 20
    assert eyeballs(shut) == 0
    for half in (shut.labels[..., :32], shut.labels[..., 32:]):
        assert (half == PARTS["eyes"]).sum() > 15
    assert (posed(blink_left=1.0).labels[..., :32] == posed().labels[..., :32]).all()  # their left is our right


def test_an_open_mouth_stays_labelled_mouth_and_grows():
    opened = posed(jaw_open=1.0)
    mouth = (opened.labels == PARTS["mouth"]).sum()
    assert mouth > 1.5 * (posed().labels == PARTS["mouth"]).sum()
    inside = PERSON.material[opened.surface.face[opened.surface.hit]]
    assert {MATERIAL["teeth"], MATERIAL["bag"]} & set(inside.unique().tolist())


def test_gaze_moves_the_irises():
    right, left = posed(gaze_x=1.0), posed(gaze_x=-1.0)
    changed = (right.image - left.image).abs().amax(0) > 0.2
    assert changed.any()
    assert (posed().labels[0][changed] == PARTS["eyes"]).float().mean() > 0.95


@pytest.mark.parametrize("hair", [*HAIR_STYLES, None])
def test_every_hair_style_leaves_the_face_free(hair):
    frame = Person(look=Appearance(hair=hair)).render(NEUTRAL, 32)
    assert torch.isfinite(frame.image).all()
    assert (frame.labels == PARTS["eyes"]).sum() > 8
    assert (frame.labels == PARTS["mouth"]).sum() > 5
    assert bool((frame.labels == PARTS["hair"]).any()) == (hair is not None)


@pytest.mark.parametrize("cloth", ["plain", "stripes", "checks", "knit", "shirt"])
def test_every_cloth_is_painted_differently(cloth):
    worn = Person(look=Appearance(cloth=cloth, background="plaid")).render(NEUTRAL, 64)
    other = Person(look=Appearance(cloth="knit" if cloth != "knit" else "plain", background="plaid")).render(
        NEUTRAL, 64
    )
    where = (worn.labels == PARTS["clothing"])[0]
    assert where.any()
    assert (worn.image - other.image).abs()[:, where].max() > 0.02


@pytest.mark.parametrize("kind", BACKGROUNDS)
def test_a_background_is_complete_textured_and_one_scene(kind):
    small, large = paint_background(kind, 7, 64), paint_background(kind, 7, 256)
    assert large.shape == (3, 256, 256)
    assert -1 <= large.min() <= large.max() <= 1
    assert large.std() > 0.03
    assert (functional.avg_pool2d(large[None], 4)[0] - small).abs().max() < MORPHABLE["background, reduced"][0]
    assert not torch.equal(small, paint_background(kind, 8, 64))


def test_what_is_left_out_is_not_seen():
    bare = Person(PERSON.alpha, PERSON.look, without=("cloth", "neck")).render(NEUTRAL, 64)
    assert not torch.isin(bare.labels, torch.tensor([PARTS["clothing"], PARTS["neck"]])).any()
    assert (bare.labels == PARTS["skin"]).any()


def test_a_coarser_head_looks_alike():
    coarse = Person(PERSON.alpha, PERSON.look, ProceduralHead(0.5)).render(NEUTRAL, 64)
    assert (coarse.alpha - posed().alpha).abs().mean() < MORPHABLE["coarse head, alpha"][0]


def test_extreme_motion_stays_finite():
    for seed in range(3):
        frame = Person.random(seed).render(talking_head(80, seed).frame(79), 32)
        assert torch.isfinite(frame.image).all()
    assert posed(translation_z=-9.0).alpha.max() == 0  # behind the camera


@pytest.mark.usefixtures("no_shape_checks")
@pytest.mark.parametrize("size", [48, 0, -64, 8, 4096])
def test_a_size_that_is_no_power_of_two_is_refused(size):
    with pytest.raises(ValueError, match=f"size: expected .*got {size}"):
        PERSON.render(NEUTRAL, size)


@pytest.mark.usefixtures("no_shape_checks")
def test_bad_input_is_named():
    nan, half, word = NEUTRAL.values[0].clone(), cast("int", 64.0), cast("int", "a")
    nan[64] = torch.nan
    for call, error, message in (
        (lambda: PERSON.render(NEUTRAL, half), TypeError, "size: expected an integer, got 64.0"),
        (lambda: PERSON.render(NEUTRAL, 64, supersample=3), ValueError, "supersample: expected 1, 2 or 4, got 3"),
        (lambda: PERSON.render(torch.zeros(70)), ValueError, r"coefficients: expected shape \(73,\), got \(70,\)"),
        (lambda: PERSON.render(nan), ValueError, "coefficients: expected finite numbers, got nan in 'pitch'"),
        (lambda: PERSON.render(Coefficients.neutral(2)), ValueError, "coefficients: expected one frame, got 2"),
        (lambda: Person(torch.zeros(81)), ValueError, r"alpha: expected shape \(80,\), got \(81,\)"),
        (lambda: Person(without=("hat",)), ValueError, "without: expected materials among skin, .*got 'hat'"),
        (lambda: Person.random(-1), ValueError, "seed: expected 0 or more, got -1"),
        (lambda: Person.random(word), TypeError, "seed: expected an integer, got 'a'"),
        (lambda: Appearance(hair="mullet"), ValueError, "hair: expected one of short, .*got 'mullet'"),
        (lambda: Appearance(cloth="silk"), ValueError, "cloth: expected one of plain, .*got 'silk'"),
        (lambda: Appearance(background="sea"), ValueError, "background: expected one of bricks, .*got 'sea'"),
        (lambda: Appearance(skin="pink"), ValueError, "skin: expected an sRGB colour such as '#d69a72', got 'pink'"),
        (lambda: Appearance(cloth_colours=("#112233", "#1")), ValueError, "cloth_colours: expected .*got '#1'"),
        (lambda: paint_background("sea", 0, 64), ValueError, "kind: expected one of bricks, .*got 'sea'"),
    ):
        with pytest.raises(error, match=message):
            call()


def test_random_people_differ_in_shape_and_look():
    looks = {Person.random(seed).look for seed in range(20)}
    assert len(looks) == 20
    assert len({look.background for look in looks}) > 4
    assert not torch.equal(random_alpha(np.random.default_rng(0)), random_alpha(np.random.default_rng(1)))
