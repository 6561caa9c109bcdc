"""Somebody's videos: read, squared, resized; and what cannot be used is named."""

import cv2
import numpy as np
import pytest
import torch

from flow3d.datasets.clips import make_clip
from flow3d.datasets.video_files import has_face, read_video, read_videos
from flow3d.preprocessing.images import to_uint8, write_image
from flow3d.preprocessing.landmarks import astronaut
from tolerances import VIDEO


@pytest.fixture(scope="module")
def clip():
    return make_clip(1_000_002, 6, 64).frames


@pytest.fixture(scope="module")
def folder(tmp_path_factory, clip):
    """A video twice as wide as high, a folder of images, one frame alone, a file of noise, a wall."""
    root = tmp_path_factory.mktemp("videos")
    stream = cv2.VideoWriter(str(root / "wide.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (256, 128))
    for frame in clip:
        large = cv2.resize(to_uint8(frame), (128, 128), interpolation=cv2.INTER_CUBIC)
        stream.write(np.ascontiguousarray(np.pad(large, ((0, 0), (64, 64), (0, 0)))[..., ::-1]))
    stream.release()
    for name, frames in {"images": clip, "alone": clip[:1], "wall": torch.full((3, 3, 64, 64), 0.3)}.items():
        (root / name).mkdir()
        for k, frame in enumerate(frames):
            write_image(root / name / f"{k:03d}.png", frame)
    (root / "noise.mp4").write_bytes(bytes(range(256)) * 8)
    (root / "notes.txt").write_text("not a video")
    return root


def test_the_middle_square_is_kept_in_order(folder, clip):
    read = read_video(folder / "wide.avi", 64)
    assert read.shape == clip.shape
    assert (read - clip).abs().mean() < VIDEO["lossy"][0]  # and no black border
    assert (read[1:] - clip[:-1]).abs().mean() > (read[1:] - clip[1:]).abs().mean()
    assert (read_video(folder / "images", 64) - clip).abs().max() <= VIDEO["eight bits"][0]
    assert len(read_video(folder / "wide.avi", 32, most=3)) == 3


def test_what_cannot_be_used_is_named_with_its_reason(folder):
    found = read_videos(folder, 64)
    assert set(found.skipped) == {"alone", "noise.mp4", "wall"}
    assert "expected two frames or more, got 1" in found.skipped["alone"]
    assert "expected two frames or more, got 0" in found.skipped["noise.mp4"]
    assert found.skipped["wall"] == "no face found in 3 of its frames"
    assert set(found.clips) == {"wide.avi", "images"}
    assert "wall" in read_videos(folder, 64, face_check=False).clips


def test_images_of_different_sizes_are_no_clip(tmp_path):
    for k, size in enumerate((32, 48)):
        write_image(tmp_path / f"{k}.png", torch.zeros(3, size, size))
    with pytest.raises(ValueError, match="path: expected images of one size, got 32 x 32, 48 x 48"):
        read_video(tmp_path, 32)


def test_a_face_is_found_in_a_photograph_and_not_where_there_is_none():
    portrait = astronaut()[0][None]
    assert has_face(portrait[:, :, :256, 96:352])
    assert not has_face(portrait[:, :, :256, 96:352].flip(2))  # upside down
    assert not has_face(portrait[:, :, 256:, :256])  # her suit


def test_bad_folders_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="folder: expected a folder of videos"):
        read_videos(tmp_path / "nowhere", 64)
    with pytest.raises(ValueError, match=r"folder: expected \.mp4"):
        read_videos(tmp_path, 64)
    with pytest.raises(FileNotFoundError, match="path: expected a video"):
        read_video(tmp_path / "nowhere.mp4", 64)
    with pytest.raises(ValueError, match="most: expected 2 or more"):
        read_video(tmp_path, 64, most=1)
