"""The numbers by which trained methods are compared: what each is called, its unit, and which way is better."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

EDITED = ("jaw", "blink", "smile", "brow_up", "gaze_x")  # the edits whose gains are among the scores


@dataclass(frozen=True)
class Score:
    """One number of a trained method.

    Attributes:
        key: what code calls it, for example "cross_flow_error".
        measured_on: the list of pairs, or "edits" for single coefficients.
        name: for a reader, for example "cross flow error".
        unit: of the number; "" for a plain one. "%" is a share: of the zero flow's error, of the true deviation between
            slices, or of pictures.
        better: "higher" or "lower", or None where neither end is better.
        label: what files in ``data/results`` call it; it stays when ``name`` changes.
    """

    key: str
    measured_on: Literal["self", "cross", "wide", "edits"]
    name: str
    unit: str
    better: Literal["higher", "lower"] | None
    label: str

    @property
    def sign(self) -> int:
        """1 where more is better, -1 where less is, 0 where neither is."""
        return {"higher": 1, "lower": -1, None: 0}[self.better]

    @property
    def heading(self) -> str:
        """Name and unit, for a column of a table."""
        return f"{self.name}, {self.unit}" if self.unit else self.name


def _of_pairs(pairs: Literal["self", "cross", "wide"]) -> Iterator[Score]:
    yield Score(f"{pairs}_psnr", pairs, f"{pairs} PSNR", "dB", "higher", f"{pairs}: PSNR over copy, dB")
    name, label = f"{pairs} eyes + mouth", f"{pairs}: eyes and mouth over copy, dB"
    yield Score(f"{pairs}_features", pairs, name, "dB", "higher", label)
    name, label = f"{pairs} flow error", f"{pairs}: flow error, % of zero flow"
    yield Score(f"{pairs}_flow_error", pairs, name, "%", "lower", label)
    # the truth's is 1: blur lowers it, noise raises it
    yield Score(f"{pairs}_sharpness", pairs, f"{pairs} sharpness", "", None, f"{pairs}: sharpness")
    yield Score(f"{pairs}_leak", pairs, f"{pairs} leak", "/255", "lower", f"{pairs}: background leak, /255")


def _of_depth() -> Iterator[Score]:
    name, label = "self 3D slices", "self: deviation between slices, % of the truth's"
    yield Score("self_slices", "self", name, "%", None, label)
    name, label = "self 3D slices, correlation", "self: correlation of slices with the true ones"
    yield Score("self_slices_correlation", "self", name, "", "higher", label)
    name, label = "self dz, correlation", "self: correlation of dz with the true one"
    yield Score("self_dz_correlation", "self", name, "", "higher", label)
    name, label = "self 3D flow error", "self: 3D flow error, % of zero flow"
    yield Score("self_voxel_error", "self", name, "%", "lower", label)


def _of_edit(edit: str) -> Score:
    name = edit.removesuffix("_x").replace("_", " ")
    return Score(f"{edit}_gain", "edits", f"{name} gain", "", "higher", f"{edit}: gain")


SCORES: dict[str, Score] = {
    score.key: score
    for score in (
        *_of_pairs("self"), *_of_depth(), Score("self_spots", "self", "self spots", "%", "lower", "self: spots, %"),
        *_of_pairs("cross"), *_of_pairs("wide"), *map(_of_edit, EDITED),
    )
}  # fmt: skip
_KEYS = {score.label: score.key for score in SCORES.values()}


def to_labels(numbers: Mapping[str, float]) -> dict[str, float]:
    """Numbers by :attr:`Score.key`, as a file keeps them: by :attr:`Score.label`."""
    return {SCORES[key].label: value for key, value in numbers.items()}


def from_labels(numbers: Mapping[str, float]) -> dict[str, float]:
    """The inverse of :func:`to_labels`: numbers by :attr:`Score.key`.

    Raises:
        ValueError: a label that no score has.
    """
    unknown = [label for label in numbers if label not in _KEYS]
    if unknown:
        raise ValueError(f"numbers: expected labels of flow3d.evaluation.scores.catalogue, got {unknown[0]!r}")
    return {_KEYS[label]: value for label, value in numbers.items()}
