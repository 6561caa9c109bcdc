"""The networks that judge, each with its sha256; what a user's file did not give is absent, with the reason."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from ...perception import CoefficientRegressor
from ...perception.identity import IdentityEmbedding
from ...weights import shipped
from .supplied_networks import ArcFace, Inception, digest

Path = str | os.PathLike[str]


@dataclass(frozen=True, eq=False)
class Backbones:
    """What scores.

    Attributes:
        scorer: the regressor for AED, APD and AKD; another one than any renderer is trained with.
        identity: the embedding of "CSIM (heads)" and of the Fréchet distance over head features.
        arcface, inception: of a user's files, where they were given and work.
        used: the sha256 of every network by name.
        absent: why a score that was asked for, or that the paper has, is not there.
    """

    scorer: CoefficientRegressor
    identity: IdentityEmbedding
    arcface: ArcFace | None = None
    inception: Inception | None = None
    used: dict[str, str] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)


def load_backbones(arcface: Path | None = None, inception: Path | None = None) -> Backbones:
    """Load the shipped scorer and embedding, and a user's networks where a file is given.

    Raises:
        FileNotFoundError: the shipped weights are missing.
        ValueError: they are damaged.
    """
    scorer, identity = CoefficientRegressor.from_pretrained(shipped("scorer")), IdentityEmbedding.from_pretrained()
    used = {
        "scorer": digest(shipped("scorer") / "regressor.safetensors"),
        "heads": digest(shipped("identity") / "embedding.safetensors"),
    }
    kinds = {"CSIM (ArcFace)": ("arcface", arcface, ArcFace), "FID": ("inception", inception, Inception)}
    absent, supplied = {}, {}
    for score, (option, path, kind) in kinds.items():
        if path is None:
            absent[score] = f"no file was given by --{option}"
            continue
        try:
            supplied[option] = kind(path)
            used[option] = supplied[option].sha256
        except (OSError, ValueError) as error:
            absent[score] = str(error)
    return Backbones(scorer, identity, supplied.get("arcface"), supplied.get("inception"), used, absent)
