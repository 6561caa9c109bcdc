"""The identity embedding: pictures (B,3,64,64) -> vectors (B,F) of length one, whose cosine is CSIM (heads)."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from ..fields import Configuration, Seed, Width
from ..weights import load_model, save_folder, shipped
from .face import find_faces
from .regressor import check_frames, fit_size

FILE = "embedding"
CARD = """# {name}

An IdentityEmbedding, for scoring alone: a picture of 64 px becomes {features} numbers of length one, whose cosine says
whether two pictures show one procedural head. Trained on procedural heads only: it knows no real person, and must not
be asked about one.

{about}

{text}
"""


@dataclass(frozen=True)
class IdentityConfig(Configuration):
    """What an embedding is made of."""

    name: str = "identity"
    # Channels of the stages. Each stage halves height and width; the last two hold a residual block.
    channels: tuple[Width, Width, Width, Width] = (24, 40, 64, 88)
    features: Width = 64  # length of the embedding
    seeds: tuple[Seed, Seed] | None = None  # first and last person that it was trained on; None before training
    about: str = "Not trained."  # how it was trained, in words


def _normed(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    layer = nn.Conv2d(inputs, outputs, 4 if stride == 2 else 3, stride, padding=1, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs))


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = _normed(channels, channels, 1), _normed(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return (x + self.second(self.first(x).relu())).relu()


class IdentityEmbedding(nn.Module):
    """A small convolutional network: four stages and one linear layer; outputs are scaled to length one.

    Args:
        config: sizes.
    """

    def __init__(self, config: IdentityConfig | None = None) -> None:
        super().__init__()
        self.config = config or IdentityConfig()
        stages, inputs = [], 3
        for number, channels in enumerate(self.config.channels):
            stages += [_normed(inputs, channels, 2), nn.ReLU()]
            if number > 1:
                stages.append(_Residual(channels))
            inputs = channels
        self.stages = nn.Sequential(*stages)
        self.last = nn.Linear(inputs * 4 * 4, self.config.features)

    @classmethod
    def from_pretrained(cls, name_or_folder: str | os.PathLike[str] | None = None) -> IdentityEmbedding:
        """Load an embedding that :meth:`save_pretrained` wrote; None is the one that the package ships.

        Raises:
            FileNotFoundError: no such folder or name, or a file of it is missing.
            ValueError: a file is damaged, or does not fit the configuration beside it.
        """
        return load_model(
            shipped("identity") if name_or_folder is None else name_or_folder,
            lambda text: cls(IdentityConfig.from_json(text)),
            lambda embedding: {FILE: embedding},
            lambda embedding: embedding.config.name,
        )

    def save_pretrained(self, folder: str | os.PathLike[str], card: str = "") -> Path:
        """Write config.json, embedding.safetensors and a card."""
        config = self.config
        text = CARD.format(name=config.name, features=config.features, about=config.about, text=card)
        return save_folder(folder, {FILE: self}, config.to_json(), text)

    def forward(self, images: Float[Tensor, "B 3 64 64"]) -> Float[Tensor, "B F"]:
        """Return the embeddings, each of length one."""
        return functional.normalize(self.last(self.stages(images).flatten(1)).float(), dim=1)

    @torch.no_grad()
    def embed(self, frames: Float[Tensor, "N 3 H W"], batch: int = 64, *, look: bool = True) -> Float[Tensor, "N F"]:
        """The embeddings of whole pictures in [-1, 1], square, of 16 px or more; resized to 64 px inside.

        Args:
            frames: the pictures.
            batch: pictures that are computed together.
            look: warn of pictures in which no face is found: an embedding of nobody resembles any other such.

        Raises:
            TypeError: no floating-point tensor.
            ValueError: another shape, no frame, NaN, or values outside of [-1, 1].

        Warns:
            UserWarning: with ``look``, of pictures without a face, or if the face detector's files are missing.
        """
        check_frames(frames)
        if look:
            _warn_of_nobody(frames)
        trained = self.training
        self.eval()
        try:
            return torch.cat([self(fit_size(chunk.float())) for chunk in frames.split(batch)])
        finally:
            self.train(trained)


def _warn_of_nobody(frames: Float[Tensor, "N 3 H W"]) -> None:
    try:
        empty = [number for number, frame in enumerate(frames) if not find_faces(frame)]
    except FileNotFoundError as error:
        warnings.warn(f"frames: not searched for faces: {error}", stacklevel=3)
        return
    if empty:
        which = f"number {', '.join(map(str, empty[:5]))}{' and others' if len(empty) > 5 else ''}"
        told = f"frames: no face was found in {len(empty)} of {len(frames)} ({which}); their embeddings say nothing"
        warnings.warn(told, stacklevel=3)


def verification(
    embeddings: Float[Tensor, "N F"], who: Int[Tensor, " N"], session: Int[Tensor, " N"]
) -> dict[str, float]:
    """How well cosines tell persons apart, over pairs of pictures of different sessions (light, clothes, background).

    Returns:
        "auc": how often a pair of one person has a higher cosine than a pair of two persons, ties count half;
        "top-1": the share of pictures whose nearest picture of another session shows the same person;
        "same", "other": mean cosines.

    Raises:
        ValueError: no two pictures of one person in two sessions, or only one person.
    """
    cosine = (embeddings @ embeddings.T).double()
    apart, same = session[:, None] != session[None], who[:, None] == who[None]
    upper = torch.ones_like(same).triu(1)
    mine, others = cosine[apart & same & upper], cosine[apart & ~same & upper]
    if not len(mine) or not len(others):
        raise ValueError("who: expected two persons or more, and two sessions of each")
    order = others.sort().values
    below, up_to = (torch.searchsorted(order, mine, right=right).double() for right in (False, True))
    nearest = cosine.masked_fill(~apart, -2.0).argmax(1)
    return {
        "auc": float(((below + up_to) / 2 / len(order)).mean()),
        "top-1": float((who[nearest] == who).double().mean()),
        "same": float(mine.mean()),
        "other": float(others.mean()),
    }
