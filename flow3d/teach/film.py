"""A film in a cell: frames as an animated PNG, which every browser plays without a widget or a kernel."""

import io
from collections.abc import Iterable

import numpy as np
from IPython.display import Image
from PIL import Image as PillowImage
from torch import Tensor

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
    pictures = [to_rgb8(frame) for frame in frames]
    if not pictures:
        raise ValueError("frames: expected at least one, got none")
    sizes = {picture.shape for picture in pictures}
    if len(sizes) > 1:
        raise ValueError(f"frames: expected one size, got {sorted(sizes)}")
    if not fps > 0:
        raise ValueError(f"fps: expected a positive number, got {fps}")
    first, *rest = (PillowImage.fromarray(np.ascontiguousarray(picture)) for picture in pictures)
    buffer = io.BytesIO()
    first.save(buffer, "PNG", save_all=True, append_images=rest, duration=round(1000 / fps), loop=0)
    return Image(buffer.getvalue(), format="png", width=width)
