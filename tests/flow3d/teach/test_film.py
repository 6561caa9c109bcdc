"""A film is a looping animated PNG of the frames given."""

import io

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

from flow3d.teach import film


def test_every_frame_is_in_the_film():
    frames = [torch.full((3, 6, 8), level) for level in (-1.0, 0.0, 1.0)]
    data = film(frames, fps=20).data
    assert isinstance(data, bytes)
    played = list(ImageSequence.Iterator(Image.open(io.BytesIO(data))))
    assert [frame.size for frame in played] == [(8, 6)] * 3
    shown = [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(Image.open(io.BytesIO(data)))]
    assert [int(frame[2, 2, 0]) for frame in shown] == [0, 128, 255]
    assert played[0].info["duration"] == 50


def test_what_makes_no_film_is_refused():
    with pytest.raises(ValueError, match="frames: expected at least one"):
        film([])
    with pytest.raises(ValueError, match="frames: expected one size"):
        film([torch.zeros(3, 4, 4), torch.zeros(3, 4, 5)])
    with pytest.raises(ValueError, match="fps: expected a positive"):
        film([torch.zeros(3, 4, 4)], fps=0)
