"""Pictures say what they claim: colours for directions, slices in order, errors to scale.

Tests: figures.picture, figures.panels, figures.plots, figures.style.
"""

from functools import partial

import cv2
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from flow3d.teach import figures

IMAGE = torch.linspace(-1, 1, 3 * 8 * 6).reshape(3, 8, 6)


def uniform_flow(dx: float, dy: float) -> torch.Tensor:
    return torch.tensor([float(dx), float(dy)])[:, None, None].expand(2, 4, 4)


def lab(flow: torch.Tensor, limit: float = 1.0) -> np.ndarray:
    rgb = (figures.flow_to_rgb(flow, limit).permute(1, 2, 0).numpy() + 1) / 2
    return cv2.cvtColor(rgb.astype(np.float32), cv2.COLOR_RGB2Lab)[0, 0]


def test_to_rgb8_maps_ranges_and_clamps():
    image = torch.tensor([-1.0, 0.0, 1.5])[:, None, None].expand(3, 2, 2)
    assert figures.to_rgb8(image)[0, 0].tolist() == [0, 128, 255]
    assert figures.to_rgb8(torch.full((1, 2, 2), 0.5))[0, 0].tolist() == [128, 128, 128]
    ready = np.zeros((2, 2, 3), np.uint8)
    assert figures.to_rgb8(ready) is ready


def test_flow_colours_tell_directions_by_yellow_blue_and_lightness():
    right, left, down, up = (lab(uniform_flow(*way)) for way in ((1, 0), (-1, 0), (0, 1), (0, -1)))
    assert right[2] > 30
    assert left[2] < -30
    assert up[0] - down[0] > 30
    zero = lab(uniform_flow(0, 0))
    assert np.abs(zero[1:]).max() < 1


def test_flow_colours_saturate_at_the_limit_and_ignore_dz():
    flow = torch.zeros(3, 4, 4)
    flow[0] = 2
    deeper = flow.clone()
    deeper[2] = 5
    assert torch.equal(figures.flow_to_rgb(flow, 1.0), figures.flow_to_rgb(4 * deeper, 1.0))
    assert not torch.equal(figures.flow_to_rgb(flow, 4.0), figures.flow_to_rgb(flow, 1.0))


def test_the_wheel_is_the_key():
    wheel = figures.flow_wheel(101)
    assert wheel.shape == (3, 101, 101)
    assert torch.allclose(wheel[:, 50, 90], figures.flow_to_rgb(uniform_flow(40 * 2.1 / 100, 0), 1.0)[:, 0, 0])
    assert (wheel[:, 0, 0] == 1).all()


def test_error_image_is_black_without_error_and_grows():
    same = figures.error_image(IMAGE, IMAGE)
    small, large = (figures.error_image(IMAGE, IMAGE + gap) for gap in (0.1, 0.4))
    assert same.mean() < small.mean() < large.mean()


def test_row_is_one_picture_with_room_for_titles():
    strip = figures.row({"source": IMAGE, "mask": torch.ones(1, 16, 12)}, height=96)
    assert strip.dtype == np.uint8
    assert strip.shape == (96 + 22, 72 + 6 + 72, 3)
    assert (strip[:22] < 128).any(), "no title was written"


def test_side_by_side_titles_every_picture():
    pictures = {f"picture {index}": IMAGE for index in range(7)}
    figure = figures.side_by_side(pictures, columns=3)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == [*pictures, "", ""]


def test_slices_name_near_and_far():
    flow = torch.randn(3, 8, 4, 4, generator=torch.Generator().manual_seed(0))
    titles = [axes.get_title() for axes in figures.flow_slices(flow).axes]
    assert titles[0] == "z = 0 (near)"
    assert "z = 7 (far)" in titles
    figure = figures.volume_slices(flow, depths=[2, 5], channel=1)
    assert [axes.get_title() for axes in figure.axes][:2] == ["z = 2", "z = 5"]


def test_error_map_states_the_mean():
    figure = figures.error_map(IMAGE, IMAGE + 0.25)
    assert figure.axes[2].get_title() == "|difference|, mean 0.250"


def test_curves_carry_their_names():
    figure = figures.lines({"true": torch.zeros(5), "noisy": [0.0, 1, 0, 1, 0]}, ylabel="yaw (radians)", mark=2)
    legend = figure.axes[0].get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["true", "noisy"]


def test_coefficient_map_labels_its_groups():
    figure = figures.coefficient_map(torch.randn(70, 27), {"expression": 64, "rotation": 6}, center=13)
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["expression (64)", "rotation (6)"]


def test_figures_are_closed_so_that_a_notebook_shows_them_once():
    figures.side_by_side({"a": IMAGE})
    assert not plt.get_fignums()


def test_use_style_reaches_plain_plots():
    with plt.rc_context():
        figures.use_style()
        assert not plt.rcParams["axes.spines.top"]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (partial(figures.to_rgb8, torch.zeros(2, 4, 4)), ValueError, "picture: expected an image"),
        (partial(figures.to_rgb8, torch.full((3, 4, 4), torch.nan)), ValueError, "picture: expected numbers, got NaN"),
        (partial(figures.to_rgb8, torch.zeros(3, 4, 4, dtype=torch.int64)), TypeError, "picture: expected a floating"),
        (partial(figures.to_rgb8, np.zeros((4, 4), np.uint8)), ValueError, "picture: expected .* of uint8"),
        (partial(figures.flow_to_rgb, torch.zeros(1, 4, 4)), ValueError, "flow: expected"),
        (partial(figures.flow_to_rgb, torch.full((2, 4, 4), torch.inf)), ValueError, "flow: expected finite numbers"),
        (partial(figures.flow_to_rgb, torch.zeros(2, 4, 4), limit=0), ValueError, "limit: expected a positive number"),
        (partial(figures.error_image, IMAGE, IMAGE[:, :4]), ValueError, r"got: expected shape \(3, 8, 6\)"),
        (partial(figures.side_by_side, {}), ValueError, "pictures: expected at least one"),
        (partial(figures.flow_slices, torch.zeros(2, 4, 4, 4)), ValueError, "flow: expected"),
        (partial(figures.flow_slices, torch.zeros(3, 4, 4, 4), depths=[4]), ValueError, "depths: expected one or more"),
        (
            partial(figures.volume_slices, torch.zeros(2, 4, 4, 4), channel=2),
            ValueError,
            "channel: expected one of 0 to 1",
        ),
        (partial(figures.lines, {}), ValueError, "series: expected at least one curve"),
        (partial(figures.lines, {"a": [1.0], "b": [1.0, 2.0]}), ValueError, "series: expected the length of x, 1,"),
        (partial(figures.coefficient_map, torch.zeros(5, 3), {"a": 4}), ValueError, "groups: expected the 5 rows"),
    ],
)
def test_bad_input_is_named(call, error, message, no_shape_checks):
    with pytest.raises(error, match=message):
        call()
