"""Exercises of notebook 01: the rotation in the project's convention, and windows of coefficients."""

import torch
from jaxtyping import Float
from torch import Tensor

from flow3d.morphable import rotation_matrix, windows
from flow3d.sizes import COEFFICIENT_COUNT, RADIUS
from flow3d.teach.exercises.exercise import Exercise

Angles = Float[Tensor, "3"]
Track = Float[Tensor, "N 73"]


def _axes(angles: Angles) -> tuple[Tensor, Tensor, Tensor]:
    """Rx(pitch), Ry(yaw), Rz(roll) in the package's convention."""
    pitch, yaw, roll = torch.diag(angles).unbind(0)
    return rotation_matrix(pitch), rotation_matrix(yaw), rotation_matrix(roll)


def _order_reversed(angles: Angles) -> Float[Tensor, "3 3"]:
    rx, ry, rz = _axes(angles)
    return rx @ ry @ rz


def _yaw_reversed(angles: Angles) -> Float[Tensor, "3 3"]:
    return rotation_matrix(angles * torch.tensor([1.0, -1.0, 1.0]))


def _pitch_reversed(angles: Angles) -> Float[Tensor, "3 3"]:
    return rotation_matrix(angles * torch.tensor([-1.0, 1.0, 1.0]))


def _by_frame_numbers(values: Track, table: Tensor) -> Float[Tensor, "N 73 T"]:
    """Windows from a table (N, T) of frame numbers."""
    return values[table].transpose(1, 2)


def _wrapped(values: Track, radius: int, causal: bool) -> Float[Tensor, "N 73 T"]:
    offsets = torch.arange(-radius, radius + 1).clamp(max=0 if causal else radius)
    return _by_frame_numbers(values, (torch.arange(len(values))[:, None] + offsets) % len(values))


def _zeros_outside(values: Track, radius: int, causal: bool) -> Float[Tensor, "N 73 T"]:
    inside = windows(torch.ones_like(values).cumsum(0), radius)  # frame numbers plus one, edges replicated
    reach = torch.arange(1, len(values) + 1)[:, None, None] + torch.arange(-radius, radius + 1)
    if causal:
        reach = reach.clamp(max=inside[..., radius : radius + 1].long())
    return windows(values, radius, causal) * ((reach >= 1) & (reach <= len(values)))


def _shifted_back(values: Track, radius: int, causal: bool) -> Float[Tensor, "N 73 T"]:
    if not causal:
        return windows(values, radius)
    table = torch.arange(len(values))[:, None] + torch.arange(-2 * radius, 1)
    return _by_frame_numbers(values, table.clamp(min=0))


def _late_repeated(values: Track, radius: int, causal: bool) -> Float[Tensor, "N 73 T"]:
    centred = windows(values, radius)
    if causal:  # the past repeats now, the future is kept
        centred[..., :radius] = centred[..., radius : radius + 1]
    return centred


def _track(frames: int) -> Track:
    return torch.randn(frames, COEFFICIENT_COUNT, generator=torch.Generator().manual_seed(frames))


EXERCISES = [
    Exercise(
        name="rotation_matrix",
        reference=rotation_matrix,
        cases={
            "no rotation": lambda: (torch.zeros(3),),
            "pitch alone": lambda: (torch.tensor([0.4, 0.0, 0.0]),),
            "yaw alone": lambda: (torch.tensor([0.0, 0.7, 0.0]),),
            "roll alone": lambda: (torch.tensor([0.0, 0.0, -0.3]),),
            "all three": lambda: (torch.tensor([0.3, -0.6, 0.2]),),
        },
        mistakes={
            "the order reversed: Rx Ry Rz": _order_reversed,
            "points taken as rows (the matrix is transposed)": lambda angles: rotation_matrix(angles).T,
            "+yaw to the viewer's left": _yaw_reversed,
            "+pitch nose up": _pitch_reversed,
            "degrees instead of radians": lambda angles: rotation_matrix(torch.deg2rad(angles)),
        },
        hint="The nose is at (0, 0, -1). +yaw must send it to +x, +pitch to +y (down), and roll takes the crown to +x.",
    ),
    Exercise(
        name="windows",
        reference=windows,
        cases={
            "radius 0": lambda: (_track(4), 0, False),
            "in the middle and at the edges": lambda: (_track(9), 2, False),
            "a clip shorter than its window": lambda: (_track(3), RADIUS, False),
            "causal": lambda: (_track(9), 2, True),
        },
        mistakes={
            "frames wrapped around the ends": _wrapped,
            "zeros beyond the ends": _zeros_outside,
            "a causal window that ends now instead of repeating now": _shifted_back,
            "the past replaced instead of the future": _late_repeated,
            "time running backwards": lambda values, radius, causal: windows(values, radius, causal).flip(-1),
            "axes in the order (N, frames, 73)": lambda *arguments: windows(*arguments).transpose(1, 2),
        },
        hint="Make an (N, 2 radius + 1) table of frame numbers: offsets, clamped at now if causal, then at both ends.",
    ),
]
