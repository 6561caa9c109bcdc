"""Training pictures of the identity embedding: persons, each in three sessions.

Every session has another light, other clothes, another background and somebody else's motion. The shape of the head,
its skin, eyes, brows and hair stay.
"""

from __future__ import annotations

import dataclasses
import io
import os
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from ..datasets.pairs import BLOCK
from ..files import write_whole
from ..morphable import Person, making_faces, random_appearance, talking_head
from ..perception.regressor import SIZE
from ..preprocessing.images import from_bytes, mask_from_bytes, mask_to_bytes, to_bytes
from ..threads import one_thread

SESSIONS = 3
CLIP = 160  # frames of a session's motion, a few of which are rendered; in the last session the person makes faces
SESSION = ("light", "cloth", "cloth_colours", "background", "background_seed")  # what changes with the session
ARRAYS = ("person", "alpha", "background", "first")
Arrays = dict[str, np.ndarray]


@one_thread()
def render_persons(first: int, persons: int, frames: int) -> Arrays:
    """Pictures of ``persons`` from seed ``first`` on, ``frames`` of each in three sessions; 8 bits, on black.

    Returns:
        "person" (I,M,3,64,64), "alpha" (I,M,64,64) and "background" (I,3,3,64,64), uint8; "first".

    Raises:
        ValueError: fewer than two persons, or ``frames`` that are no multiple of three.
    """
    if persons < 2:
        raise ValueError(f"persons: expected two or more, got {persons}")
    if frames < SESSIONS or frames % SESSIONS:
        raise ValueError(f"frames: expected a multiple of {SESSIONS}, got {frames}")
    pictures: dict[str, list[Tensor]] = {"person": [], "alpha": [], "background": []}
    for seed in tqdm(range(first, first + persons), unit="person", leave=False):
        rng = np.random.default_rng([seed, 7])
        own = Person.random(seed)
        for session in range(SESSIONS):
            appearance = random_appearance(rng)
            look = dataclasses.replace(own.look, **{name: getattr(appearance, name) for name in SESSION})
            person = Person(own.alpha, look, own.head, own.camera)
            moves = making_faces if session == SESSIONS - 1 else talking_head
            motion = moves(CLIP, int(rng.integers(first, first + persons)))
            for k in np.sort(rng.choice(CLIP, frames // SESSIONS, replace=False)):
                frame = person.render(motion.frame(int(k)), SIZE)
                pictures["person"].append(to_bytes(frame.alpha * frame.foreground - (1 - frame.alpha)))
                pictures["alpha"].append(mask_to_bytes(frame.alpha[0]))
            pictures["background"].append(to_bytes(person.background(SIZE)))
    stacked = {name: torch.stack(images).numpy() for name, images in pictures.items()}
    shaped = {name: a.reshape(persons, -1, *a.shape[1:]) for name, a in stacked.items()}
    return shaped | {"first": np.array(first)}


def write_persons(path: str | os.PathLike[str], arrays: Arrays) -> None:
    """Write the arrays of :func:`render_persons` to a file.

    Raises:
        OSError: no room, or no permission.
    """
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **{name: arrays[name] for name in ARRAYS})
    write_whole(path, buffer.getvalue())


def read_persons(path: str | os.PathLike[str]) -> Arrays:
    """Read the arrays that :func:`write_persons` wrote.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is damaged, or it holds something else or persons of validation seeds.
    """
    name = os.fspath(path)
    if not Path(path).is_file():
        raise FileNotFoundError(f"data: expected a file of pictures, found none at {name!r}")
    try:
        with Path(path).open("rb") as file, np.load(file) as stored:
            arrays = {key: stored[key] for key in stored.files}
        first, shape, kind = int(arrays["first"]), arrays["person"].shape, arrays["person"].dtype
    except Exception as error:  # a file of something else can fail in any way
        raise ValueError(f"data: expected pictures of persons in {name!r}, cannot read them ({error})") from error
    if set(arrays) != set(ARRAYS) or len(shape) != 5 or kind != np.uint8:
        raise ValueError(f"data: expected pictures of persons in {name!r}, got {sorted(arrays)} of {kind} {shape}")
    if first + len(arrays["person"]) > BLOCK:
        raise ValueError(f"data: expected seeds below {BLOCK:,}, which train, got {first:,} and on")
    return arrays


def compose(
    data: Arrays, who: Int[np.ndarray, " B"], frame: Int[np.ndarray, " B"], behind: Int[np.ndarray, "B 2"]
) -> Float[Tensor, "B 3 64 64"]:
    """Frames in [-1, 1] in front of the backgrounds ``behind``, each given by a person and a session."""
    person = torch.from_numpy(data["person"][who, frame]).float()
    alpha = mask_from_bytes(torch.from_numpy(data["alpha"][who, frame])[:, None])
    background = torch.from_numpy(data["background"][behind[:, 0], behind[:, 1]]).float()
    return from_bytes(person.addcmul_(1 - alpha, background))


def draw(data: Arrays, rng: np.random.Generator, count: int) -> tuple[Float[Tensor, "B 3 64 64"], Int[Tensor, " B"]]:
    """Frames in front of random backgrounds, mirrored, shifted, tinted, blurred at random, and the persons in them."""
    persons, frames = data["person"].shape[:2]
    who, frame = rng.integers(persons, size=count), rng.integers(frames, size=count)
    behind = np.stack([rng.integers(persons, size=count), rng.integers(SESSIONS, size=count)], 1)
    images = compose(data, who, frame, behind)
    flipped = torch.from_numpy(np.flatnonzero(rng.random(count) < 0.5))
    images[flipped] = images[flipped].flip(3)
    padded = functional.pad(images, (3, 3, 3, 3), mode="replicate")
    images = torch.stack(
        [p[:, y : y + SIZE, x : x + SIZE] for p, (y, x) in zip(padded, rng.integers(7, size=(count, 2)), strict=True)]
    )
    gain = torch.from_numpy(rng.uniform(0.9, 1.1, (count, 1, 1, 1)) * rng.uniform(0.96, 1.04, (count, 3, 1, 1))).float()
    images = ((images + 1) * gain - 1).clamp_(-1, 1)
    soft, side = torch.from_numpy(np.flatnonzero(rng.random(count) < 0.3)), int(rng.integers(24, SIZE))
    if len(soft):  # as if enlarged from fewer pixels, since a renderer's pictures are soft
        small = functional.interpolate(images[soft], (side, side), mode="bilinear", antialias=True)
        images[soft] = functional.interpolate(small, (SIZE, SIZE), mode="bilinear")
    return images, torch.from_numpy(who)
