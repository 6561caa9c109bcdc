"""Stage 1, the mapping: windows of raw coefficients (B,73,27) -> motion vectors z (B,Z); section 3.1, Fig. 8."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..morphable.coefficients import CROP_SHIFT, POSE
from ..sizes import COEFFICIENT_COUNT, CROP_FRAME, POSE_COUNT, RADIUS
from .adain import SLOPE

SHIFT = CROP_SHIFT.start - POSE.start  # where the crop's shift begins, the last part of a pose


class MappingNetwork(nn.Module):
    """1D convolutions over time with centre crops, then the mean over what is left: 27 - 21 - 15 - 9 - 3 - 1 frames.

    The coefficients come raw; ``mean`` and ``std`` standardise them and are stored with the weights. With ``pose`` (an
    extension) the vector ends in the middle frame's pose; :func:`pose_of` reads it.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, motion: int, pose: bool = False) -> None:
        super().__init__()
        self.pose = pose
        self.register_buffer("mean", torch.zeros(COEFFICIENT_COUNT))
        self.register_buffer("std", torch.ones(COEFFICIENT_COUNT))
        self.first = nn.Conv1d(COEFFICIENT_COUNT, motion, 7)
        self.rest = nn.ModuleList(nn.Conv1d(motion, motion, 3, dilation=3) for _ in range(3))

    def forward(self, window: Float[Tensor, "B 73 27"]) -> Float[Tensor, "B Z"]:
        """Return the motion vector z (B, Z) of a window (B, 73, 27) of raw coefficients."""
        x = self.first((window - self.mean[:, None]) / self.std[:, None])  # (B, Z, 21)
        for convolution in self.rest:
            x = x[..., 3:-3] + convolution(nn.functional.leaky_relu(x, SLOPE))  # 15, 9, 3 frames
        z = x.mean(-1)
        if not self.pose:
            return z
        pose = window[:, POSE, RADIUS]
        return torch.cat([z, pose[:, :SHIFT], pose[:, SHIFT:] / CROP_FRAME], 1)  # the shift in frames, of order one

    @torch.no_grad()
    def standardise(self, coefficients: Float[Tensor, "N 73"]) -> None:
        """Take mean and deviation of raw training coefficients (N, 73); those that never move keep a deviation of 1."""
        if len(coefficients) < 2:
            raise ValueError(f"coefficients: expected at least 2 frames, got {len(coefficients)}")
        deviation = coefficients.std(0)
        self.mean.copy_(coefficients.mean(0))
        self.std.copy_(torch.where(deviation > 1e-6, deviation, 1.0))


def pose_of(z: Float[Tensor, "B Z"]) -> Float[Tensor, "B 9"]:
    """The pose at the end of a motion vector, in the coefficients' units: rotation, translation, crop."""
    pose = z[:, -POSE_COUNT:]
    return torch.cat([pose[:, :SHIFT], pose[:, SHIFT:] * CROP_FRAME], 1)
