"""Animated PNGs and GIFs are written picture by picture, and other programs read them back."""

import io
import weakref
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image, ImageSequence

from flow3d.preprocessing.film_formats import encode_gif, encode_png

NOTE = b"made by a test"


def pictures(count: int, height: int = 12, width: int = 20) -> list[np.ndarray]:
    """Noise; 240 pixels have at most 240 colours, which fit into a GIF's palette."""
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (height, width, 3), dtype=np.uint8) for _ in range(count)]


def played(content: bytes) -> tuple[list[np.ndarray], list[float]]:
    """The pictures and milliseconds of each frame, as Pillow reads them."""
    frames, milliseconds = [], []
    for frame in ImageSequence.Iterator(Image.open(io.BytesIO(content))):
        frames.append(np.asarray(frame.convert("RGB")))
        milliseconds.append(frame.info["duration"])
    return frames, milliseconds


@pytest.mark.parametrize("encode", [encode_png, encode_gif])
@pytest.mark.parametrize("count", [1, 7])
def test_every_picture_is_read_back_as_it_was(encode, count):
    stream, originals = io.BytesIO(), pictures(count)
    assert encode(stream, iter(originals), 25, NOTE) == count
    frames, _ = played(stream.getvalue())
    assert len(frames) == count
    assert all(np.array_equal(a, b) for a, b in zip(frames, originals, strict=True))
    assert NOTE in stream.getvalue()
    assert Image.open(stream).info.get("loop") == 0, "for ever"


@pytest.mark.parametrize("fps", [0.5, 10, 24, 25, 29.97, 60, 1000])
def test_a_png_keeps_its_rate(fps):
    stream = io.BytesIO()
    encode_png(stream, pictures(3), fps)
    assert played(stream.getvalue())[1] == pytest.approx([1000 / fps] * 3)


@pytest.mark.parametrize(("fps", "milliseconds"), [(30, 1000), (24, 1250), (50, 600)])
def test_a_gif_keeps_its_rate_on_average(fps, milliseconds):
    """A frame lasts a whole number of hundredths; 30 frames at 30 a second must not last 0.9 s."""
    stream = io.BytesIO()
    encode_gif(stream, pictures(30), fps)
    assert sum(played(stream.getvalue())[1]) == milliseconds


@pytest.mark.parametrize("encode", [encode_png, encode_gif])
def test_no_picture_is_kept_once_it_is_written(encode):
    seen: list[weakref.ref] = []

    def one_by_one() -> Iterator[np.ndarray]:
        for picture in map(np.copy, [pictures(1)[0]] * 20):
            seen.append(weakref.ref(picture))
            yield picture
            assert sum(reference() is not None for reference in seen) <= 2

    assert encode(io.BytesIO(), one_by_one(), 25) == 20


@pytest.mark.usefixtures("no_shape_checks")
@pytest.mark.parametrize("encode", [encode_png, encode_gif])
def test_what_makes_no_film_is_refused(encode):
    with pytest.raises(ValueError, match="frames: expected at least one, got none"):
        encode(io.BytesIO(), [], 25)
    with pytest.raises(ValueError, match=r"frames: expected one size, got \(12, 20\) and \(12, 21\)"):
        encode(io.BytesIO(), [*pictures(1), *pictures(1, width=21)], 25)
    for fps in (0, -1, float("nan"), float("inf"), 2000):
        with pytest.raises(ValueError, match="fps: expected a positive number of frames a second"):
            encode(io.BytesIO(), pictures(1), fps)


def test_a_gif_is_not_asked_for_what_browsers_slow_down():
    with pytest.raises(ValueError, match=r"fps: .* to 50 in a \.gif; got 60"):
        encode_gif(io.BytesIO(), pictures(2), 60)
