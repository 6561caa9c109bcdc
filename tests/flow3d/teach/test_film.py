"""A film is a looping animated PNG of the frames given."""

import io

import pytest
import torch
from PIL import Image

from flow3d.teach import film


def test_every_frame_is_in_the_film():
    frames = [torch.full((3, 6, 8), level) for level in (-1.0, 0.0, 1.0)]
    picture = Image.open(io.BytesIO(film(frames, fps=20).data))
    assert (picture.width, picture.height, picture.n_frames) == (8, 6, 3)
    shown = []
    for k in range(3):
        picture.seek(k)
        shown.append(picture.convert("RGB").getpixel((2, 2))[0])
        assert picture.info["duration"] == 50
    assert shown == [0, 128, 255]


def test_what_makes_no_film_is_refused():
    with pytest.raises(ValueError, match="frames: expected at least one"):
        film([])
    with pytest.raises(ValueError, match="frames: expected one size"):
        film([torch.zeros(3, 4, 4), torch.zeros(3, 4, 5)])
    with pytest.raises(ValueError, match="fps: expected a positive"):
        film([torch.zeros(3, 4, 4)], fps=0)
