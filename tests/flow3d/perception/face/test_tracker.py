"""A face is followed through a drawn clip, lost where it is gone, and found again elsewhere."""

import math

import numpy as np
import pytest
import torch

from flow3d.morphable import Coefficients, Person, talking_head
from flow3d.perception.face import Face, Tracker, find_faces, track, tracker
from tolerances import FACE

FRAMES = 12


@pytest.fixture(scope="module")
def clip() -> tuple[Coefficients, list[torch.Tensor]]:
    motion = Coefficients(talking_head(40, 1_000_003).values[: 3 * FRAMES : 3])
    person = Person.random(1_000_003)
    return motion, [person.render(Coefficients(frame[None]), 256).image for frame in motion.values]


@pytest.fixture
def searches(monkeypatch) -> list[tuple[int, ...]]:
    """The searches of the detector, by their parts."""
    made: list[tuple[int, ...]] = []
    search = tracker.search

    def counted(planes, parts):
        made.append(parts)
        return search(planes, parts)

    monkeypatch.setattr(tracker, "search", counted)
    return made


def followed(frames: list[torch.Tensor]) -> list[Face]:
    """The faces of a clip that has one in each frame."""
    faces = [face for face in track(frames) if face is not None]
    assert len(faces) == len(frames)
    return faces


def test_a_talking_head_is_searched_once_and_followed(clip, searches):
    motion, frames = clip
    faces = followed(frames)
    assert len(searches) == 1
    yaw = np.array([math.degrees(float(face.angles[1])) for face in faces])
    truth = np.degrees(motion["yaw"].numpy())
    assert np.sqrt(np.mean((yaw - truth) ** 2)) < FACE["yaw in a clip, degrees"][0]
    assert np.ptp(truth) > 15  # it turned, so that a still answer would fail
    assert {face.certainty for face in faces} == {faces[0].certainty}


def test_following_gives_what_finding_gives(clip):
    _, frames = clip
    for face, frame in zip(followed(frames), frames, strict=True):
        (found,) = find_faces(frame)
        apart = (face.landmarks - found.landmarks)[:, :2].square().sum(1).mean().sqrt()
        assert apart < FACE["tracked against found, pixels"][0]


def test_frames_are_taken_one_at_a_time(clip):
    taken = []

    def frames():
        for frame in clip[1]:
            taken.append(frame)
            yield frame

    faces = track(frames())
    assert taken == []
    next(faces)
    assert len(taken) == 1


def test_the_same_clip_gives_the_same_numbers(clip):
    first, again = ([face.landmarks for face in followed(clip[1][:4])] for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


def test_a_face_is_lost_at_a_cut_and_found_in_its_new_place(clip, photograph, searches):
    frames = clip[1]
    wall = torch.full((3, 256, 384), 0.3)
    left, right = wall.clone(), wall.clone()
    left[:, :, :256], right[:, :, 128:] = frames[0], frames[4]
    coffee = photograph("coffee.png")[:, :256, :384]
    faces = list(track([left, left, coffee, coffee, right, right, wall]))
    assert [face is None for face in faces] == [False, False, True, True, False, False, True]
    boxes = [face.box for face in faces if face is not None]
    assert boxes[-1][0] > boxes[0][0] + 100
    assert len(searches) == 5  # the first frame, the coffee twice, the new place, the wall


def test_small_faces_are_sought_again_from_time_to_time(searches):
    grey = torch.zeros(3, 64, 64)
    assert set(track([grey] * (tracker.PATIENCE + 1))) == {None}
    full = [parts == tracker.PARTS for parts in searches]
    assert full == [True, *[False] * (tracker.PATIENCE - 1), True]


def test_frames_of_another_size_begin_anew(clip, searches):
    follow = Tracker()
    assert follow(clip[1][0]) is not None
    assert follow(clip[1][0][:, :, :250]) is not None
    assert len(searches) == 2


def test_what_is_no_clip_is_refused_by_name(no_shape_checks):
    with pytest.raises(TypeError, match="frames: expected pictures one after the other, got int"):
        next(track(3))  # ty: ignore[invalid-argument-type]
    with pytest.raises(ValueError, match="frame: expected three channels"):
        next(track(torch.zeros(3, 8, 8)))  # one picture is no clip


def test_a_bad_frame_is_refused_by_name_and_the_next_goes_on(clip):
    follow = Tracker()
    assert follow(clip[1][0]) is not None
    with pytest.raises(ValueError, match="frame: expected finite numbers"):
        follow(torch.full((3, 256, 256), torch.nan))
    assert follow(clip[1][1]) is not None
