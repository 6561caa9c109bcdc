"""Faces are found where there are some, the largest first, and nothing is taken for a face that is none."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from flow3d.datasets import make_pair
from flow3d.perception.face import SCORES, Face, find_faces
from flow3d.perception.face.canonical import canonical_face
from flow3d.perception.face.faces import LARGEST_RESIDUAL, moved, percent, residual_of, settle
from tolerances import FACE

FIRST = 1_000_000


def percents(found: Face, truth: torch.Tensor) -> float:
    return moved(truth.double().numpy(), found.landmarks.double().numpy())


def test_drawn_heads_are_found_and_their_turn_is_measured(draw):
    errors = []
    for person in range(6):
        for yaw in (0, 20, 40):
            (face,) = find_faces(draw(person, 128, yaw=math.radians(yaw)))
            assert face.certainty > 0.6
            assert 4 < face.residual < LARGEST_RESIDUAL
            errors.append(math.degrees(float(face.angles[1])) - yaw)
    assert np.sqrt(np.mean(np.square(errors))) < FACE["yaw of drawn heads, degrees"][0]


def test_pitch_and_roll_have_the_signs_of_the_coefficients(draw):
    (level,), (nodded,), (tilted,) = (find_faces(draw(3, **named)) for named in ({}, {"pitch": 0.3}, {"roll": 0.3}))
    assert nodded.angles[0] > level.angles[0] + 0.15
    assert tilted.angles[2] > level.angles[2] + 0.15


def test_the_astronaut_smiles(astronaut):
    (face,) = find_faces(astronaut)
    assert face.landmarks.shape == (478, 3)
    assert face.scores.shape == (52,)
    assert face.landmarks.dtype == face.scores.dtype == torch.float32
    assert min(face.scores[SCORES.index(name)] for name in ("mouthSmileLeft", "mouthSmileRight")) > 0.7
    assert face.scores[SCORES.index("jawOpen")] < 0.1
    left, top, right, bottom = face.box.tolist()
    assert (170 < left < 190, 60 < top < 80, 260 < right < 280, 170 < bottom < 190) == (True,) * 4
    assert face.area == pytest.approx((right - left) * (bottom - top))


def test_the_same_picture_gives_the_same_numbers(astronaut):
    first, again = (find_faces(astronaut)[0] for _ in range(2))
    assert torch.equal(first.landmarks, again.landmarks)
    assert torch.equal(first.scores, again.scores)


@pytest.mark.parametrize("light", [0.3, 0.1])
def test_a_dark_picture_shows_the_same_face(astronaut, light):
    (bright,), (dark,) = find_faces(astronaut), find_faces((astronaut + 1) * light - 1)
    assert percents(dark, bright.landmarks) < FACE["dark, percent"][0]


@pytest.mark.parametrize("factor", [0.3, 0.5, 2.0])
def test_another_size_shows_the_same_face(astronaut, scaled, factor):
    (face,), (other,) = find_faces(astronaut), find_faces(scaled(astronaut, factor))
    expected = torch.cat([(face.landmarks[:, :2] + 0.5) * factor - 0.5, face.landmarks[:, 2:] * factor], 1)
    assert percents(other, expected) < FACE["another size, percent"][0]


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_turned_picture_shows_the_same_face(astronaut, quarters):
    (face,), (other,) = find_faces(astronaut), find_faces(torch.rot90(astronaut, quarters, (1, 2)))
    x, y, z = face.landmarks.unbind(1)
    for _ in range(quarters):
        x, y = y, 511 - x
    assert percents(other, torch.stack([x, y, z], 1)) < FACE["turned picture, percent"][0]
    turn = float(other.angles[2] - face.angles[2]) + quarters * math.pi / 2
    assert abs(math.remainder(turn, 2 * math.pi)) < FACE["roll, radians"][0]


def test_a_small_face_in_a_large_picture_is_found(astronaut, scaled):
    picture = torch.full((3, 700, 1500), -0.2)
    picture[:, 300:556, 1100:1356] = scaled(astronaut, 0.5)
    (face,) = find_faces(picture)
    (alone,) = find_faces(scaled(astronaut, 0.5))
    expected = alone.landmarks + torch.tensor([1100.0, 300.0, 0.0])
    assert percents(face, expected) < FACE["another size, percent"][0]


def test_all_faces_of_a_group_are_found_the_largest_first(draw):
    picture = torch.full((3, 512, 1024), 0.1)
    places = {0: (256, 0, 0), 2: (256, 512, 256), 3: (128, 300, 40), 4: (128, 60, 330), 6: (64, 800, 100)}
    for person, (size, x, y) in places.items():
        picture[:, y : y + size, x : x + size] = draw(person, size)
    faces = find_faces(picture)
    assert len(faces) == len(places)
    assert [face.area for face in faces] == sorted((face.area for face in faces), reverse=True)
    for size, x, y in places.values():
        middle = torch.tensor([x + size / 2, y + size / 2])
        assert sum(bool(((face.box[:2] < middle) & (middle < face.box[2:])).all()) for face in faces) == 1


@pytest.mark.parametrize("name", ["chelsea.png", "coffee.png", "rocket.jpg", "brick.png", "moon.png", "page.png"])
def test_a_photograph_without_a_face_gives_none(photograph, name):
    assert find_faces(photograph(name)) == []


@pytest.mark.parametrize(
    "image",
    [
        torch.zeros(3, 1, 1), torch.zeros(3, 1, 300), torch.zeros(3, 120, 90), -torch.ones(3, 64, 64),
        torch.rand(3, 200, 200, generator=torch.Generator().manual_seed(1)) * 2 - 1,
    ],
    ids=["one pixel", "a line", "grey", "black", "noise"],
)  # fmt: skip
def test_what_is_no_photograph_gives_none(image):
    assert find_faces(image) == []


def test_the_walls_behind_drawn_heads_hold_no_face():
    for person in range(4):
        assert find_faces(make_pair(FIRST + person, 128).background) == []


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_types_of_numbers_are_taken(draw, dtype):
    image = draw(3)
    (face,), (other,) = find_faces(image), find_faces(image.to(dtype).requires_grad_())
    assert percents(other, face.landmarks) < FACE["dark, percent"][0]
    assert not other.landmarks.requires_grad


def test_a_picture_that_is_not_contiguous_gives_the_same(draw):
    image = draw(3)
    assert torch.equal(find_faces(image.transpose(1, 2).contiguous().transpose(1, 2))[0].landmarks,
                       find_faces(image)[0].landmarks)  # fmt: skip


@pytest.mark.parametrize(
    ("image", "error", "message"),
    [
        (None, TypeError, "image: expected a float tensor"),
        (np.zeros((3, 8, 8)), TypeError, "image: expected a float tensor"),
        (torch.zeros(3, 8, 8, dtype=torch.uint8), TypeError, "image: expected a float tensor"),
        (torch.zeros(1, 3, 8, 8), ValueError, "image: expected three channels"),
        (torch.zeros(4, 8, 8), ValueError, "image: expected three channels"),
        (torch.zeros(3, 0, 8), ValueError, "image: expected three channels"),
        (torch.full((3, 8, 8), torch.nan), ValueError, "image: expected finite numbers"),
        (torch.full((3, 8, 8), torch.inf), ValueError, "image: expected finite numbers"),
        (torch.full((3, 8, 8), 255.0), ValueError, r"image: expected numbers in \[-1, 1\], got 255 to 255"),
    ],
)
def test_what_is_no_picture_is_refused_by_name(no_shape_checks, image, error, message):
    with pytest.raises(error, match=message):
        find_faces(image)


def test_the_residual_of_the_canonical_face_itself_is_zero():
    face = canonical_face()
    landmarks = np.concatenate([face.vertices * 9 + 100, np.zeros((10, 3))])
    assert residual_of(landmarks) < FACE["exact pose"][0] * 100
    landmarks[:468] *= (1, 1, 0.5)
    assert residual_of(landmarks) > 5


def test_percents_by_hand():
    landmarks = np.zeros((478, 3))
    landmarks[263, 0] = 50
    assert percent(np.array([3.0, 4.0]), landmarks) == pytest.approx(100 * math.sqrt(12.5) / 50)
    assert percent(np.array([1.0]), np.zeros((478, 3))) == math.inf
    assert settle(np.zeros((3, 9, 9), np.float32), np.full((478, 3), np.nan)) is None


def test_a_blurred_head_is_found_too(draw):
    small = functional.interpolate(draw(3)[None], size=40, mode="area")
    (face,) = find_faces(functional.interpolate(small, size=256, mode="bilinear")[0])
    assert face.certainty > 0.5
