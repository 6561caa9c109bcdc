"""Clips as files, and the example that comes with the package."""

import numpy as np
import pytest
import torch

from flow3d.datasets import make_clip
from flow3d.datasets.clip_files import EXAMPLE, example_clip, load_clip, save_clip
from tolerances import CACHE, VIDEO


def test_a_clip_survives_its_file(tmp_path):
    clip = make_clip(3, frames=2, size=32)
    save_clip(tmp_path / "a.npz", clip)
    again = load_clip(tmp_path / "a.npz")
    assert torch.equal(again.coefficients.values, clip.coefficients.values)
    assert torch.equal(again.labels, clip.labels)
    for name in ("frames", "background"):
        assert (getattr(again, name) - getattr(clip, name)).abs().max() <= VIDEO["eight bits"][0]
    assert (again.alphas - clip.alphas).abs().max() <= VIDEO["eight bits of a matte"][0]
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


def test_the_same_clip_makes_the_same_bytes(tmp_path):
    for name in ("a.npz", "b.npz"):
        save_clip(tmp_path / name, make_clip(3, frames=1, size=32))
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_the_example_is_what_its_recipe_makes():
    clip = example_clip()
    assert len(clip) == EXAMPLE["frames"]
    assert clip.windows.shape == (EXAMPLE["frames"], 73, 27)
    fresh = make_clip(EXAMPLE["seed"], 1, EXAMPLE["size"])
    assert (clip.frames[0] - fresh.frames[0]).abs().mean() < CACHE["recipe's picture"][0]
    coefficients, again = clip.coefficients.values[0], fresh.coefficients.values[0]
    torch.testing.assert_close(coefficients, again, rtol=0, atol=CACHE["recipe"][0])


def test_what_is_no_clip_is_refused(tmp_path):
    path = tmp_path / "bad.npz"
    with pytest.raises(FileNotFoundError):
        load_clip(path)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="path: expected a clip"):
        load_clip(path)
    np.savez(path, frames=np.zeros(3))
    with pytest.raises(ValueError, match="found no alphas, labels"):
        load_clip(path)
    save_clip(path, make_clip(3, frames=1, size=32))
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match="path: expected a clip"):
        load_clip(path)
