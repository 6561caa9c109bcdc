"""Frames rendered once, from which any pair of one identity is read in about a millisecond, exact flow included."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..checks import Whole, check_integer, check_size
from ..files import write_whole
from ..morphable import Camera, Coefficients, Person, ProceduralHead, making_faces, talking_head
from ..morphable.coefficients import index
from ..morphable.flow import Geometry, flow_between
from ..preprocessing.images import from_bytes, mask_from_bytes, mask_to_bytes, to_bytes
from ..sizes import COEFFICIENT_COUNT, RADIUS
from .batch import Batch
from .pairs import BLOCK, driver_of

VERSION = 2
DESCRIPTION, UNFINISHED, DONE = "cache.json", "unfinished.json", "done.npy"
# what a hard pair differs in; blinks are rarest and smallest, so they are drawn twice as often
HARD = tuple(index(n) for n in ("blink_right", "blink_left", "jaw_open", "smile", "brow_up", "gaze_x", "pucker"))
YAW = index("yaw")


def _layout(identities: int, frames: int, every: int, size: int, vertices: int) -> dict[str, tuple[str, tuple]]:
    """Every array's type and shape; I identities, M frames."""
    pixels = (identities, frames, size, size)
    return {
        "black": ("uint8", (identities, frames, 3, size, size)),  # the person on black
        "alpha": ("uint8", pixels),
        "labels": ("uint8", pixels),
        "corners": ("int16", (*pixels, 3)),  # the seen triangle's vertices
        "weights": ("float32", (*pixels, 2)),  # barycentric, the third is what is left of one
        "depth": ("float32", pixels),  # infinite on the background
        "material": ("int8", pixels),  # -1 on the background
        "vertices": ("float32", (identities, frames, vertices, 3)),  # x and y in pixels, distance from the camera
        "background": ("uint8", (identities, 3, size, size)),
        "coefficients": ("float32", (identities, frames * every, COEFFICIENT_COUNT)),
    }


def build_cache(
    folder: str | os.PathLike[str],
    identities: Whole,
    frames: Whole = 16,
    size: Whole = 64,
    *,
    seed: Whole = 0,
    every: Whole = 6,
    clips: Whole = 1,
    workers: Whole = 1,
    progress: Callable[[int, int], None] | None = None,
) -> FrameCache:
    """Render ``identities`` persons, ``frames`` frames each, and return the opened cache.

    A folder that an interrupted call left is finished: identities that are done are not rendered again. Until all are,
    the folder has no ``cache.json`` and cannot be opened.

    Args:
        folder: where to; created if need be.
        identities: persons; number k has the seed ``seed + k``, shape, look and motion.
        frames: frames kept of each person, of all clips together.
        size: side of the images in pixels, a power of two from 16 to 2048.
        seed: of the first person. Below 1,000,000 to train, below 2,000,000 to validate; never both in one cache.
        every: of a clip's 25 frames a second every how many-th is kept.
        clips: 1, the person's own motion; 2: in the second they move as another does, so that cross pairs exist; 3:
            in the third they make faces (:func:`making_faces`), far beyond what talking people show.
        workers: processes that render.
        progress: called with how many identities are done, and of how many.

    Raises:
        ValueError: seeds of both kinds, numbers too small, under two frames a clip, or the folder holds another cache.
    """
    counts = {"identities": check_integer(identities, "identities", 1), "frames": check_integer(frames, "frames", 2)}
    counts |= {"size": check_size(size), "seed": check_integer(seed, "seed", 0)}
    counts |= {"every": check_integer(every, "every", 1), "clips": check_integer(clips, "clips", 1)}
    if counts["clips"] > 3:
        raise ValueError(f"clips: expected 1, 2 or 3, got {clips}")
    if counts["frames"] % counts["clips"] or counts["frames"] < 2 * counts["clips"]:
        raise ValueError(f"frames: expected two or more for each of {clips} clips, as many in each, got {frames}")
    workers, first = check_integer(workers, "workers", 1), counts["seed"]
    if first // BLOCK != (first + counts["identities"] - 1) // BLOCK:
        raise ValueError(f"seed: expected all identities below or above {BLOCK:,}, got {first} and on")
    target, described = Path(folder), {"version": VERSION, **counts, "vertices": len(ProceduralHead().mean)}
    target.mkdir(parents=True, exist_ok=True)
    for name in (DESCRIPTION, UNFINISHED):
        if (target / name).is_file() and (found := json.loads((target / name).read_text())) != described:
            raise ValueError(f"folder: expected an empty one or the same cache, got {found}")
    if (target / DESCRIPTION).is_file():
        return FrameCache(target)
    if not (target / UNFINISHED).is_file():
        _allocate(target, described)
    done = np.load(target / DONE, mmap_mode="r")
    missing = [k for k in range(len(done)) if not done[k]]
    job = partial(_render_identity, target, described)
    if workers == 1:
        for count, k in enumerate(missing, len(done) - len(missing) + 1):
            job(k)
            if progress:
                progress(count, len(done))
    else:
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            jobs = [pool.submit(job, k) for k in missing]
            for count, finished in enumerate(as_completed(jobs), len(done) - len(missing) + 1):
                finished.result()
                if progress:
                    progress(count, len(done))
    os.replace(target / UNFINISHED, target / DESCRIPTION)
    return FrameCache(target)


