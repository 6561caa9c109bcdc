"""Files that somebody brings are tried in a process of their own."""

import pytest

from flow3d.model_files import KNOWN, find, known
from flow3d.perception.trial import try_content

DETECTOR = known("face/face_detector.tflite")


def content(place: str) -> bytes:
    return find(known(place)).read_bytes()


@pytest.mark.slow
def test_another_version_with_the_same_numbers_is_taken():
    """Bytes behind the network change its sha256, and nothing else."""
    try_content(DETECTOR, content(DETECTOR.place) + bytes(8))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["half", "another network"])
def test_a_damaged_or_other_network_is_refused_by_name(kind):
    whole = content(DETECTOR.place)
    bad = whole[: len(whole) // 2] if kind == "half" else content("face/face_blendshapes.tflite")
    with pytest.raises(ValueError, match=r"^face_detector\.tflite: expected "):
        try_content(DETECTOR, bad)


def test_a_network_that_keeps_opencv_busy_is_given_up():
    """No process starts that fast, so that any network does here for one that never ends."""
    with pytest.raises(ValueError, match=r"^face_detector\.tflite: expected a TFLite network; it was not done in time"):
        try_content(DETECTOR, content(DETECTOR.place), seconds=0.01)


def test_the_geometry_is_read_here():
    geometry = next(file for file in KNOWN if file.name.endswith(".binarypb"))
    try_content(geometry, content(geometry.place))
    with pytest.raises(ValueError, match="expected the geometry of a face"):
        try_content(geometry, b"none")
