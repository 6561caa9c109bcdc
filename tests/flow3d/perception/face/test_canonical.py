"""The canonical face: its numbers, its mirror, and damaged files."""

import numpy as np
import pytest

from flow3d.model_files import find, known
from flow3d.perception.face.canonical import PLACE, canonical_face, read_canonical


@pytest.fixture(scope="module")
def content() -> bytes:
    return find(known(PLACE)).read_bytes()


def test_it_has_468_points_and_898_triangles_that_use_them_all():
    face = canonical_face()
    assert (face.vertices.shape, face.uv.shape, face.triangles.shape) == ((468, 3), (468, 2), (898, 3))
    assert set(face.triangles.ravel()) == set(range(468))
    assert (face.weights > 0).sum() == 33
    assert 0 <= face.uv.min() <= face.uv.max() <= 1


def test_it_looks_at_the_camera_upright():
    """x right, y down, z away: the nose is nearest, the chin lowest, the viewer's left eye has the lower number."""
    nose, chin, left, right = canonical_face().vertices[[4, 152, 33, 263]]
    assert nose[2] == canonical_face().vertices[:, 2].min()
    assert chin[1] == canonical_face().vertices[:, 1].max()
    assert left[0] < 0 < right[0]
    assert 13 < np.ptp(canonical_face().vertices[:, 0]) < 17  # centimetres


def test_it_is_its_own_mirror_image():
    vertices = canonical_face().vertices
    apart = np.linalg.norm((vertices * (-1, 1, 1))[:, None] - vertices, axis=2)
    partner = apart.argmin(1)
    assert sorted(partner) == list(range(468))
    assert (partner[partner] == np.arange(468)).all()
    assert apart.min(1).max() < 0.2  # centimetres; the nearest neighbour of another kind is 0.25 away


@pytest.mark.parametrize("kind", ["empty", "half", "text", "zeros", "endless number", "another message"])
def test_a_damaged_file_is_refused_by_name(content, kind):
    damaged = {
        "empty": b"",
        "half": content[: len(content) // 2],
        "text": b"no geometry at all",
        "zeros": bytes(len(content)),
        "endless number": b"\xff" * 40,
        "another message": content[-200:],
    }[kind]
    with pytest.raises(ValueError, match=r"face\.bin: expected the geometry of a face"):
        read_canonical(damaged, "face.bin")


def test_an_index_beyond_the_points_is_refused(content):
    face = read_canonical(content, "face.bin")
    first = int(face.triangles[0, 0])
    at = content.index(bytes([first]) if first < 128 else bytes([first & 127 | 128, first >> 7]), 468 * 5 * 4)
    changed = bytearray(content)
    for place in range(at, at + 60):  # two bytes a number: 468 and more becomes possible
        changed[place] = 0xFF if place % 2 == 0 else 0x7F
    with pytest.raises(ValueError, match=r"face\.bin: expected the geometry of a face"):
        read_canonical(bytes(changed), "face.bin")
