"""AKD and AED of detected faces: by hand, on drawn heads, of frames without a face, and how far the detector wavers."""

import math

import pytest
import torch

from flow3d.evaluation.scores import face_scores
from flow3d.evaluation.scores.face_scores import FacesFound, aed, akd, detect_faces, detect_moved
from flow3d.evaluation.scores.motion_scores import LANDMARKS, landmarks
from flow3d.morphable import Coefficients, Person
from flow3d.perception.face import Face
from tolerances import EVALUATION


def faces(count: int = 2) -> FacesFound:
    return FacesFound(torch.zeros(count, 478, 2), torch.zeros(count, 52))


def drawn(size: int = 64, **values: float) -> torch.Tensor:
    motion = Coefficients.neutral().replace(**values)
    return Person.random(1_000_003).render(motion, size).image


def test_distances_are_means_of_absolute_differences_and_nan_without_a_face():
    a, b = faces(3), faces(3)
    b.points[0, :, 0], b.points[0, :, 1] = 3.0, -1.0  # signs do not cancel
    b.scores[0, :26] = 0.5
    b.points[1], b.scores[1] = torch.nan, torch.nan
    found = akd(a, b), aed(a, b)
    assert [scores[0] for scores in found] == [2.0, 0.25]
    assert all(math.isnan(scores[1]) and scores[2] == 0 for scores in found)
    assert b.found.tolist() == [True, False, True]
    assert b.roll(1).found.tolist() == [True, True, False]
    for score in (akd, aed):
        with pytest.raises(ValueError, match=r"^b: expected the faces of 3 frames, got 2"):
            score(a, faces(2))


def test_a_drawn_face_is_found_where_it_is_at_any_size():
    person = Person.random(1_000_003)
    exact = landmarks(torch.cat([Coefficients.neutral().values[0], person.alpha])[None])[0]
    for size in (64, 256):
        found = detect_faces(drawn(size)[None])
        away = (found.points[0, 4] - exact[LANDMARKS.index("nose_tip")]).norm()
        assert away < EVALUATION["detected point"][0], size


def test_an_expression_moves_the_scores_and_the_landmarks_and_a_moved_picture_hardly():
    still, smiling, jaw = detect_faces(torch.stack([drawn(), drawn(smile=1.0), drawn(jaw_open=1.0)])), 1, 2
    neutral = FacesFound(still.points[:1].expand(3, -1, -1), still.scores[:1].expand(3, -1))
    keypoints, expressions = akd(still, neutral), aed(still, neutral)
    floor = detect_moved(drawn()[None])
    first = FacesFound(still.points[:1], still.scores[:1])
    for other in (smiling, jaw):
        assert keypoints[other] > 3 * akd(floor, first)[0]
        assert expressions[other] > 3 * aed(floor, first)[0]
    assert akd(floor, first)[0] < EVALUATION["moved by a pixel"][0]


def test_walls_have_no_face():
    wall = Person.random(1_000_001).background(64)  # in its leaves the detector sees a face of 34 px of 256
    assert not detect_faces(torch.stack([wall, torch.full((3, 64, 64), 0.1)])).found.any()


def test_what_is_too_small_for_a_portrait_or_on_its_head_is_no_face(monkeypatch):
    (face,) = face_scores.find_faces(drawn(256))
    middle = face.landmarks.mean(0)
    large = float((face.box[2:] - face.box[:2]).max())

    def found(share: float, turn: float = 1.0) -> bool:
        points = middle + turn * (share * 256 / large) * (face.landmarks - middle)
        monkeypatch.setattr(face_scores, "find_faces", lambda _: [Face(points, face.scores, face.certainty)])
        return bool(detect_faces(drawn(256)[None]).found[0])

    assert found(0.26)
    assert not found(0.24)
    assert not found(0.5, turn=-1.0)


@pytest.mark.usefixtures("no_shape_checks")
def test_what_are_no_frames_is_refused():
    with pytest.raises(ValueError, match=r"^frames: expected finite numbers in \[-1, 1\], got 0 to 255"):
        detect_faces(torch.linspace(0, 255, 3 * 64 * 64).view(1, 3, 64, 64))
    with pytest.raises(TypeError, match=r"^frames: expected a float tensor"):
        detect_faces(torch.zeros(1, 3, 64, 64, dtype=torch.uint8))
