"""Sliders that redraw one picture: fast enough to play with, and testable without a browser."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import ipywidgets as widgets
import numpy as np
from IPython.display import display
from torch import Tensor

from flow3d.teach.figures import to_rgb8

MAX_SLIDERS = 4
MIME_WIDGET = "application/vnd.jupyter.widget-view+json"

Range = tuple[float, float] | tuple[float, float, float]


@dataclass(frozen=True)
class View:
    """A picture with its sliders, as ``explore`` returns it."""

    image: widgets.Image
    sliders: dict[str, widgets.ValueWidget]

    @property
    def value(self) -> bytes:
        """The picture now shown, as the bytes of a PNG file."""
        return bytes(self.image.value)  # ipywidgets hands out a view of its buffer

    def set(self, **values: float | int | bool | str) -> bytes:
        """Move sliders as a hand would and return the new picture; an error in ``draw`` is raised here.

        Raises:
            ValueError: no slider has that name.
        """
        for name, value in values.items():
            if name not in self.sliders:
                raise ValueError(f"values: expected names of sliders, {', '.join(self.sliders)}; got {name!r}")
            self.sliders[name].value = value
        return self.value

    def _ipython_display_(self) -> None:
        """Show nothing: ``explore`` has shown the view already."""


def explore(
    draw: Callable[..., np.ndarray | Tensor], *, width: int = 320, **sliders: widgets.ValueWidget | Range
) -> View:
    """Show ``draw(**values)`` and draw it again whenever a slider moves.

    ``draw`` is called once before anything is shown, so an error in it fails the cell. The output holds the live widget
    and, for readers without a kernel, the first picture as a plain PNG.

    Args:
        draw: a function of plain values, one keyword argument per slider, that returns a picture: an image (3,H,W) in
            [-1,1], a mask (1,H,W) in [0,1], or uint8 RGB (H,W,3).
        width: of the picture on the page, in CSS pixels.
        sliders: one to four ipywidgets, or ranges (low, high) or (low, high, start); a range of whole numbers gives
            whole steps, any other moves in hundredths. The start is 0 where the range holds it, otherwise low.

    Returns:
        The view: ``view.value`` is the PNG now shown, ``view.set(yaw=0.3)`` moves a slider.

    Raises:
        ValueError: no sliders or more than four, an empty range, or a picture of an unknown shape.
        TypeError: a slider is neither a widget nor a range.
    """
    if not 1 <= len(sliders) <= MAX_SLIDERS:
        raise ValueError(f"sliders: expected one to {MAX_SLIDERS}, got {len(sliders)}")
    controls = {name: _control(name, slider) for name, slider in sliders.items()}

    def frame() -> bytes:
        picture = to_rgb8(draw(**{name: control.value for name, control in controls.items()}))
        return cv2.imencode(".png", picture[..., ::-1])[1].tobytes()  # OpenCV wants BGR

    first = frame()
    # Without a width of its own the picture is stretched over the page.
    image = widgets.Image(value=first, format="png", layout=widgets.Layout(width=f"{width}px"))

    # A plain observer: interact and Output swallow errors, and can stall a notebook that runs without a browser.
    def redraw(_change: object) -> None:
        image.value = frame()

    for control in controls.values():
        control.observe(redraw, names="value")
    box = widgets.VBox([*controls.values(), image])
    bundle = {MIME_WIDGET: {"version_major": 2, "version_minor": 0, "model_id": box.model_id}, "text/plain": repr(draw)}
    display({**bundle, "image/png": first}, metadata={"image/png": {"width": width}}, raw=True)
    return View(image, controls)


def _control(name: str, slider: Any) -> widgets.ValueWidget:
    """Return the widget for one slider, made from its range unless it is one already."""
    if isinstance(slider, widgets.ValueWidget):
        slider.description = slider.description or name
        return slider
    if not isinstance(slider, tuple) or len(slider) not in (2, 3):
        raise TypeError(f"{name}: expected a widget, (low, high) or (low, high, start), got {slider!r}")
    low, high = slider[:2]
    if not low < high:
        raise ValueError(f"{name}: expected low < high, got {slider!r}")
    start = slider[2] if len(slider) == 3 else (0 if low <= 0 <= high else low)
    if all(isinstance(value, int) for value in slider):
        return widgets.IntSlider(start, low, high, description=name)
    return widgets.FloatSlider(start, min=low, max=high, step=(high - low) / 100, description=name)
