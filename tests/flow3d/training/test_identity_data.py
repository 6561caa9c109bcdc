"""What the embedding learns from: pictures whose light changes and whose person stays, and files of something else."""

import numpy as np
import pytest
import torch

from flow3d.training.identity_data import compose, draw, read_persons, render_persons, write_persons


def test_a_person_is_seen_in_three_sessions_on_black(persons):
    assert persons["person"].shape == (3, 6, 3, 64, 64)
    assert persons["background"].shape == (3, 3, 3, 64, 64)
    outside = persons["alpha"] == 0
    assert not persons["person"].transpose(2, 0, 1, 3, 4)[:, outside].any()
    first, second = (persons["background"][0, session] for session in (0, 1))
    assert not np.array_equal(first, second)


def test_pictures_are_composed_and_drawn_again_the_same(persons):
    where = np.array([[1, 2]])
    made = compose(persons, np.array([0]), np.array([4]), where)[0]
    clear = torch.from_numpy(persons["alpha"][0, 4] == 0)
    expected = torch.from_numpy(persons["background"][1, 2]).float() / 127.5 - 1
    assert torch.equal(made[:, clear], expected[:, clear])
    a, b = (draw(persons, np.random.default_rng(5), 8) for _ in range(2))
    assert torch.equal(a[0], b[0])
    assert torch.equal(a[1], b[1])
    assert float(a[0].abs().max()) <= 1


def test_pictures_that_were_written_are_read_again(tmp_path, persons):
    write_persons(tmp_path / "persons", persons)
    again = read_persons(tmp_path / "persons")
    assert again.keys() == persons.keys()
    assert all(np.array_equal(again[name], persons[name]) for name in persons)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04"], ids=["empty", "text", "torn archive"])
def test_a_damaged_file_is_named(tmp_path, content):
    (tmp_path / "persons.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"^data: expected pictures of persons in '.*persons\.npz', cannot read them"):
        read_persons(tmp_path / "persons.npz")


def test_validation_seeds_and_other_files_are_refused(tmp_path, persons):
    path = tmp_path / "persons.npz"
    np.savez(path, **(persons | {"first": np.array(1_000_000)}))
    with pytest.raises(ValueError, match="data: expected seeds below 1,000,000"):
        read_persons(path)
    np.savez(path, person=persons["person"])
    with pytest.raises(ValueError, match="data: expected pictures of persons in"):
        read_persons(path)
    with pytest.raises(FileNotFoundError, match="data: expected a file of pictures, found none at"):
        read_persons(tmp_path)
    with pytest.raises(ValueError, match="frames: expected a multiple of 3, got 4"):
        render_persons(0, 2, 4)
    with pytest.raises(ValueError, match="persons: expected two or more, got 1"):
        render_persons(0, 1, 3)
