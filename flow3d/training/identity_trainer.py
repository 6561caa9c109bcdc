"""Training the embedding of identities.

``python -m flow3d.training.identity_trainer --data runs/persons.npz --out runs/identity``
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from ..fields import Batch, Configuration, Count, Positive, Seed, Share, Weight, Whole
from ..files import claim, write_whole
from ..perception.identity import IdentityConfig, IdentityEmbedding, verification
from .identity_data import SESSIONS, Arrays, compose, draw, read_persons, render_persons, write_persons
from .loop import AveragedWeights, Loop, half_cosine, warmed_up

FIRST_SEED, PERSONS, FRAMES = 300_000, 400, 18
HELD_OUT, HELD_PERSONS, HELD_FRAMES = 1_000_000, 100, 6
SCALE, MARGIN = 20.0, 0.1  # of the cosine logits


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
        return warmed_up(step, self.warmup) * self.learning_rate * half_cosine(step / self.steps)


def train(config: IdentityTraining, data: Arrays, minutes: float | None = None) -> tuple[IdentityEmbedding, list[str]]:
    """Train with the cross-entropy of cosine logits over the persons of ``data``.

    With a limit of ``minutes`` the schedule is fitted to it: the rate falls with the share of the time that has passed.

    Returns:
        The embedding with the averaged weights, and its curve as CSV lines.

    Raises:
        FloatingPointError: the loss is not finite.
        KeyboardInterrupt: Ctrl-C; nothing is saved.
    """
    torch.manual_seed(config.seed)
    persons, first = len(data["person"]), int(data["first"])
    embedding = IdentityEmbedding(IdentityConfig(seeds=(first, first + persons - 1)))
    centres = nn.Parameter(0.1 * torch.randn(persons, embedding.config.features))
    parameters = [*embedding.parameters(), centres]
    optimiser = torch.optim.AdamW(parameters, lr=config.learning_rate, weight_decay=config.weight_decay)
    averaged = AveragedWeights(embedding.state_dict(), config.ema)
    lines, losses = ["step,seconds,loss"], []
    with Loop(config.steps, minutes=minutes) as loop:
        for step in loop:
            seconds = loop.seconds
            for group in optimiser.param_groups:
                group["lr"] = _rate(config, step, seconds, minutes)
            images, who = draw(data, np.random.default_rng([config.seed, step]), config.batch)
            loss = _loss(embedding, centres, images, who, config.bf16)
            losses.append(float(loss.detach()))
            if not math.isfinite(losses[-1]):
                raise FloatingPointError(f"expected a finite loss, got {losses[-1]} at step {step}")
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            averaged.update(embedding.state_dict(), step + 1)
            if step % 50 == 49:
                lines.append(f"{step + 1},{seconds:.0f},{np.mean(losses[-50:]):.5g}")
    if loop.outcome == "interrupted":
        raise KeyboardInterrupt
    settings = ", ".join(f"{name} {value}" for name, value in dataclasses.asdict(config).items())
    about = (
        f"{len(losses):,} steps, {loop.seconds / 60:.0f} minutes, persons {first:,} to "
        f"{first + persons - 1:,}, {data['person'].shape[1]} pictures of each in {SESSIONS} lights. "
        f"Settings: {settings}."
    )
    trained = IdentityEmbedding(dataclasses.replace(embedding.config, about=about))
    trained.load_state_dict(averaged.state)
    return trained.eval(), lines


def _rate(config: IdentityTraining, step: int, seconds: float, minutes: float | None) -> float:
    if minutes is None:
        return config.rate(step)
    share = max(step / config.steps, seconds / (60 * minutes))
    return config.rate(min(step, config.warmup)) * half_cosine(share)


def _loss(embedding: IdentityEmbedding, centres: Tensor, images: Tensor, who: Tensor, bf16: bool) -> Float[Tensor, ""]:
    """Cross-entropy of the cosines to each person's centre, with a margin for the true one."""
    embedding.train()
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        vectors = embedding(images.contiguous(memory_format=torch.channels_last))
    cosine = vectors @ functional.normalize(centres, dim=1).T
    return functional.cross_entropy(SCALE * (cosine - MARGIN * functional.one_hot(who, len(centres))), who)


def measure(embedding: IdentityEmbedding, data: Arrays) -> dict[str, dict[str, float]]:
    """:func:`verification` of the embedding on ``data``; to compare, also of plain pixels and an untrained network."""
    persons, frames = data["person"].shape[:2]
    who, frame = np.divmod(np.arange(persons * frames), frames)
    session = frame // (frames // SESSIONS)
    images = compose(data, who, frame, np.stack([who, session], 1))
    torch.manual_seed(1)
    small = functional.interpolate(images, (16, 16), mode="bilinear", antialias=True).flatten(1)
    embedded = {
        "embedding": embedding.embed(images, look=False),
        "pixels": functional.normalize(small - small.mean(0), dim=1),
        "untrained": IdentityEmbedding(embedding.config).embed(images, look=False),
    }
    numbers = torch.from_numpy(who), torch.from_numpy(session)
    return {name: verification(vectors, *numbers) for name, vectors in embedded.items()}


def card(measured: dict[str, dict[str, float]], persons: int, frames: int) -> str:
    """The table of a card."""
    rows = [
        f"| {n} | {v['auc']:.4f} | {v['top-1']:.3f} | {v['same']:.2f} | {v['other']:.2f} |" for n, v in measured.items()
    ]
    return "\n".join([
        f"## Held-out persons (seeds from {HELD_OUT:,}): {persons}, {frames} pictures of each",
        "", "The pictures of a pair are of different sessions: other light, clothes, background and motion.", "",
        "| | AUC, same or other | top-1 | cosine, same | cosine, other |", "|---|---|---|---|---|", *rows,
    ])  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Render the pictures if they are missing, train, measure on held-out persons, and write the weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="file of pictures; rendered first if missing")
    parser.add_argument("--out", type=Path, required=True, help="folder for weights and curve")
    parser.add_argument("--persons", type=int, default=PERSONS)
    parser.add_argument("--steps", type=int, default=IdentityTraining.steps)
    parser.add_argument("--minutes", type=float, help="stop after this time; the learning rate falls with it")
    parser.add_argument("--bf16", action="store_true", help="multiply in bfloat16")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    try:
        config = IdentityTraining(steps=options.steps, bf16=options.bf16)
        with claim(options.out):
            print(_train_and_measure(config, options))
    except KeyboardInterrupt:
        return 130
    except (ValueError, OSError) as error:
        dashes = "--" if str(error).partition(":")[0] in vars(options) else ""
        print(f"error: {dashes}{error}", file=sys.stderr)
        return 2
    return 0


def _train_and_measure(config: IdentityTraining, options: argparse.Namespace) -> str:
    if not options.data.is_file():
        options.data.parent.mkdir(parents=True, exist_ok=True)
        write_persons(options.data, render_persons(FIRST_SEED, options.persons, FRAMES))
    embedding, lines = train(config, read_persons(options.data), options.minutes)
    measured = measure(embedding, render_persons(HELD_OUT, HELD_PERSONS, HELD_FRAMES))
    text = card(measured, HELD_PERSONS, HELD_FRAMES)
    embedding.save_pretrained(options.out / "weights", text)
    write_whole(options.out / "curve.csv", ("\n".join(lines) + "\n").encode())
    return text


if __name__ == "__main__":
    sys.exit(main())
