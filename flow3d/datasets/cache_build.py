"""Rendering a cache: persons, one after the other or in several processes, into arrays that lie on the disk."""

from __future__ import annotations

import errno
import json
import math
import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import torch

from ..checks import Whole, check_integer, check_size
from ..files import write_whole
from ..morphable import Coefficients, Person, ProceduralHead, making_faces, talking_head
from ..morphable.volume_flow import rays_of
from ..preprocessing.images import mask_to_bytes, to_bytes
from .cache import DESCRIPTION, UNFINISHED, VERSION, FrameCache, open_array, read_description, shapes
from .pairs import BLOCK, driver_of
from .workers import work_through

DONE = "done.npy"  # one byte for each identity: whether it is rendered
CANNOT_RESERVE = (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)  # errors of file systems that reserve nothing


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
        every: keep every n-th frame of the clips, which have 25 a second.
        clips: 1, the person's own motion; 2: in the second they move as another does, so that cross pairs exist; 3:
            in the third they make faces (:func:`making_faces`), far beyond what talking people show.
        workers: processes that render. They end with this one, and do not hear Ctrl-C themselves.
        progress: called with how many identities are done, and of how many.

    Raises:
        ValueError: seeds of both kinds, numbers too small, under two frames a clip, or the folder holds another cache.
        OSError: no room on the disk, no permission, or a worker died; the same call goes on where it stopped.
    """
    workers = check_integer(workers, "workers", 1)
    described = describe(identities=identities, frames=frames, size=size, seed=seed, every=every, clips=clips)
    target = Path(folder)
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        got = f"{os.fspath(folder)!r} ({error.strerror})"
        raise OSError(f"folder: expected a folder that can be written, got {got}") from error
    for name in (DESCRIPTION, UNFINISHED):
        if (target / name).is_file() and (other := read_description(target / name)) != described:
            different = ", ".join(f"{key} {other.get(key)}" for key in described if other.get(key) != described[key])
            raise ValueError(f"folder: expected an empty one or the same cache, got one of {different}")
    if (target / DESCRIPTION).is_file():
        return FrameCache(target)
    if not (target / UNFINISHED).is_file():
        _allocate(target, described)
    done = open_array(target / DONE)
    missing, count = [k for k in range(len(done)) if not done[k]], int(np.count_nonzero(done))

    def report() -> None:
        nonlocal count
        count += 1
        if progress:
            progress(count, len(done))

    work_through(partial(_render_identity, target, described), missing, workers, report)
    with suppress(FileNotFoundError):  # another process finished the same cache
        os.replace(target / UNFINISHED, target / DESCRIPTION)
    return FrameCache(target)


def describe(**counts: Whole) -> dict[str, int]:
    """What stands in ``cache.json``: the numbers of :func:`build_cache`, checked.

    Raises:
        TypeError, ValueError: see :func:`build_cache`.
    """
    least = {"identities": 1, "frames": 2, "seed": 0, "every": 1, "clips": 1}
    checked = {n: check_size(v) if n == "size" else check_integer(v, n, least[n]) for n, v in counts.items()}
    first, frames, clips = checked["seed"], checked["frames"], checked["clips"]
    if clips > 3:
        raise ValueError(f"clips: expected 1, 2 or 3, got {clips}")
    if frames % clips or frames < 2 * clips:
        raise ValueError(f"frames: expected two or more for each of {clips} clips, as many in each, got {frames}")
    if first // BLOCK != (first + checked["identities"] - 1) // BLOCK:
        raise ValueError(f"seed: expected all identities below or above {BLOCK:,}, got {first} and on")
    return {"version": VERSION, **checked, "vertices": len(ProceduralHead().mean)}


def _allocate(folder: Path, described: Mapping[str, int]) -> None:
    """Files of their full size, and the description last: with it, all of them are there.

    Raises:
        OSError: no room; no file is left.
    """
    layout, files = shapes(described), []
    needed = sum(np.dtype(kind).itemsize * math.prod(shape) for kind, shape in layout.values())
    try:
        _check_room(folder, needed)
        for name, (kind, shape) in layout.items():
            files.append(folder / f"{name}.npy")
            np.lib.format.open_memmap(files[-1], mode="w+", dtype=kind, shape=shape).flush()
            _reserve(files[-1])
        files.append(folder / DONE)
        np.save(files[-1], np.zeros(described["identities"], np.uint8))
        write_whole(folder / UNFINISHED, json.dumps(described).encode())
    except BaseException as error:
        for file in files:
            file.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            _check_room(folder, needed, full=True)
        raise


def _check_room(folder: Path, needed: int, full: bool = False) -> None:
    free = shutil.disk_usage(folder).free
    if full or needed > free:
        wanted, left = (f"{n / 2**30:.1f} GiB" if n >= 2**30 else f"{n / 2**20:.1f} MiB" for n in (needed, free))
        raise OSError(f"folder: expected {wanted} of free disk, got {left}")


def _reserve(file: Path) -> None:
    """Give a file its blocks now: a process that writes to a mapped file on a full disk is killed without a word."""
    if not hasattr(os, "posix_fallocate"):
        return
    with file.open("r+b") as opened:
        try:
            os.posix_fallocate(opened.fileno(), 0, file.stat().st_size)
        except OSError as error:
            if error.errno not in CANNOT_RESERVE:
                raise


def _render_identity(folder: Path, described: Mapping[str, int], number: int) -> None:
    """Render one person's frames into the arrays, then note that they are there."""
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r+") for name in shapes(described)}
    size, seed, every = described["size"], described["seed"] + number, described["every"]
    person, length = Person.random(seed), described["frames"] // described["clips"] * every
    motions = ((talking_head, seed), (talking_head, driver_of(seed)), (making_faces, seed))[: described["clips"]]
    motion = Coefficients(torch.cat([moves(length, s).values for moves, s in motions]))
    arrays["background"][number] = to_bytes(person.background(size)).numpy()
    arrays["coefficients"][number] = motion.values.numpy()
    for k in range(described["frames"]):
        frame = person.render(motion.frame(k * every), size)
        hit, face, rays = frame.surface.hit, frame.surface.face.clamp_min(0), rays_of(frame)
        values = {
            "black": to_bytes(frame.alpha * frame.foreground - (1 - frame.alpha)).numpy(),
            "alpha": mask_to_bytes(frame.alpha[0]).numpy(),
            "labels": frame.labels[0].numpy(),
            "corners": torch.where(hit[..., None], person.faces[face], 0).numpy(),
            "weights": frame.surface.weights[..., :2].numpy(),
            "depth": frame.surface.depth.numpy(),
            "material": torch.where(hit, person.material[face], -1).numpy(),
            "vertices": frame.placed.numpy(),
            "ray_corners": rays.corners[0].numpy(),
            "ray_weights": rays.weights[0, ..., :2].numpy(),
            "ray_depth": rays.depth[0].numpy(),
            "ray_head": rays.head[0].numpy(),
        }
        for name, value in values.items():
            arrays[name][number, k] = value
    for array in arrays.values():
        array.flush()
    done = np.load(folder / DONE, mmap_mode="r+")
    done[number] = 1
    done.flush()
