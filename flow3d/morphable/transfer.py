"""From a driver's coefficients to a source's: relative motion and the crop's scale (not in the paper)."""

import torch
from jaxtyping import Float
from torch import Tensor

from .coefficients import CROP, EXPRESSION, ROTATION

SCALE = CROP.start  # the crop's scale, which multiplies


def relative_windows(
    windows: Float[Tensor, "N 73 27"], source_window: Float[Tensor, "73 27"]
) -> Float[Tensor, "N 73 27"]:
    """The source's coefficients plus the driver's change since its first frame; the crop's scale by ratio."""
    middle = windows.shape[-1] // 2
    first, source = windows[0, :, middle], source_window[:, middle]  # (73,)
    moved = windows + (source - first)[:, None]
    moved[:, SCALE] = windows[:, SCALE] * (source[SCALE] / first[SCALE])
    return moved


def correct_crop(windows: Float[Tensor, "N 73 27"], source_window: Float[Tensor, "73 27"]) -> Float[Tensor, "N 73 27"]:
    """Multiply the driver's crop scale by source / driver, at the driving frame most like the source.

    Likeness is 0.3 of the mean expression difference plus 0.7 of the mean angle difference.
    """
    middle = windows.shape[-1] // 2
    frames, source = windows[..., middle], source_window[:, middle]
    gap = (frames - source).abs()
    nearest = (0.3 * gap[:, EXPRESSION].mean(1) + 0.7 * gap[:, ROTATION].mean(1)).argmin()
    corrected = torch.clone(windows)
    corrected[:, SCALE] *= source[SCALE] / frames[nearest, SCALE]
    return corrected
