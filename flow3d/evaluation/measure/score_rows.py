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
from ..scores.motion_scores import MotionEstimate, estimate_motion, landmarks, motion_distances
from .pair_rows import Row

HEADS, FID = "Fréchet distance over head features", "FID"


@dataclass(frozen=True, eq=False)
class ScoredFrames:
    """N frames to be scored.

    Attributes:
        output: the frames that a method made.
        others: baselines by name, among them "copy", the sources.
        truth: the true answers.
        driving: the driving frames.
        identity: frames of the person who should be seen: the target in self-ID, the source in cross-ID.
        exact: the 73 + 80 true coefficients of ``truth``, where they are known.
    """

    output: Float[Tensor, "N 3 S S"]
    others: Mapping[str, Float[Tensor, "N 3 S S"]]
    truth: Float[Tensor, "N 3 S S"]
    driving: Float[Tensor, "N 3 S S"]
    identity: Float[Tensor, "N 3 S S"]
    exact: Float[Tensor, "N 153"] | None = None


def score_rows(frames: ScoredFrames, backbones: Backbones) -> tuple[list[Row], dict[str, dict[str, float]]]:
    """All scores of N frames.

    Returns:
        A row for each frame: "frame" (PSNR of the whole frame), "ssim", "aed", "apd_rot", "apd_rt", "akd", "csim" and,
        with ArcFace, "arcface", each of "output" and "copy", and all but the first two of "truth". "shuffled" compares
        the output with a driver half the list further on, "stranger" with the person there. "scorer" compares the
        scorer's estimate of the truth with the exact coefficients. Then the Fréchet distances by name, each of
        "output", "copy" and "half": one half of the truth from the other.
    """
    count = len(frames.output)
    half = count // 2  # the other driver and the other person stand this much further on in the list
    pictures = {"output": frames.output, **frames.others}
    columns: dict[str, list[float]] = {}
    for name, answers in pictures.items():
        pairs = list(zip(answers, frames.truth, strict=True))
        columns[f"frame {name}"] = [psnr(a, b) for a, b in pairs]
        columns[f"ssim {name}"] = [ssim(a, b) for a, b in pairs]
    judged = {"output": frames.output, "copy": frames.others["copy"], "truth": frames.truth}
    motions = {name: estimate_motion(backbones.scorer, images) for name, images in judged.items()}
    driving = estimate_motion(backbones.scorer, frames.driving)
    for name, motion in motions.items():
        columns |= _named(motion_distances(motion, driving), name)
    if count > 1:
        other = MotionEstimate(driving.motion.roll(half, 0), driving.points.roll(half, 0))
        columns |= _named(motion_distances(motions["output"], other), "shuffled")
    if frames.exact is not None:
        exact = MotionEstimate(frames.exact[:, :COEFFICIENT_COUNT], landmarks(frames.exact))
        columns |= _named(motion_distances(motions["truth"], exact), "scorer")
    embedders = {"csim": {name: backbones.identity.embed(images) for name, images in judged.items()}}
    embedders["csim"]["identity"] = backbones.identity.embed(frames.identity)
    if backbones.arcface is not None:
        points = {name: motion.points for name, motion in motions.items()}
        points["identity"] = estimate_motion(backbones.scorer, frames.identity).points
        everybody = judged | {"identity": frames.identity}
        embedders["arcface"] = {
            name: backbones.arcface.embed(images, points[name]) for name, images in everybody.items()
        }
    for label, embedded in embedders.items():
        identity = embedded["identity"]
        columns |= {f"{label} {name}": csim(embedded[name], identity) for name in judged}
        if count > 1:
            columns[f"{label} stranger"] = csim(embedded["output"], identity.roll(half, 0))
    rows = [{name: values[k] for name, values in columns.items()} for k in range(count)]
    return rows, frechets(judged, embedders["csim"], backbones)


def _named(scores: Mapping[str, list[float]], name: str) -> dict[str, list[float]]:
    return {f"{score} {name}": values for score, values in scores.items()}


def frechets(
    judged: Mapping[str, Tensor], embedded: Mapping[str, Tensor], backbones: Backbones
) -> dict[str, dict[str, float]]:
    """The Fréchet distances from the truth over head features and, with an Inception file, FID; none below 4 frames."""
    if len(embedded["truth"]) < 4:
        return {}
    spaces = {HEADS: dict(embedded)}
    if backbones.inception is not None:
        spaces[FID] = {name: backbones.inception.embed(images) for name, images in judged.items()}
    distances = {}
    for label, features in spaces.items():
        truth = features["truth"]
        distances[label] = {name: frechet_distance(features[name], truth) for name in ("output", "copy")}
        distances[label]["half"] = frechet_distance(truth[::2], truth[1::2])
    return distances
