"""Pictures for the notebooks, in one style that stays readable for colour-blind eyes.

Some functions turn data into a picture, for sliders and files: ``to_rgb8``, ``flow_to_rgb``, ``flow_wheel``,
``error_image``, ``row``. The others return a matplotlib figure, which a notebook shows where it is the
last value of a cell: ``side_by_side``, ``flow_slices``, ``volume_slices``, ``error_map``, ``lines``,
``coefficient_map``. Images are (3,H,W) in [-1,1], masks (1,H,W) in [0,1]; flows hold (dx,dy) or (dx,dy,dz) in pixels or
voxels, +y down.
"""

from flow3d.teach.figures.panels import error_map, flow_slices, row, side_by_side, volume_slices
from flow3d.teach.figures.picture import error_image, flow_to_rgb, flow_wheel, to_rgb8
from flow3d.teach.figures.plots import coefficient_map, lines
from flow3d.teach.figures.style import COLORS, use_style

__all__ = [
    "COLORS",
    "coefficient_map",
    "error_image",
    "error_map",
    "flow_slices",
    "flow_to_rgb",
    "flow_wheel",
    "lines",
    "row",
    "side_by_side",
    "to_rgb8",
    "use_style",
    "volume_slices",
]