def _shapes(described: dict[str, int]) -> dict[str, tuple[str, tuple]]:
    return _layout(*(described[name] for name in ("identities", "frames", "every", "size", "vertices")))


def _allocate(folder: Path, described: dict[str, int]) -> None:
    """Files of their full size, and the description last: with it, all of them are there."""
    layout = _shapes(described)
    needed = sum(np.dtype(kind).itemsize * int(np.prod(shape)) for kind, shape in layout.values())
    if needed > (free := shutil.disk_usage(folder).free):
        raise OSError(f"folder: expected {needed / 2**30:.1f} GiB of free disk, got {free / 2**30:.1f}")
    for name, (kind, shape) in layout.items():
        np.lib.format.open_memmap(folder / f"{name}.npy", mode="w+", dtype=kind, shape=shape).flush()
    np.save(folder / DONE, np.zeros(described["identities"], np.uint8))
    write_whole(folder / UNFINISHED, json.dumps(described).encode())


def _render_identity(folder: Path, described: dict[str, int], number: int) -> None:
    """Render one person's frames into the arrays, then note that they are there."""
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r+") for name in _shapes(described)}
    size, seed, every = described["size"], described["seed"] + number, described["every"]
    person, length = Person.random(seed), described["frames"] // described["clips"] * every
    motions = ((talking_head, seed), (talking_head, driver_of(seed)), (making_faces, seed))[: described["clips"]]
    motion = Coefficients(torch.cat([moves(length, s).values for moves, s in motions]))
    arrays["background"][number] = to_bytes(person.background(size)).numpy()
    arrays["coefficients"][number] = motion.values.numpy()
    for k in range(described["frames"]):
        frame = person.render(motion.frame(k * every), size)
        hit, face = frame.surface.hit, frame.surface.face.clamp_min(0)
        found = {
            "black": to_bytes(frame.alpha * frame.foreground - (1 - frame.alpha)).numpy(),
            "alpha": mask_to_bytes(frame.alpha[0]).numpy(),
            "labels": frame.labels[0].numpy(),
            "corners": torch.where(hit[..., None], person.faces[face], 0).numpy(),
            "weights": frame.surface.weights[..., :2].numpy(),
            "depth": frame.surface.depth.numpy(),
            "material": torch.where(hit, person.material[face], -1).numpy(),
            "vertices": torch.cat([frame.screen, frame.vertex_depth[:, None]], 1).numpy(),
        }
        for name, value in found.items():
            arrays[name][number, k] = value
    for array in arrays.values():
        array.flush()
    done = np.load(folder / DONE, mmap_mode="r+")
    done[number] = 1
    done.flush()


