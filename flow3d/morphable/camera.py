"""The camera: perspective projection of a posed head, then the crop's similarity."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..sizes import CROP_FRAME


@dataclass(frozen=True)
class Camera:
    """A camera ``distance`` head half-heights in front of the head's centre, looking along +z.

    ``height`` is what the square frame shows at the head's centre, ``centre_y`` (down) is its middle.
    The face fills the frame, as talking-head crops are cut.
    """

    distance: float = 7.0
    height: float = 2.45
    centre_y: float = 0.0

    def project(
        self, points: Float[Tensor, "V 3"], crop: Float[Tensor, " 3"], size: int
    ) -> tuple[Float[Tensor, "V 2"], Float[Tensor, " V"]]:
        """Return pixel positions in an image of ``size`` and depths from the camera.

        Convention:
            ``points`` are in head half-heights: x right, y down, z away. Positions are (x right, y down); an integer is
            a pixel's centre. ``crop`` is a scale and a shift in pixels of 256; (1, 0, 0) changes nothing. The head's
            centre falls on the middle of the frame.
        """
        depth = points[:, 2] + self.distance
        centred = torch.stack([points[:, 0], points[:, 1] - self.centre_y], -1)
        plane = centred * (self.distance / self.height) / depth[:, None]  # in frames, 0 in the middle
        plane = plane * crop[0] + crop[1:] / CROP_FRAME
        return plane * size + (size - 1) / 2, depth

    def pixels_per_unit(self, size: int) -> float:
        """Pixels that one head half-height covers at the head's centre, crop scale one."""
        return size / self.height
