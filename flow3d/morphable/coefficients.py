"""The 73 motion coefficients of the paper (section 3.1), by name, and the windows a mapping network reads."""

from __future__ import annotations

import difflib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from .head.expressions import EXPRESSIONS

COUNT = 73
EXPRESSION, ROTATION, TRANSLATION, CROP = slice(0, 64), slice(64, 67), slice(67, 70), slice(70, 73)
SLICES = {"expression": EXPRESSION, "rotation": ROTATION, "translation": TRANSLATION, "crop": CROP}
NAMES = (
    *EXPRESSIONS,
    *(f"expression_{k}" for k in range(len(EXPRESSIONS), 64)),
    *("pitch", "yaw", "roll", "translation_x", "translation_y", "translation_z", "crop_scale", "crop_x", "crop_y"),
)
_NEUTRAL = {"crop_scale": 1.0}


def index(name: str) -> int:
    """Column of the coefficient called ``name``; an unknown name raises ValueError with the nearest known one."""
    if name not in NAMES:
        near = difflib.get_close_matches(name, NAMES, n=1, cutoff=0.0)
        raise ValueError(f"coefficient: expected one of the 73 names, got {name!r}; the nearest is {near[0]!r}")
    return NAMES.index(name)


def check(values: Tensor, argument: str, *, frames: bool = True) -> Tensor:
    """Return ``values`` as a finite float32 CPU tensor (N, 73), or (73,) where ``frames`` is False.

    Raises:
        TypeError: not a tensor of numbers.
        ValueError: another shape, no frames, or not finite; the message starts with ``argument``.
    """
    if not isinstance(values, torch.Tensor):
        raise TypeError(f"{argument}: expected a tensor of {COUNT} coefficients, got {type(values).__name__}")
    rank, text = (2, f"(N, {COUNT})") if frames else (1, f"({COUNT},)")
    if values.ndim != rank or values.shape[-1] != COUNT:
        raise ValueError(f"{argument}: expected shape {text}, got {tuple(values.shape)}")
    if values.numel() == 0:
        raise ValueError(f"{argument}: expected at least one frame, got none")
    if not torch.isfinite(values).all():
        bad = int((~torch.isfinite(values)).nonzero()[0, -1])
        raise ValueError(f"{argument}: expected finite numbers, got {values[..., bad].flatten()[0]} in {NAMES[bad]!r}")
    return values.detach().to("cpu", torch.float32)


@dataclass(frozen=True)
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
        if frames < 1:
            raise ValueError(f"frames: expected at least 1, got {frames}")
        return cls(torch.zeros(frames, COUNT)).replace(**_NEUTRAL)

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

    def replace(self, **named: float | Tensor) -> Coefficients:
        """Return a copy in which each named coefficient is a number, or a tensor of N numbers."""
        values = self.values.clone()
        for name, value in named.items():
            values[:, index(name)] = torch.as_tensor(value, dtype=torch.float32)
        return Coefficients(values)

    def frame(self, number: int) -> Float[Tensor, " 73"]:
        """The coefficients of one frame."""
        if not -len(self) <= number < len(self):
            raise ValueError(f"number: expected a frame from 0 to {len(self) - 1}, got {number}")
        return self.values[number]

    def windows(self, radius: int = 13, causal: bool = False) -> Float[Tensor, "N 73 T"]:
        """Windows of all frames; see :func:`windows`."""
        return windows(self, radius, causal)

    def to_json(self, path: str | os.PathLike[str]) -> None:
        """Write the coefficients that are not zero, by name, one object per frame."""
        frames = [
            {n: round(float(v), 6) for n, v in zip(NAMES, row, strict=True) if v != _NEUTRAL.get(n, 0.0)}
            for row in self.values
        ]
        _write(path, json.dumps({"frames": frames}, indent=1).encode())

    @classmethod
    def from_json(cls, path: str | os.PathLike[str]) -> Coefficients:
        """Read what :meth:`to_json` wrote (or a person: names that are left out are neutral)."""
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
        except (UnicodeDecodeError, json.JSONDecodeError) as error:
            raise ValueError(f"path: expected a JSON file, got {os.fspath(path)!r} ({error})") from error
        frames = content.get("frames") if isinstance(content, Mapping) else None
        if not isinstance(frames, list) or not frames:
            raise ValueError(f"path: expected an object with a list 'frames' in {os.fspath(path)!r}")
        values = cls.neutral(len(frames)).values.clone()
        for row, named in zip(values, frames, strict=True):
            for name, value in named.items():
                row[index(name)] = float(value)
        return cls(values)

    def to_npz(self, path: str | os.PathLike[str]) -> None:
        """Write ``values`` and ``names`` as a compressed npz."""
        import io

        buffer = io.BytesIO()
        np.savez_compressed(buffer, values=self.values.numpy(), names=np.array(NAMES))
        _write(path, buffer.getvalue())

    @classmethod
    def from_npz(cls, path: str | os.PathLike[str]) -> Coefficients:
        """Read what :meth:`to_npz` wrote; columns are matched by name."""
        try:
            with np.load(path, allow_pickle=False) as file:
                values, names = file["values"], [str(n) for n in file["names"]]
        except (ValueError, KeyError, OSError) as error:
            if isinstance(error, FileNotFoundError):
                raise
            raise ValueError(f"path: expected an npz of coefficients, got {os.fspath(path)!r} ({error})") from error
        if values.ndim != 2 or values.shape[1] != len(names):
            raise ValueError(f"path: expected values (N, {len(names)}) in {os.fspath(path)!r}, got {values.shape}")
        result = cls.neutral(max(1, len(values))).values.clone()
        for name, column in zip(names, values.T, strict=True):
            result[:, index(name)] = torch.as_tensor(column.astype(np.float32))
        return cls(result)


def _write(path: str | os.PathLike[str], content: bytes) -> None:
    """Write beside the target, then rename: a reader never meets half a file."""
    target = Path(path)
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=target.name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(temporary, target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def windows(
    coefficients: Coefficients | Float[Tensor, "N 73"], radius: int = 13, causal: bool = False
) -> Float[Tensor, "N 73 T"]:
    """Return for every frame the coefficients of the frames around it (paper, section 3.1).

    Args:
        coefficients: N frames.
        radius: k; a window has T = 2k + 1 frames. Frames before the first and after the last repeat the edge.
        causal: replace the frames after the middle one by the middle one, for live use.

    Returns:
        (N, 73, T); ``[..., radius]`` is the frame itself.

    Raises:
        ValueError: no frame, a wrong number of coefficients, NaN, or a negative radius.
    """
    values = coefficients.values if isinstance(coefficients, Coefficients) else check(coefficients, "coefficients")
    if isinstance(radius, bool) or not isinstance(radius, int):
        raise TypeError(f"radius: expected an integer, got {type(radius).__name__}")
    if radius < 0:
        raise ValueError(f"radius: expected 0 or more, got {radius}")
    offsets = torch.arange(-radius, radius + 1)
    if causal:
        offsets = offsets.clamp(max=0)
    frames = (torch.arange(len(values))[:, None] + offsets).clamp(0, len(values) - 1)  # (N, T)
    return values[frames].transpose(1, 2).contiguous()
