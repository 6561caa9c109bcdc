"""The 73 motion coefficients of the paper (section 3.1), by name, and the windows a mapping network reads."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..checks import check_integer
from ..sizes import COEFFICIENT_COUNT, EXPRESSION_COUNT, RADIUS
from .coefficient_files import PathLike, read_json, read_npz, write_json, write_npz
from .head.expressions import EXPRESSIONS

EXPRESSION, POSE = slice(0, EXPRESSION_COUNT), slice(EXPRESSION_COUNT, COEFFICIENT_COUNT)
ROTATION, TRANSLATION, CROP = (slice(first, first + 3) for first in range(POSE.start, POSE.stop, 3))
CROP_SHIFT = slice(CROP.start + 1, CROP.stop)
SLICES = {"expression": EXPRESSION, "rotation": ROTATION, "translation": TRANSLATION, "crop": CROP}
NAMES = (
    *EXPRESSIONS,
    *(f"expression_{k}" for k in range(len(EXPRESSIONS), EXPRESSION_COUNT)),
    *("pitch", "yaw", "roll", "translation_x", "translation_y", "translation_z", "crop_scale", "crop_x", "crop_y"),
)


def index(name: str) -> int:
    """Column of the coefficient called ``name``; an unknown name raises ValueError with the nearest known one."""
    if not isinstance(name, str):
        raise TypeError(f"coefficient: expected a name, got {name!r} of type {type(name).__name__}")
    if name not in NAMES:
        near = difflib.get_close_matches(name, NAMES, n=1, cutoff=0.0)
        raise ValueError(f"coefficient: expected one of the 73 names, got {name!r}; the nearest is {near[0]!r}")
    return NAMES.index(name)


def check(values: Tensor, argument: str, *, frames: bool = True) -> Tensor:
    """Return ``values`` as a finite float32 CPU tensor (N, 73), or (73,) where ``frames`` is False.

    Raises:
        TypeError: not a tensor of floating-point numbers.
        ValueError: another shape, no frames, or not finite; the message starts with ``argument``.
    """
    if not isinstance(values, torch.Tensor) or not values.is_floating_point():
        got = values.dtype if isinstance(values, torch.Tensor) else type(values).__name__
        raise TypeError(f"{argument}: expected a tensor of {COEFFICIENT_COUNT} floating-point coefficients, got {got}")
    rank, text = (2, f"(N, {COEFFICIENT_COUNT})") if frames else (1, f"({COEFFICIENT_COUNT},)")
    if values.ndim != rank or values.shape[-1] != COEFFICIENT_COUNT:
        raise ValueError(f"{argument}: expected shape {text}, got {tuple(values.shape)}")
    if values.numel() == 0:
        raise ValueError(f"{argument}: expected at least one frame, got none")
    if not torch.isfinite(values).all():
        bad = int((~torch.isfinite(values)).nonzero()[0, -1])
        raise ValueError(f"{argument}: expected finite numbers, got {values[..., bad].flatten()[0]} in {NAMES[bad]!r}")
    return values.detach().to("cpu", torch.float32)


@dataclass(frozen=True, eq=False)
class Coefficients:
    """A sequence of N frames of 73 coefficients p = {beta, R, tau, c} (paper, section 3.1).

    ``values`` (N, 73): expression 64 | rotation 3 (pitch, yaw, roll; radians) | translation 3 (head half-heights:
    x right, y down, z away) | crop 3 (scale, x, y: a similarity after projection, in pixels of a 256 px frame).

    Example:
        >>> smile = Coefficients.neutral(frames=2).replace(smile=1.0, yaw=0.3)
        >>> smile["yaw"]
        tensor([0.3000, 0.3000])
    """

    values: Float[Tensor, "N 73"]

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", check(self.values, "values"))

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, name: str) -> Float[Tensor, " N"]:
        return self.values[:, index(name)]

    @classmethod
    def neutral(cls, frames: int = 1) -> Coefficients:
        """The rest pose: all zero but the crop's scale, which is one."""
        return cls(torch.zeros(check_integer(frames, "frames", 1), COEFFICIENT_COUNT)).replace(crop_scale=1.0)

    @property
    def expression(self) -> Float[Tensor, "N 64"]:
        """Expression beta, in units of the basis."""
        return self.values[:, EXPRESSION]

    @property
    def rotation(self) -> Float[Tensor, "N 3"]:
        """Pitch (nose down), yaw (nose to the viewer's right), roll (clockwise), radians."""
        return self.values[:, ROTATION]

    @property
    def translation(self) -> Float[Tensor, "N 3"]:
        """Translation tau (right, down, away) in head half-heights."""
        return self.values[:, TRANSLATION]

    @property
    def crop(self) -> Float[Tensor, "N 3"]:
        """Crop c: scale, and shift right and down in pixels of a 256 px frame."""
        return self.values[:, CROP]

    def replace(self, /, **named: float | Tensor) -> Coefficients:
        """Return a copy in which each named coefficient is a number, or a tensor of N numbers.

        Raises:
            ValueError: an unknown name (the message suggests the nearest), another shape, or not finite.
        """
        values = self.values.clone()
        for name, value in named.items():
            track = torch.as_tensor(value, dtype=torch.float32)
            if track.ndim and track.shape != (len(self),):
                raise ValueError(f"{name}: expected a number or {len(self)} of them, got shape {tuple(track.shape)}")
            values[:, index(name)] = track
        return Coefficients(values)

    def frame(self, number: int) -> Float[Tensor, " 73"]:
        """The coefficients of one frame; negative numbers count from the end."""
        if not -len(self) <= number < len(self):
            raise ValueError(f"number: expected a frame from 0 to {len(self) - 1}, got {number}")
        return self.values[number]

    def windows(self, radius: int = RADIUS, causal: bool = False) -> Float[Tensor, "N 73 T"]:
        """Windows of all frames; see :func:`windows`."""
        return windows(self, radius, causal)

    def to_json(self, path: PathLike) -> None:
        """Write the coefficients that are not neutral, by name, one object per frame; nothing is rounded."""
        write_json(path, self.values.numpy(), dict(zip(NAMES, Coefficients.neutral().frame(0).tolist(), strict=True)))

    @classmethod
    def from_json(cls, path: PathLike) -> Coefficients:
        """Read what :meth:`to_json` wrote (or a person: names that are left out are neutral).

        Raises:
            FileNotFoundError: no such file.
            ValueError: another content, an unknown name, or a number that is not finite.
        """
        frames = [cls.neutral().replace(**named) for named in read_json(path)]
        return cls(torch.cat([frame.values for frame in frames]))

    def to_npz(self, path: PathLike) -> None:
        """Write ``values`` and ``names`` as a compressed npz."""
        write_npz(path, self.values.numpy(), NAMES)

    @classmethod
    def from_npz(cls, path: PathLike) -> Coefficients:
        """Read what :meth:`to_npz` wrote; columns are matched by name, missing ones are neutral.

        Raises:
            FileNotFoundError: no such file.
            ValueError: another content, an unknown name, or a number that is not finite.
        """
        columns = read_npz(path)
        frames = len(next(iter(columns.values())))
        return cls.neutral(frames).replace(**{name: torch.from_numpy(column) for name, column in columns.items()})


