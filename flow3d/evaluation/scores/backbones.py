"""The networks behind the scores, each with its sha256. One that no user's file gives is absent, with the reason."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import PurePath

from ...model_files import known, read
from ...perception import CoefficientRegressor
from ...perception.identity import IdentityEmbedding
from ...weights import shipped
from .supplied_networks import ArcFace, Inception, digest

Path = str | os.PathLike[str]
DETECTOR = tuple(f"face/face_{part}.tflite" for part in ("detector", "landmarks_detector", "blendshapes"))


@dataclass(frozen=True, eq=False)
class Backbones:
    """The networks that score frames.

    Attributes:
        scorer: the regressor for APD, pose distance and AED (scorer); no renderer is trained with it.
        identity: the embedding of "CSIM (heads)" and of the Fréchet distance over head features.
        detects: whether the files of the face detector are there, for AKD, AED and CSIM (ArcFace).
        arcface, inception: from the user's files, where these were given and work.
        used: the sha256 of every network by name.
        absent: by score, why it is not measured although the paper has it or the user asked for it.
    """

    scorer: CoefficientRegressor
    identity: IdentityEmbedding
    detects: bool = True
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
    absent, supplied = {}, {}
    try:
        used |= {PurePath(place).stem: sha256(read(known(place))).hexdigest() for place in DETECTOR}
    except FileNotFoundError as error:
        absent["AKD, AED (detected)"] = absent["CSIM (ArcFace)"] = str(error)
    detects = not absent
    kinds = {"CSIM (ArcFace)": ("arcface", arcface, ArcFace), "FID": ("inception", inception, Inception)}
    for score, (option, path, kind) in kinds.items():
        if path is None:
            absent[score] = f"no file was given by --{option}"
        elif score not in absent:
            try:
                supplied[option] = kind(path)
                used[option] = supplied[option].sha256
            except (OSError, ValueError) as error:
                absent[score] = str(error)
    return Backbones(scorer, identity, detects, supplied.get("arcface"), supplied.get("inception"), used, absent)
