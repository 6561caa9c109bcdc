"""A clip is one person moving; more frames continue fewer."""

import numpy as np
import pytest
import torch

from flow3d.datasets import make_clip
from flow3d.datasets.pairs import person_of
from flow3d.morphable import PARTS, talking_head


def test_shapes_types_and_ranges():
    clip = make_clip(3, frames=4)
    assert len(clip) == 4
    assert clip.frames.shape == (4, 3, 64, 64)
    assert clip.alphas.shape == clip.labels.shape == (4, 1, 64, 64)
    assert clip.background.shape == (3, 64, 64)
    assert clip.windows.shape == (4, 73, 27)
    assert clip.frames.dtype == clip.alphas.dtype == torch.float32
    assert clip.labels.dtype == torch.int64
    assert clip.frames.device.type == "cpu"
    assert -1 <= clip.frames.min() < clip.frames.max() <= 1
    assert 0 == clip.alphas.min() < clip.alphas.max() == 1
    assert 0 <= clip.labels.min() < clip.labels.max() < len(PARTS)
    assert torch.equal(clip.windows[..., 13], clip.coefficients.values)


def test_a_clip_is_its_person_at_its_coefficients():
    clip = make_clip(5, frames=3, size=32)
    assert torch.equal(clip.coefficients.values, talking_head(3, 5).values)
    for number in range(3):
        frame = person_of(5).render(clip.coefficients.frame(number), 32)
        assert torch.equal(frame.image, clip.frames[number])
        assert torch.equal(frame.labels, clip.labels[number])


def test_a_seed_is_the_same_bytes_and_a_longer_clip_continues_a_shorter_one():
    short, again, long = make_clip(6, 3, 32), make_clip(np.int64(6), np.int64(3), 32), make_clip(6, 8, 32)
    for name in ("frames", "alphas", "labels"):
        assert torch.equal(getattr(short, name), getattr(again, name))
        assert torch.equal(getattr(short, name), getattr(long, name)[:3])
    assert torch.equal(short.coefficients.values, long.coefficients.values[:3])
    assert torch.equal(short.background, long.background)
    assert not torch.equal(short.frames, make_clip(7, 3, 32).frames)
    assert not torch.equal(long.frames[0], long.frames[7])


def test_where_nobody_is_ever_seen_the_background_stands_still():
    clip = make_clip(8, frames=5, size=32)
    nobody = (clip.alphas == 0).expand(-1, 3, -1, -1)
    assert torch.equal(clip.frames[nobody], clip.background.expand(5, -1, -1, -1)[nobody])


def test_writing_into_a_clip_leaves_the_next_one_alone():
    first = make_clip(9, 1, 32)
    kept = first.background.clone()
    first.background.zero_()
    assert torch.equal(make_clip(9, 1, 32).background, kept)


@pytest.mark.usefixtures("no_shape_checks")
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((1, 0), ValueError, "frames: expected 1 or more, got 0"),
        ((1, 2.5), TypeError, "frames: expected an integer, got 2.5"),
        ((-3, 2), ValueError, "seed: expected 0 or more, got -3"),
        ((None, 2), TypeError, "seed: expected an integer, got None"),
        ((1, 2, 60), ValueError, "size: expected a power of two from 16 to 2048, got 60"),
    ],
)
def test_bad_input_is_named(arguments, error, message):
    with pytest.raises(error, match=message):
        make_clip(*arguments)
