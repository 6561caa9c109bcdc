"""The paper's scores of many frames, as columns: PSNR and SSIM of whole frames, AED, APD, AKD, CSIM, Fréchet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from ...sizes import COEFFICIENT_COUNT
from ..scores.backbones import Backbones
from ..scores.frechet import frechet_distance
from ..scores.metrics import csim, psnr, ssim
from ..scores.motion_scores import Seen, distances, landmarks, look
from .pair_rows import Row

HEADS, FID = "Fréchet distance over head features", "FID"


@dataclass(frozen=True, eq=False)
class Scored:
    """N frames to be scored.

    Attributes:
        output: what was made.
        others: baselines by name, among them "copy", the sources.
        truth: the true answers.
        driving: the frames that drove.
        identity: who should be seen: the target in self-ID, the source in cross-ID.
        exact: the 73 + 80 true coefficients of ``truth``, where they are known.
    """

    output: Float[Tensor, "N 3 S S"]
    others: Mapping[str, Float[Tensor, "N 3 S S"]]
    truth: Float[Tensor, "N 3 S S"]
    driving: Float[Tensor, "N 3 S S"]
    identity: Float[Tensor, "N 3 S S"]
    exact: Float[Tensor, "N 153"] | None = None


def score_rows(frames: Scored, backbones: Backbones) -> tuple[list[Row], dict[str, dict[str, float]]]:
    """All scores of N frames.

    Returns:
        A row of each frame: "frame" (PSNR of the whole frame), "ssim", "aed", "apd_rot", "apd_rt", "akd", "csim" and,
        with ArcFace, "arcface", each of "output", "copy" and, but for the first two, "truth". "shuffled" is the output
        beside a driver half the list further on, "stranger" beside a person from there, and "scorer" the truth beside
        the exact coefficients, the scorer's own error. And the Fréchet distances by name, each of "output", "copy" and
        "half": one half of the truth from the other.
    """
    count = len(frames.output)
    half = count // 2  # how far on the list the other driver and the other person are
    pictures = {"output": frames.output, **frames.others}
    columns: dict[str, list[float]] = {}
    for name, made in pictures.items():
        pairs = list(zip(made, frames.truth, strict=True))
        columns[f"frame {name}"] = [psnr(a, b) for a, b in pairs]
        columns[f"ssim {name}"] = [ssim(a, b) for a, b in pairs]
    asked = {"output": frames.output, "copy": frames.others["copy"], "truth": frames.truth}
    seen = {name: look(backbones.scorer, made) for name, made in asked.items()}
    driving = look(backbones.scorer, frames.driving)
    for name, found in seen.items():
        columns |= _named(distances(found, driving), name)
    if count > 1:
        columns |= _named(
            distances(seen["output"], Seen(driving.motion.roll(half, 0), driving.points.roll(half, 0))), "shuffled"
        )
    if frames.exact is not None:
        exact = Seen(frames.exact[:, :COEFFICIENT_COUNT], landmarks(frames.exact))
        columns |= _named(distances(seen["truth"], exact), "scorer")
    embedders = {"csim": {name: backbones.identity.embed(made) for name, made in asked.items()}}
    embedders["csim"]["identity"] = backbones.identity.embed(frames.identity)
    if backbones.arcface is not None:
        points = {name: found.points for name, found in seen.items()}
        points["identity"] = look(backbones.scorer, frames.identity).points
        whole = asked | {"identity": frames.identity}
        embedders["arcface"] = {name: backbones.arcface.embed(made, points[name]) for name, made in whole.items()}
    for label, found in embedders.items():
        wanted = found["identity"]
        columns |= {f"{label} {name}": csim(found[name], wanted) for name in asked}
        if count > 1:
            columns[f"{label} stranger"] = csim(found["output"], wanted.roll(half, 0))
    rows = [{name: values[k] for name, values in columns.items()} for k in range(count)]
    return rows, frechets(asked, embedders["csim"], backbones)


def _named(found: Mapping[str, list[float]], name: str) -> dict[str, list[float]]:
    return {f"{score} {name}": values for score, values in found.items()}


def frechets(
    asked: Mapping[str, Tensor], embedded: Mapping[str, Tensor], backbones: Backbones
) -> dict[str, dict[str, float]]:
    """The Fréchet distances from the truth over head features and, with an Inception file, FID; none of few frames."""
    if len(embedded["truth"]) < 4:
        return {}
    spaces = {HEADS: dict(embedded)}
    if backbones.inception is not None:
        spaces[FID] = {name: backbones.inception.embed(made) for name, made in asked.items()}
    found = {}
    for label, features in spaces.items():
        truth = features["truth"]
        found[label] = {name: frechet_distance(features[name], truth) for name in ("output", "copy")}
        found[label]["half"] = frechet_distance(truth[::2], truth[1::2])
    return found
