"""Similarities come back exactly, angles are those of the coefficients, and nothing is mirrored."""

import numpy as np
import pytest
import torch

from flow3d.morphable.model import rotation_matrix
from flow3d.perception.face.canonical import canonical_face
from flow3d.perception.face.similarity import Similarity, fit_similarity
from tolerances import FACE

ANGLES = [(0.0, 0.0, 0.0), (0.2, -0.7, 0.3), (-0.4, 1.2, -3.0), (0.1, 0.5, 3.1)]


def posed(angles) -> Similarity:
    rotation = rotation_matrix(torch.tensor(angles, dtype=torch.float64)).numpy()
    return Similarity(7.5, rotation, np.array([120.0, -30.0, 4.0]))


@pytest.mark.parametrize("angles", ANGLES)
def test_a_posed_face_gives_its_pose_back(angles):
    face = canonical_face()
    truth = posed(angles)
    found = fit_similarity(face.vertices, truth(face.vertices), face.weights)
    limit = FACE["exact pose"][0]
    assert found.scale == pytest.approx(truth.scale, rel=limit)
    np.testing.assert_allclose(found.rotation, truth.rotation, rtol=0, atol=limit)
    np.testing.assert_allclose(found.shift, truth.shift, rtol=limit, atol=0)
    np.testing.assert_allclose(found.angles, angles, rtol=0, atol=limit)


def test_points_without_weight_do_not_count():
    face = canonical_face()
    truth = posed(ANGLES[1])
    target = truth(face.vertices)
    target[face.weights == 0] += 50
    np.testing.assert_allclose(
        fit_similarity(face.vertices, target, face.weights).angles, ANGLES[1], rtol=0, atol=FACE["exact pose"][0]
    )


def test_a_mirrored_face_is_not_matched_by_mirroring():
    face = canonical_face()
    found = fit_similarity(face.vertices, face.vertices * (1, 1, -1), face.weights)
    assert np.linalg.det(found.rotation) > 0.999
    assert np.linalg.norm(found(face.vertices) - face.vertices * (1, 1, -1), axis=1).max() > 1
