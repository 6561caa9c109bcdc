"""Training the embedding: ``python -m flow3d.training.identity_trainer --data runs/persons.npz --out runs/identity``.

A person is shown in three sessions, each in another light, other clothes, before another background and with the motion
of somebody else: what stays is the shape of the head, its skin, eyes, brows and hair.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from ..datasets.pairs import BLOCK
from ..fields import Batch, Configuration, Count, Positive, Seed, Share, Weight, Whole
from ..files import write_whole
from ..morphable import Person, making_faces, random_appearance, talking_head
from ..perception.identity import IdentityConfig, IdentityEmbedding, verification
from ..perception.regressor import SIZE
from ..preprocessing.images import from_bytes, mask_from_bytes, mask_to_bytes, to_bytes
from ..threads import one_thread

FIRST_SEED, PERSONS, FRAMES, SESSIONS = 300_000, 400, 18, 3
HELD_OUT, HELD_PERSONS, HELD_FRAMES = 1_000_000, 100, 6
CLIP = 160  # frames, of which a session shows a few; the last session makes faces
SESSION = ("light", "cloth", "cloth_colours", "background", "background_seed")  # what changes with the session
SCALE, MARGIN = 20.0, 0.1  # of the cosine logits
ARRAYS = ("person", "alpha", "background", "first")
Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class IdentityTraining(Configuration):
    """How an embedding is trained: AdamW, a rate that warms up and falls as half a cosine, and averaged weights."""

    seed: Seed = 0
    steps: Count = 2_000
    batch: Batch = 128
    learning_rate: Positive = 3e-3
    warmup: Whole = 100
    weight_decay: Weight = 0.05
    ema: Share = 0.995
    bf16: bool = False

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        warm = min(1.0, (step + 1) / self.warmup) if self.warmup else 1.0
        return warm * self.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, step / self.steps)))


@one_thread()
def render_persons(first: int, persons: int, frames: int) -> Arrays:
    """Pictures of ``persons`` from seed ``first`` on, ``frames`` of each in three sessions; 8 bits, on black.

    Returns:
        "person" (I,M,3,64,64), "alpha" (I,M,64,64) and "background" (I,3,3,64,64), uint8; "first".

    Raises:
        ValueError: fewer than two persons, or ``frames`` that are no multiple of three.
    """
    if persons < 2 or frames < SESSIONS or frames % SESSIONS:
        raise ValueError(f"frames: expected two persons and a multiple of {SESSIONS} frames, got {persons}, {frames}")
    found: dict[str, list[Tensor]] = {"person": [], "alpha": [], "background": []}
    for seed in tqdm(range(first, first + persons), unit="person", leave=False):
        rng = np.random.default_rng([seed, 7])
        own = Person.random(seed)
        for session in range(SESSIONS):
            other = random_appearance(rng)
            look = dataclasses.replace(own.look, **{name: getattr(other, name) for name in SESSION})
            person = Person(own.alpha, look, own.head, own.camera)
            moves = making_faces if session == SESSIONS - 1 else talking_head
            motion = moves(CLIP, int(rng.integers(first, first + persons)))
            for k in np.sort(rng.choice(CLIP, frames // SESSIONS, replace=False)):
                frame = person.render(motion.frame(int(k)), SIZE)
                found["person"].append(to_bytes(frame.alpha * frame.foreground - (1 - frame.alpha)))
                found["alpha"].append(mask_to_bytes(frame.alpha[0]))
            found["background"].append(to_bytes(person.background(SIZE)))
    stacked = {name: torch.stack(images).numpy() for name, images in found.items()}
    shaped = {name: a.reshape(persons, -1, *a.shape[1:]) for name, a in stacked.items()}
    return shaped | {"first": np.array(first)}


def read_persons(path: str | os.PathLike[str]) -> Arrays:
    """Read what :func:`render_persons` gave and the command kept.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it holds something else, or persons that validate.
    """
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    if set(arrays) != set(ARRAYS):
        raise ValueError(f"data: expected pictures of persons in {os.fspath(path)!r}, got {sorted(arrays)}")
    if int(arrays["first"]) + len(arrays["person"]) > BLOCK:
        raise ValueError(f"data: expected seeds below {BLOCK:,}, which train, got {int(arrays['first']):,} and on")
    return arrays


def compose(
    data: Arrays, who: Int[np.ndarray, " B"], frame: Int[np.ndarray, " B"], behind: Int[np.ndarray, "B 2"]
) -> Float[Tensor, "B 3 64 64"]:
    """Frames before the backgrounds ``behind`` (of which person, of which session), in [-1, 1]."""
    person = torch.from_numpy(data["person"][who, frame]).float()
    alpha = mask_from_bytes(torch.from_numpy(data["alpha"][who, frame])[:, None])
    background = torch.from_numpy(data["background"][behind[:, 0], behind[:, 1]]).float()
    return from_bytes(person.addcmul_(1 - alpha, background))


def draw(data: Arrays, rng: np.random.Generator, count: int) -> tuple[Float[Tensor, "B 3 64 64"], Int[Tensor, " B"]]:
    """Random frames before anybody's background, mirrored, shifted, tinted and blurred at random, and who they show."""
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
    if len(soft):  # as a picture of fewer pixels, enlarged: a renderer's are soft
        small = functional.interpolate(images[soft], (side, side), mode="bilinear", antialias=True)
        images[soft] = functional.interpolate(small, (SIZE, SIZE), mode="bilinear")
    return images, torch.from_numpy(who)


