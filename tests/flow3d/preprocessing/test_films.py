"""Films and folders of frames say that they are generated, and are whole or not there."""

import os
from collections.abc import Iterator

import pytest
import torch

from flow3d.preprocessing.films import write_film, write_frames
from flow3d.preprocessing.images import is_generated, read_image, to_bytes


def frames(count: int) -> torch.Tensor:
    return torch.rand(count, 3, 8, 10, generator=torch.Generator().manual_seed(0)) * 2 - 1


def broken() -> Iterator[torch.Tensor]:
    yield from frames(2)
    raise RuntimeError("the third frame fails")


@pytest.mark.parametrize("name", ["film.gif", "film.png", "FILM.PNG"])
def test_a_film_says_that_it_is_generated(tmp_path, name):
    assert write_film(tmp_path / name, frames(3)) == 3
    assert is_generated(tmp_path / name)
    assert os.listdir(tmp_path) == [name]


def test_a_folder_holds_every_frame_in_order_and_marked(tmp_path):
    images = frames(12)
    assert write_frames(tmp_path / "out", iter(images)) == 12
    files = sorted((tmp_path / "out").iterdir())
    assert [file.name for file in files] == [f"frame_{k:05d}.png" for k in range(12)]
    assert all(map(is_generated, files))
    for file, image in zip(files, images, strict=True):
        assert torch.equal(to_bytes(read_image(file)), to_bytes(image))


def test_frames_of_an_earlier_call_are_replaced_and_other_files_stay(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    write_frames(tmp_path, frames(5))
    write_frames(tmp_path, -frames(2))
    assert sorted(os.listdir(tmp_path)) == ["frame_00000.png", "frame_00001.png", "notes.txt"]
    assert torch.equal(to_bytes(read_image(tmp_path / "frame_00000.png")), to_bytes(-frames(1)[0]))


@pytest.mark.parametrize("name", ["film.gif", "film.png", "folder"])
def test_what_fails_half_way_leaves_all_as_it_was(tmp_path, name):
    write = write_frames if name == "folder" else write_film
    with pytest.raises(RuntimeError, match="the third frame fails"):
        write(tmp_path / name, broken())
    assert not os.listdir(tmp_path)
    write(tmp_path / name, frames(4))
    before = sorted((file.name, file.read_bytes()) for file in tmp_path.rglob("*") if file.is_file())
    with pytest.raises(RuntimeError, match="the third frame fails"):
        write(tmp_path / name, broken())
    assert sorted((file.name, file.read_bytes()) for file in tmp_path.rglob("*") if file.is_file()) == before


def test_places_and_names_that_cannot_be_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"path: expected a name ending in \.gif or \.png, got .*film\.avi"):
        write_film(tmp_path / "film.avi", frames(2))
    with pytest.raises(ValueError, match="frames: expected at least one, got none"):
        write_frames(tmp_path / "folder", [])
    for write, name in ((write_film, "film.gif"), (write_frames, "folder")):
        with pytest.raises(FileNotFoundError, match="path: expected a place in an existing folder"):
            write(tmp_path / "nowhere" / name, frames(1))
    assert not os.listdir(tmp_path)
