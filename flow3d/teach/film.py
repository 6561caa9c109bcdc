"""A film in a cell: frames as an animated PNG, which every browser plays without a widget or a kernel."""

import io
from collections.abc import Iterable

import numpy as np
from IPython.display import Image
from torch import Tensor

from flow3d.preprocessing.film_formats import encode_png
from flow3d.teach.figures import to_rgb8


def film(frames: Iterable[np.ndarray | Tensor], *, fps: float = 25.0, width: int | None = None) -> Image:
    """Return a looping film for display.

    Args:
        frames: images (3,H,W) in [-1,1] or uint8 RGB (H,W,3), all of one size.
        fps: frames a second.
        width: on the page, in CSS pixels; None is the frames' own.

    Raises:
        ValueError: no frames, frames of different sizes, or ``fps`` not positive.
    """
    buffer = io.BytesIO()
    encode_png(buffer, map(to_rgb8, frames), fps)
    return Image(buffer.getvalue(), format="png", width=width)
