"""Image files: what is read is what was written, and what cannot be read says so."""

import cv2
import numpy as np
import pytest
import torch

from flow3d.preprocessing import from_uint8, read_image, to_uint8, write_image


def picture(height: int = 7, width: int = 5) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_eight_bits_survive_both_ways():
    rgb = picture()
    image = from_uint8(rgb)
    assert image.shape == (3, 7, 5)
    assert image.min() >= -1
    assert image.max() <= 1
    assert (to_uint8(image) == rgb).all()


def test_a_png_holds_the_same_colours_in_the_same_order(tmp_path):
    rgb = picture()
    write_image(tmp_path / "a.png", from_uint8(rgb))
    assert (np.asarray(cv2.imread(str(tmp_path / "a.png")))[..., ::-1] == rgb).all()
    assert torch.equal(read_image(tmp_path / "a.png"), from_uint8(rgb))


def test_grey_and_transparent_files_become_rgb(tmp_path):
    cv2.imwrite(str(tmp_path / "grey.png"), picture()[..., 0])
    cv2.imwrite(str(tmp_path / "alpha.png"), np.concatenate([picture(), picture()[..., :1]], -1))
    for name in ("grey.png", "alpha.png"):
        assert read_image(tmp_path / name).shape == (3, 7, 5)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"path: .*nothing\.png"):
        read_image(tmp_path / "nothing.png")


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n broken"])
def test_a_file_that_is_no_image_is_refused(tmp_path, content):
    (tmp_path / "bad.png").write_bytes(content)
    with pytest.raises(ValueError, match=r"path: expected an image"):
        read_image(tmp_path / "bad.png")


@pytest.mark.usefixtures("no_shape_checks")
@pytest.mark.parametrize("shape", [(1, 4, 4), (4, 4, 4), (4, 4), (3, 0, 4)])
def test_a_wrong_channel_count_is_refused(shape, tmp_path):
    with pytest.raises(ValueError, match=r"image: expected three channels.*got"):
        write_image(tmp_path / "x.png", torch.zeros(shape))
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("no_shape_checks")
def test_wrong_kinds_are_refused():
    with pytest.raises(TypeError, match="rgb: expected a uint8 array"):
        from_uint8(np.zeros((4, 4, 3), np.float32))
    with pytest.raises(TypeError, match="image: expected a float tensor"):
        to_uint8(torch.zeros(3, 4, 4, dtype=torch.uint8))
    with pytest.raises(ValueError, match="image: expected finite"):
        to_uint8(torch.full((3, 2, 2), torch.nan))


def test_an_unknown_format_leaves_nothing_behind(tmp_path):
    with pytest.raises(ValueError, match="path: expected a name ending in"):
        write_image(tmp_path / "x.unknown", torch.zeros(3, 4, 4))
    assert not list(tmp_path.iterdir())
