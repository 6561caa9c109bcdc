"""Turn images, flows and differences into pictures."""

import cv2
import matplotlib
import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from flow3d.preprocessing.images import mask_to_bytes, to_bytes
from flow3d.teach.figures.style import MAGNITUDE

Image = Float[Tensor, "3 H W"]
# Sizes are left open: pictures shown together may differ in size.
Picture = Float[Tensor, "3 _ _"] | Float[Tensor, "1 _ _"] | UInt8[np.ndarray, "_ _ 3"]


def to_rgb8(picture: Picture) -> UInt8[np.ndarray, "H W 3"]:
    """Return uint8 RGB from an image (3,H,W) in [-1,1] or a mask (1,H,W) in [0,1]; uint8 RGB passes through.

    Values beyond the range are clamped: a network's output may overshoot a little.

    Raises:
        TypeError: ``picture`` is neither a floating tensor nor a uint8 array.
        ValueError: ``picture`` has another shape, or holds NaN.
    """
    if isinstance(picture, np.ndarray) and picture.dtype == np.uint8:
        if picture.ndim != 3 or picture.shape[2] != 3:
            raise ValueError(f"picture: expected (H, W, 3) of uint8, got {picture.shape}")
        return picture
    if not isinstance(picture, Tensor) or not picture.is_floating_point():
        kind = getattr(picture, "dtype", type(picture).__name__)
        raise TypeError(f"picture: expected a floating tensor or a uint8 array, got {kind}")
    if picture.ndim != 3 or picture.shape[0] not in (1, 3):
        raise ValueError(f"picture: expected an image (3, H, W) or a mask (1, H, W), got {tuple(picture.shape)}")
    values = picture.detach().float().cpu()
    if values.isnan().any():
        raise ValueError("picture: expected numbers, got NaN")
    pixels = mask_to_bytes(values).expand(3, -1, -1) if len(values) == 1 else to_bytes(values)
    return pixels.permute(1, 2, 0).contiguous().numpy()


def flow_to_rgb(flow: Float[Tensor, "C H W"], limit: float | None = None) -> Image:
    """Colour a flow by direction: right yellow, left blue, down dark red, up light green, zero grey.

    Yellow against blue shows horizontal motion, lightness vertical motion, so the picture can be read by
    colour-blind eyes. ``flow_wheel`` is its key.

    Args:
        flow: (dx,dy) or (dx,dy,dz) in pixels or voxels, +y down; dz is not shown.
        limit: the length in the same unit that gets full colour; the 99th percentile of the lengths by default.

    Raises:
        ValueError: ``flow`` has neither 2 nor 3 channels, or holds NaN or infinity; ``limit`` is not positive.
    """
    if flow.ndim != 3 or flow.shape[0] not in (2, 3):
        raise ValueError(f"flow: expected (2, H, W) or (3, H, W), got {tuple(flow.shape)}")
    plane = flow[:2].detach().float().cpu()
    if not plane.isfinite().all():
        raise ValueError("flow: expected finite numbers, got NaN or infinity")
    if limit is not None and limit <= 0:
        raise ValueError(f"limit: expected a positive number, got {limit}")
    length = plane.norm(dim=0)
    full = limit if limit is not None else max(float(length.flatten().quantile(0.99)), 1e-6)
    dx, dy = (plane / torch.maximum(length, torch.tensor(full))).numpy()  # at most 1 long
    lab = np.stack([72 - 26 * dy, 48 * dy, 62 * dx - 8 * dy], axis=-1).astype(np.float32)
    rgb = cv2.cvtColor(lab, cv2.COLOR_Lab2RGB)
    return torch.from_numpy(rgb).permute(2, 0, 1).clamp(0, 1) * 2 - 1


def flow_wheel(size: int = 128) -> Image:
    """Return the key of ``flow_to_rgb``: each place of the disc has the colour of the flow that points there."""
    axis = torch.linspace(-1.05, 1.05, size)
    dy, dx = torch.meshgrid(axis, axis, indexing="ij")
    disc = flow_to_rgb(torch.stack([dx, dy]), limit=1.0)
    return torch.where(dx.square() + dy.square() <= 1, disc, 1.0)


def error_image(expected: Float[Tensor, "C H W"], got: Float[Tensor, "C H W"], limit: float = 0.5) -> Image:
    """Colour the mean absolute difference over the channels: black is none, light yellow is ``limit`` or more.

    Raises:
        ValueError: the shapes differ, or ``limit`` is not positive.
    """
    if limit <= 0:
        raise ValueError(f"limit: expected a positive number, got {limit}")
    return colour(difference(expected, got) / limit, MAGNITUDE)


def difference(expected: Float[Tensor, "C H W"], got: Float[Tensor, "C H W"]) -> Float[Tensor, "H W"]:
    """Return the absolute difference, averaged over the channels, in the units of the inputs."""
    if expected.shape != got.shape:
        raise ValueError(f"got: expected shape {tuple(expected.shape)}, got {tuple(got.shape)}")
    return (expected.detach().float() - got.detach().float()).abs().mean(dim=0).cpu()


def colour(values: Float[Tensor, "H W"], name: str) -> Image:
    """Colour values in [0,1] by one of matplotlib's colour maps."""
    rgb = matplotlib.colormaps[name](values.clamp(0, 1).numpy())[..., :3]
    return torch.from_numpy(rgb.astype(np.float32)).permute(2, 0, 1) * 2 - 1
