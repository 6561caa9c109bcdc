"""Landmarks lie where the drawn head has its eyes, and the expression scores follow the drawn expression."""

import numpy as np
import pytest
import torch

from flow3d.morphable import Coefficients, Person
from flow3d.perception.face.crops import Turned
from flow3d.perception.face.detector import detect, whole
from flow3d.perception.face.landmarks import SCORES, SUBSET, expression_scores, landmarks_in, square_around
from flow3d.preprocessing.fitting import landmark_vertices
from tolerances import FACE


@pytest.fixture(scope="module")
def found(draw):
    """The landmarks of a drawn head, by its coefficients."""

    def find(person: int = 3, **named: float) -> np.ndarray:
        planes = draw(person, 256, **named).numpy()
        landmarks = landmarks_in(planes, detect(planes, whole(planes))[0].square())
        return landmarks_in(planes, square_around(landmarks))

    return find


def score(landmarks: np.ndarray, name: str) -> float:
    return float(expression_scores(landmarks)[SCORES.index(name)])


def test_the_tables_have_their_lengths():
    assert len(SUBSET) == len(set(SUBSET.tolist())) == 146
    assert len(SCORES) == len(set(SCORES)) == 52
    assert {name.removesuffix("Left") + "Right" for name in SCORES if name.endswith("Left")} <= set(SCORES)


def test_irises_lie_on_the_drawn_eyes(found):
    """Pixels, not shares; x before y; an integer is a pixel's centre."""
    person, front = Person.random(1_000_003), Coefficients.neutral()
    screen = person.camera.project(person.vertices(front), front.crop[0], 256)[0].numpy()
    pupils = screen[landmark_vertices(person.head)[:2].numpy()]
    assert np.abs(found()[[468, 473], :2] - pupils).max() < FACE["iris, pixels"][0]


def test_the_nose_is_nearer_than_the_ears(found):
    landmarks = found()
    assert landmarks[4, 2] < landmarks[[234, 454], 2].min() - 20


@pytest.mark.parametrize(
    ("named", "name", "least"),
    [
        ({"jaw_open": 1.0}, "jawOpen", 0.3),
        ({"blink_left": 1.0}, "eyeBlinkLeft", 0.2),
        ({"blink_right": 1.0}, "eyeBlinkRight", 0.2),
        ({"smile": 1.0}, "mouthSmileLeft", 0.3),
        ({"pucker": 1.0}, "mouthPucker", 0.3),
    ],
)
def test_scores_follow_the_drawn_expression(found, named, name, least):
    assert score(found(6, **named), name) > score(found(6), name) + least


def test_scores_do_not_depend_on_place_and_size(found):
    landmarks = found(6, jaw_open=0.6)
    moved = expression_scores(landmarks * 1.7 + 33)
    assert np.abs(moved - expression_scores(landmarks)).max() < FACE["scores, moved"][0]


def test_the_next_square_holds_the_face_and_turns_with_it(found):
    landmarks = found(3, roll=0.4)
    square = square_around(landmarks)
    turned = (landmarks[:, :2] - square.centre) @ square.axes
    assert square.angle == pytest.approx(0.4, abs=FACE["roll, radians"][0])
    assert np.abs(turned).max() * 2 * 1.5 == pytest.approx(square.side)


def test_every_square_has_an_answer():
    """Whether there was a face is not for the network to say."""
    landmarks = landmarks_in(np.zeros((3, 1, 1), np.float32), Turned(np.zeros(2), 1.0, 0.0))
    assert landmarks.shape == (478, 3)
    assert np.isfinite(landmarks).all()
    assert torch.from_numpy(expression_scores(landmarks)).isfinite().all()
