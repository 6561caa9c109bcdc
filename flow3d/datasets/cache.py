"""A cache of rendered frames: it reads any pair of one identity in about a millisecond, exact flow included."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..morphable import Camera
from ..morphable.coefficients import POSE, index
from ..morphable.flow import Geometry, flow_between
from ..morphable.volume_flow import LAYERS, Rays, surface_flow, volume_side
from ..preprocessing.images import from_bytes, mask_from_bytes
from ..sizes import COEFFICIENT_COUNT, RADIUS
from .batch import Batch

VERSION = 3
DESCRIPTION, UNFINISHED = "cache.json", "unfinished.json"  # of a finished cache, and of one that is being built
COUNTS = ("identities", "frames", "size", "every", "clips", "vertices")  # numbers of 1 or more in a description
# one of these differs in a hard pair; blinks are rarest and smallest, so they are drawn twice as often
HARD = tuple(index(n) for n in ("blink_right", "blink_left", "jaw_open", "smile", "brow_up", "gaze_x", "pucker"))
YAW = index("yaw")


def _layout(identities: int, frames: int, every: int, size: int, vertices: int) -> dict[str, tuple[str, tuple]]:
    """Every array's type and shape; I identities, M frames."""
    pixels, side = (identities, frames, size, size), volume_side(size)
    rays = (identities, frames, LAYERS, side, side)
    return {
        "black": ("uint8", (identities, frames, 3, size, size)),  # the person on black
        "alpha": ("uint8", pixels),
        "labels": ("uint8", pixels),
        "corners": ("int16", (*pixels, 3)),  # the seen triangle's vertices
        "weights": ("float32", (*pixels, 2)),  # barycentric, the third is one minus both
        "depth": ("float32", pixels),  # infinite on the background
        "material": ("int8", pixels),  # -1 on the background
        "vertices": ("float32", (identities, frames, vertices, 3)),  # x and y in pixels, distance from the camera
        "ray_corners": ("int16", (*rays, 3)),  # of every surface along a ray, see flow3d.morphable.volume_flow
        "ray_weights": ("float32", (*rays, 2)),
        "ray_depth": ("float32", rays),  # behind the head's centre plane, infinite where no surface is left
        "ray_head": ("bool", rays),
        "background": ("uint8", (identities, 3, size, size)),
        "coefficients": ("float32", (identities, frames * every, COEFFICIENT_COUNT)),
    }


def shapes(described: Mapping[str, int]) -> dict[str, tuple[str, tuple]]:
    """Every array's type and shape; see :func:`_layout`."""
    return _layout(*(described[name] for name in ("identities", "frames", "every", "size", "vertices")))


def read_description(file: Path) -> dict[str, int]:
    """What a cache holds, from its ``cache.json`` or ``unfinished.json``.

    Raises:
        ValueError: written by another version, or damaged.
    """
    try:
        described = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"folder: expected JSON in {file.name}, got something else ({error})") from error
    version = described.get("version") if isinstance(described, dict) else None
    if version != VERSION:
        raise ValueError(f"folder: expected a cache of version {VERSION}, got {version} in {file.name}")
    for name in ("seed", *COUNTS):
        number, least = described.get(name), int(name in COUNTS)
        if type(number) is not int or not least <= number < 2**63:
            raise ValueError(f"folder: expected a whole number of {least} or more for {name}, got {number!r}")
    return described


