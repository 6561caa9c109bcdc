"""The paper's scores of many frames, as columns: PSNR and SSIM of whole frames, AKD, AED, APD, CSIM, Fréchet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ...sizes import COEFFICIENT_COUNT
from ..scores import face_scores
from ..scores.backbones import Backbones
from ..scores.face_scores import FacesFound, detect_faces, detect_moved
from ..scores.frechet import frechet_distance
from ..scores.metrics import csim, psnr, ssim
from ..scores.motion_scores import MotionEstimate, estimate_motion, landmarks, motion_distances
from .pair_rows import Row

HEADS, FID = "Fréchet distance over head features", "FID"
JUDGED = ("output", "copy", "truth")
Columns = dict[str, Sequence[float]]
T = TypeVar("T")


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

    @property
    def half(self) -> int:
        """How much further on in the list the frame of another driver and of another person stands."""
        return len(self.output) // 2

    def each(self, work: Callable[[str, Tensor], T]) -> dict[str, T]:
        """What ``work`` makes of the output, the copy, the truth, the driving frames and the identity, by name.

        Frames that are the same in two places, as truth and driving frames in self-ID, are worked on once.
        """
        frames = {"output": self.output, "copy": self.others["copy"], "truth": self.truth}
        frames |= {"driving": self.driving, "identity": self.identity}
        results: dict[str, T] = {}
        for name, images in frames.items():
            twin = next((other for other in results if torch.equal(frames[other], images)), None)
            results[name] = work(name, images) if twin is None else results[twin]
        return results


def score_rows(frames: ScoredFrames, backbones: Backbones) -> tuple[list[Row], dict[str, dict[str, float]]]:
    """All scores of N frames.

    Returns:
        A row for each frame: "frame" (PSNR of the whole frame) and "ssim" of "output" and of every baseline; "akd" of
        "output" and "copy"; "aed", "aed_read", "apd_rot", "apd_rt", "pose_distance", "csim" and, with ArcFace,
        "arcface" of these and of "truth". "shuffled" compares the output with a driver half the list further on,
        "stranger" with the person there; "floor" the truth with itself, moved by a pixel. "scorer" compares the
        scorer's estimate of the truth with the exact coefficients. "faceless" is 1 where no face is found, else 0;
        there, "akd", "aed" and "arcface" are NaN. Then the Fréchet distances by name, each of "output", "copy" and
        "half": one half of the truth from the other.
    """
    columns = picture_columns(frames) | motion_columns(frames, backbones)
    faces = frames.each(lambda _, images: detect_faces(images)) if backbones.detects else None
    columns |= face_columns(frames, faces) if faces else {}
    heads = frames.each(lambda _, images: backbones.identity.embed(images, look=False))
    columns |= identity_columns("csim", frames, heads)
    if (arcface := backbones.arcface) is not None and faces:
        embedded = frames.each(lambda name, images: arcface.embed(images, faces[name].points))
        columns |= identity_columns("arcface", frames, embedded, faces)
    rows = [{name: float(values[k]) for name, values in columns.items()} for k in range(len(frames.output))]
    return rows, frechets(frames, heads, backbones)


def picture_columns(frames: ScoredFrames) -> Columns:
    """PSNR and SSIM of the output and of every baseline."""
    columns: Columns = {}
    for name, answers in {"output": frames.output, **frames.others}.items():
        pairs = list(zip(answers, frames.truth, strict=True))
        columns[f"frame {name}"] = [psnr(a, b) for a, b in pairs]
        columns[f"ssim {name}"] = [ssim(a, b) for a, b in pairs]
    return columns


def motion_columns(frames: ScoredFrames, backbones: Backbones) -> Columns:
    """Distances from the driving frames' motion, as the scorer sees both."""
    motions = frames.each(lambda _, images: estimate_motion(backbones.scorer, images))
    driving = motions["driving"]
    columns = {name: motion_distances(motions[name], driving) for name in JUDGED}
    if frames.half:
        other = MotionEstimate(driving.motion.roll(frames.half, 0), driving.points.roll(frames.half, 0))
        columns["shuffled"] = motion_distances(motions["output"], other)
    if frames.exact is not None:
        exact = MotionEstimate(frames.exact[:, :COEFFICIENT_COUNT], landmarks(frames.exact))
        columns["scorer"] = motion_distances(motions["truth"], exact)
    return {f"{score} {name}": values for name, scores in columns.items() for score, values in scores.items()}


def face_columns(frames: ScoredFrames, faces: Mapping[str, FacesFound]) -> Columns:
    """AKD from the true answer, AED from the driving frame, and where no face is found, all by the detector.

    Another person's landmarks lie elsewhere, so that AKD from a driver in cross-ID would measure persons; the true
    answer is known here.
    """
    truth, driving, moved = faces["truth"], faces["driving"], detect_moved(frames.truth)
    columns: Columns = {f"faceless {name}": (~faces[name].found).double().tolist() for name in JUDGED}
    columns |= {f"akd {name}": face_scores.akd(faces[name], truth) for name in ("output", "copy")}
    columns |= {f"aed {name}": face_scores.aed(faces[name], driving) for name in JUDGED}
    columns |= {"akd floor": face_scores.akd(moved, truth), "aed floor": face_scores.aed(moved, truth)}
    if frames.half:
        columns["akd shuffled"] = face_scores.akd(faces["output"], truth.roll(frames.half))
        columns["aed shuffled"] = face_scores.aed(faces["output"], driving.roll(frames.half))
    return columns


def identity_columns(
    label: str,
    frames: ScoredFrames,
    embedded: Mapping[str, Float[Tensor, "N F"]],
    faces: Mapping[str, FacesFound] | None = None,
) -> Columns:
    """CSIM with the person who should be seen, and of the output with another person.

    With ``faces``, by which frames were aligned, it is NaN where one is missing.
    """
    everybody = torch.ones(len(frames.output), dtype=torch.bool)
    found = {name: faces[name].found if faces else everybody for name in embedded}
    identity, known = embedded["identity"], found["identity"]
    columns = {f"{label} {name}": _cosines(embedded[name], identity, found[name] & known) for name in JUDGED}
    if frames.half:
        other, there = identity.roll(frames.half, 0), known.roll(frames.half, 0)
        columns[f"{label} stranger"] = _cosines(embedded["output"], other, found["output"] & there)
    return {name: values.tolist() for name, values in columns.items()}


def _cosines(a: Float[Tensor, "N F"], b: Float[Tensor, "N F"], where: Bool[Tensor, " N"]) -> Float[Tensor, " N"]:
    values = torch.full((len(a),), torch.nan, dtype=torch.float64)
    if bool(where.any()):
        values[where] = torch.tensor(csim(a[where], b[where]), dtype=torch.float64)
    return values


def frechets(frames: ScoredFrames, heads: Mapping[str, Tensor], backbones: Backbones) -> dict[str, dict[str, float]]:
    """The Fréchet distances from the truth over head features and, with an Inception file, FID; none below 4 frames."""
    if len(frames.truth) < 4:
        return {}
    spaces = {HEADS: heads}
    if backbones.inception is not None:
        inception = backbones.inception
        spaces[FID] = frames.each(lambda _, images: inception.embed(images))
    distances = {}
    for label, features in spaces.items():
        truth = features["truth"]
        distances[label] = {name: frechet_distance(features[name], truth) for name in ("output", "copy")}
        distances[label]["half"] = frechet_distance(truth[::2], truth[1::2])
    return distances
