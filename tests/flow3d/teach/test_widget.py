"""Sliders redraw without a browser, and no error stays hidden."""

import cv2
import ipywidgets as widgets
import numpy as np
import pytest
import torch

from flow3d.teach import View, explore, widget


def shade(level: float, blue: float = 0.0) -> torch.Tensor:
    """Return a small image whose red is ``level`` and whose blue is ``blue``."""
    image = torch.full((3, 8, 6), -1.0)
    image[0], image[2] = level, blue
    return image


def decoded(view: View) -> np.ndarray:
    bgr = cv2.imdecode(np.frombuffer(view.value, np.uint8), cv2.IMREAD_COLOR)
    assert bgr is not None
    return bgr[..., ::-1]


@pytest.fixture
def shown(monkeypatch):
    """What was displayed, in order."""
    outputs = []
    monkeypatch.setattr(widget, "display", lambda data, **options: outputs.append((data, options)))
    return outputs


def test_moving_a_slider_changes_the_picture(shown):
    view = explore(shade, level=(-1.0, 1.0))
    before = view.value
    view.sliders["level"].value = 1.0
    assert view.value != before
    assert decoded(view)[0, 0].tolist() == [255, 0, 128]


def test_set_moves_sliders_and_returns_the_picture(shown):
    view = explore(shade, level=(-1.0, 1.0), blue=(-1.0, 1.0))
    assert view.set(level=-1.0, blue=1.0) == view.value
    assert decoded(view)[0, 0].tolist() == [0, 0, 255]
    with pytest.raises(ValueError, match=r"values: expected names of sliders, .*got 'green'"):
        view.set(green=1.0)


def test_the_output_holds_the_widget_and_a_plain_picture(shown):
    view = explore(shade, width=200, level=(-1.0, 1.0))
    ((data, options),) = shown
    assert data["image/png"] == view.value
    assert data[widget.MIME_WIDGET]["model_id"]
    assert options["raw"]
    assert options["metadata"]["image/png"]["width"] == 200
    assert view.image.layout.width == "200px"


def test_a_drawing_that_fails_at_once_fails_the_cell_and_shows_nothing(shown):
    def broken(level: float) -> torch.Tensor:
        raise RuntimeError("no picture")

    with pytest.raises(RuntimeError, match="no picture"):
        explore(broken, level=(0.0, 1.0))
    assert not shown


def test_a_drawing_that_fails_later_raises_where_the_slider_moves(shown):
    def fragile(level: float) -> torch.Tensor:
        if level > 0.5:
            raise RuntimeError("too much")
        return shade(level)

    view = explore(fragile, level=(0.0, 1.0))
    with pytest.raises(RuntimeError, match="too much"):
        view.set(level=0.9)


def test_ranges_become_sliders(shown):
    view = explore(
        lambda frame, yaw, smile, on: shade(0.0),
        frame=(1, 9),
        yaw=(-0.5, 0.5),
        smile=(0.0, 1.0, 0.25),
        on=widgets.Checkbox(),
    )
    sliders = view.sliders
    assert isinstance(sliders["frame"], widgets.IntSlider)
    assert [sliders[name].value for name in ("frame", "yaw", "smile", "on")] == [1, 0, 0.25, False]
    assert getattr(sliders["on"], "description", None) == "on"


def test_pictures_may_be_uint8_or_masks(shown):
    assert decoded(explore(lambda x: np.full((4, 4, 3), (9, 8, 7), np.uint8), x=(0, 1)))[0, 0].tolist() == [9, 8, 7]
    assert decoded(explore(lambda x: torch.ones(1, 4, 4), x=(0, 1)))[0, 0].tolist() == [255, 255, 255]


@pytest.mark.parametrize(
    ("sliders", "error", "message"),
    [
        ({}, ValueError, "one to 4"),
        ({name: (0, 1) for name in "abcde"}, ValueError, "one to 4"),
        ({"level": (1.0, 1.0)}, ValueError, "level: expected low < high"),
        ({"level": 3}, TypeError, "level: expected a widget"),
    ],
)
def test_bad_sliders_are_named(sliders, error, message, no_shape_checks):
    with pytest.raises(error, match=message):
        explore(shade, **sliders)
