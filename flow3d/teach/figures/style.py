"""One look for all figures: colours that colour-blind readers can tell apart, small quiet axes."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import matplotlib.pyplot as plt
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe and Ito's set: distinct under all common kinds of colour blindness.
COLORS = {
    "blue": "#0072B2",
    "orange": "#E69F00",
    "green": "#009E73",
    "red": "#D55E00",
    "purple": "#CC79A7",
    "sky": "#56B4E9",
    "grey": "#7A7A7A",
}
INK = "#333333"
# Magnitudes run dark to light, signed values through white: both in order of lightness, so grey prints stay readable.
MAGNITUDE, SIGNED = "magma", "PuOr"

STYLE: dict[Any, Any] = {
    "figure.dpi": 110,
    "savefig.dpi": 110,
    "savefig.bbox": "tight",
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.labelsize": 10,
    "axes.titlecolor": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": "#B0B0B0",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.prop_cycle": cycler(
        color=[COLORS[name] for name in ("blue", "red", "green", "orange", "purple", "sky", "grey")]
    ),
    "grid.color": "#E6E6E6",
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.8,
    "image.interpolation": "nearest",
}


def use_style() -> None:
    """Give a notebook's own plots the look of the package's figures."""
    plt.rcParams.update(STYLE)


@contextmanager
def new_figure(rows: int, columns: int, width: float, height: float) -> Generator[tuple[Figure, list[list[Axes]]]]:
    """Yield a figure and its axes in rows, and close it: a notebook then shows it once, where it is returned."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(rows, columns, figsize=(width, height), squeeze=False, layout="constrained")
        try:
            yield figure, [list(line) for line in axes]
        finally:
            plt.close(figure)


def show_picture(axes: Axes, picture: Any, title: str = "", **options: Any) -> Any:
    """Draw a picture without ticks or frame, its title above; returns matplotlib's image."""
    image = axes.imshow(picture, **options)
    axes.set_title(title)
    axes.set_axis_off()
    return image
