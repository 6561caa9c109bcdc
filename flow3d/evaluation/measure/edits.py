"""One coefficient changed at a time: how the output changes, compared with how the truth does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ...datasets.pairs import person_of
from ...morphable import Coefficients, exact_flow
from ...sizes import WINDOW
from ..scores.metrics import response, warp_image
from ..scores.statistics import Estimate, Rows, estimate
from .method import Method, Reenacted, on_background
from .pair_rows import labelled


@dataclass(frozen=True)
class Edit:
    """The coefficients that an edit sets, all others staying neutral, and the parts of the face that are measured.

    No parts means the whole person. ``response`` and ``correlation`` are the project's targets.
    """

    values: Mapping[str, float]
    parts: tuple[str, ...] = ()
    response: float | None = None
    correlation: float | None = None


EDITS: dict[str, Edit] = {
    "jaw": Edit({"jaw_open": 1.0}, ("mouth",), 0.7, 0.65),
    "blink": Edit({"blink_right": 1.0, "blink_left": 1.0}, ("eyes",), 0.7, 0.65),
    "smile": Edit({"smile": 1.1}, ("mouth",), 0.7, 0.65),
    "brow_up": Edit({"brow_up": 1.0}, ("brows",), 0.4, 0.4),
    "gaze_x": Edit({"gaze_x": 0.9}, ("eyes",), 0.4, 0.4),
    "pucker": Edit({"pucker": 0.9}, ("mouth",)),
    "yaw +30": Edit({"yaw": 0.52}, (), 0.8, 0.8),
    "yaw -30": Edit({"yaw": -0.52}, (), 0.8, 0.8),
    "pitch": Edit({"pitch": 0.25}, (), 0.8, 0.8),
}
OUTPUT, FLOW_ALONE, EXACT = "output", "warped pixels", "exact-flow warp"  # the pictures that are measured
Sums = dict[str, list[tuple[float, float, float]]]  # by edit: the triples of metrics.response, one per identity


def edit_coefficients() -> Coefficients:
    """The neutral, frontal frame, and one frame for every edit."""
    neutral = Coefficients.neutral()
    return Coefficients(torch.cat([neutral.values, *(neutral.replace(**e.values).values for e in EDITS.values())]))


@dataclass(frozen=True, eq=False)
class TrueEdits:
    """One identity's E true frames in front of ``background``: the neutral one, then every edit.

    ``warps`` are the neutral frame, warped to each frame by the exact flow, with the true matte and background.
    """

    images: Float[Tensor, "E 3 S S"]
    labels: Int[Tensor, "E 1 S S"]
    alphas: Float[Tensor, "E 1 S S"]
    warps: Float[Tensor, "E 3 S S"]
    background: Float[Tensor, "3 S S"]

    def region(self, number: int) -> Tensor:
        """Pixels (S,S) where edit ``number`` (from 1) is measured: its parts, in the neutral or the edited frame."""
        parts = list(EDITS.values())[number - 1].parts
        if not parts:
            return (self.alphas[0, 0] > 0) | (self.alphas[number, 0] > 0)
        return labelled(self.labels[0], parts) | labelled(self.labels[number], parts)


@lru_cache(maxsize=32)
def true_edits(seed: int, size: int) -> TrueEdits:
    """Render the person of a seed. The last few are cached, since several methods are measured on them."""
    person = person_of(seed)
    frames, background = [person.render(row, size) for row in edit_coefficients().values], person.background(size)
    images, labels, alphas = (torch.stack([getattr(f, name) for f in frames]) for name in ("image", "labels", "alpha"))
    warps = torch.stack([warp_image(images[0], exact_flow(frame, frames[0])[0]) for frame in frames])
    return TrueEdits(images, labels, alphas, alphas * warps + (1 - alphas) * background, background)


def reenact_edits(method: Method, edits: TrueEdits) -> Reenacted:
    """The method's frames for a neutral source, driven by windows of 27 equal frames: neutral, then every edit."""
    windows = edit_coefficients().values[:, :, None].repeat(1, 1, WINDOW)
    return method(edits.images[0], edits.alphas[0], windows[0], windows)


def measure_edits(method: Method, seeds: Sequence[int], size: int) -> dict[str, Sums]:
    """Drive the person of every seed from neutral to every edit, and compare each change with the true one.

    The sums are those of the ``OUTPUT``, of ``FLOW_ALONE`` where the method has that layer, and of the baseline, the
    ``EXACT`` warp.
    """
    sums_of: dict[str, Sums] = {}
    for seed in seeds:
        edits = true_edits(seed, size)
        reenacted = reenact_edits(method, edits)
        pictures = {OUTPUT: reenacted.output, EXACT: edits.warps}
        if FLOW_ALONE in reenacted.layers:
            layer, matte = reenacted.layers[FLOW_ALONE]
            pictures[FLOW_ALONE] = on_background(layer, matte, edits.background)
        for what, frames in pictures.items():
            sums = sums_of.setdefault(what, {name: [] for name in EDITS})
            for number, name in enumerate(EDITS, 1):
                change, truth = frames[number] - frames[0], edits.images[number] - edits.images[0]
                sums[name].append(response(change, truth, edits.region(number)))
    return sums_of


def summarise(sums: Sequence[tuple[float, float, float]]) -> dict[str, Estimate]:
    """Response, correlation and gain, pooled over identities, of the change d and the true change t.

    "response" |d| / |t| is the strength of the change, "correlation" <d, t> / |d||t| its likeness to the true one.
    "gain" <d, t> / <t, t> is the product of both; 1 is right.
    """
    kinds: dict[str, Callable[[Rows], Rows]] = {
        "response": lambda s: np.sqrt(s[..., 0] / s[..., 1]),
        "correlation": lambda s: np.where(s[..., 0] > 0, s[..., 2] / np.sqrt(s[..., 0] * s[..., 1]), 0.0),
        "gain": lambda s: s[..., 2] / s[..., 1],
    }
    return {name: estimate(sums, kind) for name, kind in kinds.items()}