def train(config: IdentityTraining, data: Arrays, minutes: float | None = None) -> tuple[IdentityEmbedding, list[str]]:
    """Cross-entropy of cosine logits over the persons of ``data``; the averaged embedding and its curve as CSV lines.

    With a limit of ``minutes`` the schedule is fitted to it: the rate falls with the share of the time that is gone.

    Raises:
        FloatingPointError: the loss is not finite.
    """
    torch.manual_seed(config.seed)
    persons, first = len(data["person"]), int(data["first"])
    embedding = IdentityEmbedding(IdentityConfig(seeds=(first, first + persons - 1)))
    centres = nn.Parameter(0.1 * torch.randn(persons, embedding.config.features))
    parameters = [*embedding.parameters(), centres]
    optimiser = torch.optim.AdamW(parameters, lr=config.learning_rate, weight_decay=config.weight_decay)
    averaged = {name: value.clone() for name, value in embedding.state_dict().items()}
    begun, lines, losses, step = time.monotonic(), ["step,seconds,loss"], [], 0
    for step in tqdm(range(config.steps), unit="step", leave=False):
        gone = time.monotonic() - begun
        if minutes is not None and gone > 60 * minutes:
            break
        images, who = draw(data, np.random.default_rng([config.seed, step]), config.batch)
        share = step / config.steps if minutes is None else max(step / config.steps, gone / (60 * minutes))
        for group in optimiser.param_groups:
            group["lr"] = config.rate(step) if minutes is None else config.rate(min(step, config.warmup)) * _fall(share)
        embedding.train()
        with torch.autocast("cpu", torch.bfloat16, enabled=config.bf16):
            found = embedding(images.contiguous(memory_format=torch.channels_last))
        cosine = found @ functional.normalize(centres, dim=1).T
        loss = functional.cross_entropy(SCALE * (cosine - MARGIN * functional.one_hot(who, persons)), who)
        losses.append(float(loss.detach()))
        if not math.isfinite(losses[-1]):
            raise FloatingPointError(f"expected a finite loss, got {losses[-1]} at step {step}")
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        decay = min(config.ema, (step + 1) / (step + 11))
        with torch.no_grad():
            for name, value in embedding.state_dict().items():
                if value.is_floating_point():
                    averaged[name].lerp_(value, 1 - decay)
        if step % 50 == 49:
            lines.append(f"{step + 1},{gone:.0f},{np.mean(losses[-50:]):.5g}")
    settings = ", ".join(f"{name} {value}" for name, value in dataclasses.asdict(config).items())
    about = (
        f"{len(losses):,} steps, {(time.monotonic() - begun) / 60:.0f} minutes, persons {first:,} to "
        f"{first + persons - 1:,}, {data['person'].shape[1]} pictures of each in {SESSIONS} lights. "
        f"Settings: {settings}."
    )
    done = IdentityEmbedding(dataclasses.replace(embedding.config, about=about))
    done.load_state_dict(averaged)
    return done.eval(), lines


def _fall(share: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * min(1.0, share)))


def measure(embedding: IdentityEmbedding, data: Arrays) -> dict[str, dict[str, float]]:
    """:func:`verification` of the embedding on ``data``; beside it the pixels themselves, and an untrained network."""
    persons, frames = data["person"].shape[:2]
    who, frame = np.divmod(np.arange(persons * frames), frames)
    session = frame // (frames // SESSIONS)
    images = compose(data, who, frame, np.stack([who, session], 1))
    torch.manual_seed(1)
    small = functional.interpolate(images, (16, 16), mode="bilinear", antialias=True).flatten(1)
    embedded = {
        "embedding": embedding.embed(images),
        "pixels": functional.normalize(small - small.mean(0), dim=1),
        "untrained": IdentityEmbedding(embedding.config).embed(images),
    }
    numbers = torch.from_numpy(who), torch.from_numpy(session)
    return {name: verification(found, *numbers) for name, found in embedded.items()}


def card(found: dict[str, dict[str, float]], persons: int, frames: int) -> str:
    """The table of a card."""
    rows = [
        f"| {n} | {v['auc']:.4f} | {v['top-1']:.3f} | {v['same']:.2f} | {v['other']:.2f} |" for n, v in found.items()
    ]
    return "\n".join([
        f"## Held-out persons (seeds from {HELD_OUT:,}): {persons}, {frames} pictures of each",
        "", "Two pictures that are compared are of different sessions: other light, clothes, background, motion.", "",
        "| | AUC, same or other | top-1 | cosine, same | cosine, other |", "|---|---|---|---|---|", *rows,
    ])  # fmt: skip


def main() -> None:
    """Render what is missing, train, measure on persons that were never seen, and write the weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="file of pictures; rendered first where there is none")
    parser.add_argument("--out", type=Path, required=True, help="folder for weights and curve")
    parser.add_argument("--persons", type=int, default=PERSONS)
    parser.add_argument("--steps", type=int, default=IdentityTraining.steps)
    parser.add_argument("--minutes", type=float, help="stop then; the learning rate falls accordingly")
    parser.add_argument("--bf16", action="store_true", help="multiply in bfloat16")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if not options.data.is_file():
        options.data.parent.mkdir(parents=True, exist_ok=True)
        made = render_persons(FIRST_SEED, options.persons, FRAMES)
        np.savez(options.data, allow_pickle=False, **{name: made[name] for name in ARRAYS})
    config = IdentityTraining(steps=options.steps, bf16=options.bf16)
    embedding, lines = train(config, read_persons(options.data), options.minutes)
    found = measure(embedding, render_persons(HELD_OUT, HELD_PERSONS, HELD_FRAMES))
    text = card(found, HELD_PERSONS, HELD_FRAMES)
    embedding.save_pretrained(options.out / "weights", text)
    write_whole(options.out / "curve.csv", ("\n".join(lines) + "\n").encode())
    print(text)


if __name__ == "__main__":
    main()