def one_frame(coefficients: Coefficients | Float[Tensor, " 73"]) -> Float[Tensor, " 73"]:
    """Return the 73 numbers of a single frame.

    Raises:
        TypeError: neither Coefficients nor a tensor of floating-point numbers.
        ValueError: several frames, another length, or not finite.
    """
    if not isinstance(coefficients, Coefficients):
        return check(coefficients, "coefficients", frames=False)
    if len(coefficients) != 1:
        raise ValueError(f"coefficients: expected one frame, got {len(coefficients)}; choose one by .frame(number)")
    return coefficients.values[0]


def windows(
    coefficients: Coefficients | Float[Tensor, "N 73"], radius: int = RADIUS, causal: bool = False
) -> Float[Tensor, "N 73 T"]:
    """Return for every frame the coefficients of the frames around it (paper, section 3.1).

    Convention:
        Time runs along the last axis, oldest first. A clip that rests has windows of equal columns.

    Args:
        coefficients: N frames.
        radius: k; a window has T = 2k + 1 frames. Frames before the first and after the last repeat the edge.
        causal: replace the frames after the middle one by the middle one, for live use.

    Returns:
        (N, 73, T); ``[..., radius]`` is the frame itself.

    Raises:
        TypeError: ``radius`` is not an integer.
        ValueError: no frame, a wrong number of coefficients, NaN, or a negative radius.
    """
    values = coefficients.values if isinstance(coefficients, Coefficients) else check(coefficients, "coefficients")
    radius = check_integer(radius, "radius", 0)
    offsets = torch.arange(-radius, radius + 1)
    if causal:
        offsets = offsets.clamp(max=0)
    frames = (torch.arange(len(values))[:, None] + offsets).clamp(0, len(values) - 1)  # (N, T)
    return values[frames].transpose(1, 2).contiguous()
