"""The fit finds the pose that made the landmarks, and says when five points are no face.

Tests: landmarks.
"""

import json
import math

import pytest
import torch

from flow3d.morphable import Coefficients, ProceduralHead, rotation_matrix
from flow3d.preprocessing import FaceLandmarks, astronaut, crop_portrait, fit_head
from flow3d.preprocessing.fitting import landmark_vertices
from tolerances import PHOTOGRAPH

HEAD = ProceduralHead()


def landmarks_of(scale: float = 100.0, offset: tuple[float, float] = (128.0, 120.0), **pose: float) -> FaceLandmarks:
    points = HEAD.posed(Coefficients.neutral().replace(**pose))[landmark_vertices(HEAD)]
    return FaceLandmarks.from_points(points[:, :2].double() * scale + torch.tensor(offset))


def test_the_five_vertices_lie_where_their_names_say():
    left_eye, right_eye, nose, mouth_left, mouth_right = HEAD.mean[landmark_vertices(HEAD)]
    assert left_eye[0] < 0 < right_eye[0]
    assert mouth_left[0] < 0 < mouth_right[0]
    assert nose[0].abs() < 0.02
    assert left_eye[1] < nose[1] < mouth_left[1]  # y grows downwards
    assert nose[2] == HEAD.mean[HEAD.slices["skin"], 2].min()


@pytest.mark.parametrize(
    "pose", [{}, {"yaw": 0.5}, {"yaw": -0.5, "roll": 0.3}, {"pitch": 0.25, "yaw": 0.2}, {"roll": -0.6}]
)
def test_a_known_pose_is_found_again(pose):
    fit = fit_head(landmarks_of(**pose))
    for name in ("pitch", "yaw", "roll"):
        assert float(fit.coefficients[name]) == pytest.approx(pose.get(name, 0.0), abs=PHOTOGRAPH["angle"][0])
    assert float(fit.residual.max()) < PHOTOGRAPH["residual"][0]


def test_scale_and_place_do_not_change_the_angles():
    small, large = (fit_head(landmarks_of(s, o, yaw=0.4)) for s, o in ((20.0, (9.0, 4.0)), (400.0, (900.0, 100.0))))
    limit = PHOTOGRAPH["same pose"][0]
    torch.testing.assert_close(small.coefficients.rotation, large.coefficients.rotation, rtol=0, atol=limit)
    assert large.scale / small.scale == pytest.approx(20)


def test_a_fit_of_mirrored_points_is_mirrored():
    points = landmarks_of(yaw=0.4, roll=0.2).points()
    mirrored = points[[1, 0, 2, 4, 3]] * torch.tensor([-1.0, 1.0]) + torch.tensor([256.0, 0.0])
    a, b = fit_head(FaceLandmarks.from_points(points)), fit_head(FaceLandmarks.from_points(mirrored))
    for name in ("yaw", "roll"):
        here, there = (float(fit.coefficients[name]) for fit in (a, b))
        assert here == pytest.approx(-there, abs=PHOTOGRAPH["same pose"][0])


def test_the_rotation_can_be_differentiated():
    angles = torch.tensor([0.2, -0.4, 0.7], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(rotation_matrix, angles)


def test_points_of_no_face_are_refused():
    points = landmarks_of().points()
    points[2] = torch.tensor([128.0, 300.0])  # the nose far below the mouth
    with pytest.raises(ValueError, match=r"landmarks: expected five points of one face.* px"):
        fit_head(FaceLandmarks.from_points(points))


def test_an_unknown_expression_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match="'smile'"):
        fit_head(landmarks_of(), expression={"smlie": 1.0})


def test_landmarks_that_cannot_be_are_refused():
    good = {
        "left_eye": (10, 10),
        "right_eye": (20, 10),
        "nose_tip": (15, 15),
        "mouth_left": (11, 20),
        "mouth_right": (19, 20),
    }
    FaceLandmarks(**good)
    with pytest.raises(ValueError, match="left_eye: expected the viewer's left"):
        FaceLandmarks(**{**good, "left_eye": (25, 10)})
    with pytest.raises(ValueError, match="mouth_left: expected the mouth below"):
        FaceLandmarks(**{**good, "mouth_left": (11, 5), "mouth_right": (19, 5)})
    with pytest.raises(ValueError, match="nose_tip: expected two finite"):
        FaceLandmarks(**{**good, "nose_tip": (math.nan, 1)})


def test_landmarks_come_from_a_file(tmp_path):
    good = {
        "left_eye": [10, 10],
        "right_eye": [20, 10],
        "nose_tip": [15, 15],
        "mouth_left": [11, 20],
        "mouth_right": [19, 20],
    }
    path = tmp_path / "points.json"
    path.write_text(json.dumps(good))
    assert FaceLandmarks.from_json(path).nose_tip == (15, 15)
    path.write_text(json.dumps({"left_eye": [1, 2]}))
    with pytest.raises(ValueError, match="path: expected the names"):
        FaceLandmarks.from_json(path)
    path.write_text("{")
    with pytest.raises(ValueError, match="path: expected a JSON file"):
        FaceLandmarks.from_json(path)


def test_a_crop_is_upright_and_centred():
    image, points = astronaut()
    crop, moved = crop_portrait(image, points, 128)
    assert crop.shape == (3, 128, 128)
    assert moved.left_eye[1] == pytest.approx(moved.right_eye[1], abs=PHOTOGRAPH["level eyes"][0])
    middle = moved.points().mean(0)
    assert (middle - 64).abs().max() < 16
    # the pixel under a landmark is the same pixel of the photograph
    x, y = (round(v) for v in moved.nose_tip)
    u, v = (round(v) for v in points.nose_tip)
    near = image[:, v - 2 : v + 3, u - 2 : u + 3].flatten(1)
    assert (near - crop[:, y, x, None]).abs().amax(0).min() < PHOTOGRAPH["pixel of a crop"][0]


def test_a_crop_of_a_large_photograph_is_the_crop_of_the_small_one():
    image, points = astronaut()
    large = torch.nn.functional.interpolate(image[None], scale_factor=4, mode="bicubic")[0].clamp(-1, 1)
    at_large = FaceLandmarks.from_points(points.points() * 4 + 1.5)
    a, b = crop_portrait(image, points, 64)[0], crop_portrait(large, at_large, 64)[0]
    shifted = torch.roll(b, 2, dims=2)
    assert (a - b).abs().mean() < 0.5 * (a - shifted).abs().mean()