class FrameCache:
    """An opened cache; see :func:`build_cache`.

    Raises:
        FileNotFoundError: no such folder, or its cache is not finished.
        ValueError: written by another version, or a file is damaged.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        target = self.folder = Path(folder)
        if not (target / DESCRIPTION).is_file():
            why = "an unfinished one: build it again to finish it" if (target / UNFINISHED).is_file() else "none"
            raise FileNotFoundError(f"folder: expected a finished cache at {os.fspath(folder)!r}, found {why}")
        described = json.loads((target / DESCRIPTION).read_text())
        if described.get("version") != VERSION:
            raise ValueError(f"folder: expected a cache of version {VERSION}, got {described.get('version')}")
        self.identities, self.frames = int(described["identities"]), int(described["frames"])
        self.size, self.seed, self.every = (int(described[name]) for name in ("size", "seed", "every"))
        self.clips = int(described["clips"])
        self.arrays: dict[str, NDArray[Any]] = {}
        for name, (kind, shape) in _shapes(described).items():
            try:
                array = np.load(target / f"{name}.npy", mmap_mode="r")
            except (OSError, ValueError) as error:
                raise ValueError(f"folder: cannot read {name}.npy ({error})") from error
            if array.dtype != kind or array.shape != shape:
                raise ValueError(f"{name}.npy: expected {kind} {shape}, got {array.dtype} {array.shape}")
            self.arrays[name] = array
        self.coefficients = torch.from_numpy(np.array(self.arrays["coefficients"]))  # (I, M * every, 73)
        self.kept = self.coefficients[:, :: self.every]  # (I, M, 73)
        self.held: dict[str, Tensor] = {}

    @property
    def bytes(self) -> int:
        """What :meth:`hold_on` needs."""
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
        brows, the gaze, a pucker) differs most from the first's while the head turns little: random pairs differ in
        pose first of all, and few in what matters most.

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
        away = rng.random(count) < cross
        shift = 1 if self.clips < 3 else rng.integers(1, self.clips, size=away.sum())
        second[away] = (second[away] + length * shift) % self.frames
        values = self.kept.numpy()
        for k in np.flatnonzero(rng.random(count) < hard):
            start = second[k] // length * length
            clip, here = values[who[k], start : start + length], values[who[k], first[k]]
            column = rng.choice(HARD)
            score = np.abs(clip[:, column] - here[column]) + 0.15 * rng.random(length)
            score -= 0.5 * rng.random() * np.abs(clip[:, YAW] - here[YAW])
            if not away[k]:
                score[first[k] - start] = -np.inf
            second[k] = start + score.argmax()
        return who, first, second

    def batch(
        self, who: NDArray[np.int64], first: NDArray[np.int64], second: NDArray[np.int64], *, both: bool = True
    ) -> Batch:
        """The pairs from ``first`` to ``second``; with ``both``, followed by those from ``second`` to ``first``."""
        one, other = self._side(who, first), self._side(who, second)
        if both:
            one, other = ({k: torch.cat([a[k], b[k]]) for k in a} for a, b in ((one, other), (other, one)))
        flow, visible = flow_between(_geometry(other), _geometry(one), Camera().pixels_per_unit(self.size))
        parts = ("image", "black", "alpha", "window")
        pictures = [side[name] for name in parts for side in (one, other)]
        return Batch(*pictures, flow, visible, other["labels"].long()[:, None])

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
    """What the exact flow needs of stored frames; their third barycentric weight is what is left of one."""
    weights = torch.cat([side["weights"], 1 - side["weights"].sum(-1, keepdim=True)], -1)
    return Geometry(side["corners"], weights, side["depth"], side["material"], side["alpha"], side["vertices"])