def open_array(file: Path) -> NDArray[Any]:
    """An array that stays on the disk; only the parts that are used are loaded.

    Raises:
        ValueError: no such file, or a damaged one.
    """
    try:
        if not file.is_file():
            raise ValueError("it is no file")
        return np.load(file, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # numpy's reader fails on damaged headers in many ways
        raise ValueError(f"folder: cannot read {file.name} ({error})") from error


class FrameCache:
    """An opened cache; :func:`flow3d.datasets.cache_build.build_cache` makes one.

    Raises:
        FileNotFoundError: no such folder, or its cache is not finished.
        ValueError: written by another version, or a file is damaged.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        target = self.folder = Path(folder)
        if not (target / DESCRIPTION).is_file():
            why = "an unfinished one: build it again to finish it" if (target / UNFINISHED).is_file() else "none"
            raise FileNotFoundError(f"folder: expected a finished cache at {os.fspath(folder)!r}, found {why}")
        described = read_description(target / DESCRIPTION)
        self.identities, self.frames = described["identities"], described["frames"]
        self.size, self.seed, self.every = (described[name] for name in ("size", "seed", "every"))
        self.clips = described["clips"]
        self.arrays: dict[str, NDArray[Any]] = {}
        for name, (kind, shape) in shapes(described).items():
            array = open_array(target / f"{name}.npy")
            if array.dtype != kind or array.shape != shape:
                raise ValueError(f"folder: expected {kind} {shape} in {name}.npy, got {array.dtype} {array.shape}")
            self.arrays[name] = array
        self.coefficients = torch.from_numpy(np.array(self.arrays["coefficients"]))  # (I, M * every, 73)
        if not bool(torch.isfinite(self.coefficients).all()):
            raise ValueError("folder: expected finite numbers in coefficients.npy, got NaN or infinity")
        self.kept = self.coefficients[:, :: self.every]  # (I, M, 73)
        self.held: dict[str, Tensor] = {}

    @property
    def bytes(self) -> int:
        """The bytes of memory that :meth:`hold_on` needs."""
        return sum(array.nbytes for array in self.arrays.values())

    def hold_on(self, device: torch.device | str) -> None:
        """Copy every array to a device's memory: batches are then made there, which a card does in a millisecond."""
        self.held = {name: torch.from_numpy(np.array(array)).to(device) for name, array in self.arrays.items()}

    def draw(
        self, rng: np.random.Generator, count: int, hard: float = 0.0, cross: float = 0.0
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Draw ``count`` pairs: identities, and two different frames of each.

        With probability ``cross`` the second frame is of another clip of the same person.

        With probability ``hard`` the second frame is the one whose named expression (a blink, the jaw, a smile, the
        brows, the gaze, a pucker) differs most from the first's while the head turns little. Random pairs differ mostly
        in pose, and few of them in expression.

        Raises:
            ValueError: ``cross`` from a cache of one clip.
        """
        if cross and self.clips < 2:
            raise ValueError(f"cross: expected a cache of 2 or more clips for cross-identity pairs, got {self.clips}")
        length = self.frames // self.clips
        who = rng.integers(self.identities, size=count)
        first = rng.integers(self.frames, size=count)
        begin = first // length * length  # of the first frame's clip
        second = begin + (first - begin + rng.integers(1, length, size=count)) % length
        crossed = rng.random(count) < cross
        shift = 1 if self.clips < 3 else rng.integers(1, self.clips, size=crossed.sum())
        second[crossed] = (second[crossed] + length * shift) % self.frames
        values = self.kept.numpy()
        for k in np.flatnonzero(rng.random(count) < hard):
            start = second[k] // length * length
            clip, here = values[who[k], start : start + length], values[who[k], first[k]]
            column = rng.choice(HARD)
            score = np.abs(clip[:, column] - here[column]) + 0.15 * rng.random(length)
            score -= 0.5 * rng.random() * np.abs(clip[:, YAW] - here[YAW])
            if not crossed[k]:
                score[first[k] - start] = -np.inf
            second[k] = start + score.argmax()
        return who, first, second

    def batch(
        self, who: NDArray[np.int64], first: NDArray[np.int64], second: NDArray[np.int64], *, both: bool = True
    ) -> Batch:
        """The pairs from ``first`` to ``second``; with ``both``, followed by those from ``second`` to ``first``."""
        source, target = self._side(who, first), self._side(who, second)
        if both:
            sides = ((source, target), (target, source))
            source, target = ({k: torch.cat([a[k], b[k]]) for k in a} for a, b in sides)
        flow, visible = flow_between(_geometry(target), _geometry(source), Camera().pixels_per_unit(self.size))
        surfaces = surface_flow(_rays(target), source["vertices"], self.size)
        poses = {
            f"{name}_pose": side["window"][:, POSE, RADIUS] for name, side in (("source", source), ("target", target))
        }
        parts = ("image", "black", "alpha", "window")
        pictures = [side[name] for name in parts for side in (source, target)]
        labels = target["labels"].long()[:, None]
        return Batch(*pictures, flow=flow, visible=visible, labels=labels, surfaces=surfaces, **poses)

    def _side(self, who: NDArray[np.int64], frame: NDArray[np.int64]) -> dict[str, Tensor]:
        side = {n: self._rows(n, who, frame) for n in self.arrays if n not in ("background", "coefficients")}
        side["black"] = from_bytes(side["black"])
        side["alpha"] = mask_from_bytes(side["alpha"][:, None])
        behind = from_bytes(self._rows("background", who))
        side["image"] = side["black"] + (1 - side["alpha"]) * (behind + 1)
        length = self.coefficients.shape[1] // self.clips
        here = torch.from_numpy(frame)[:, None] * self.every
        begin = here // length * length  # a window stays within its clip
        steps = (here + torch.arange(-RADIUS, RADIUS + 1)).clamp(begin, begin + length - 1)
        side["window"] = self.coefficients[torch.from_numpy(who)[:, None], steps].transpose(1, 2).contiguous()
        return side

    def _rows(self, name: str, *where: NDArray[np.int64]) -> Tensor:
        if self.held:
            held = self.held[name]
            return held[tuple(torch.from_numpy(each).to(held.device) for each in where)]
        return torch.from_numpy(np.stack([self.arrays[name][place] for place in zip(*where, strict=True)]))


def _geometry(side: dict[str, Tensor]) -> Geometry:
    """The stored frames as the exact flow needs them."""
    weights = _third(side["weights"])
    return Geometry(side["corners"], weights, side["depth"], side["material"], side["alpha"], side["vertices"])


def _rays(side: dict[str, Tensor]) -> Rays:
    return Rays(side["ray_corners"], _third(side["ray_weights"]), side["ray_depth"], side["ray_head"])


def _third(weights: Tensor) -> Tensor:
    """Barycentric coordinates with the one that is not stored."""
    return torch.cat([weights, 1 - weights.sum(-1, keepdim=True)], -1)
