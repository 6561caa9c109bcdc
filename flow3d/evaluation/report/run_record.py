"""The parts of every report that say how to read its numbers, and what they depend on."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

import torch

from ...renderer import NETWORKS, FlowRenderer
from ...weights import find_folder
from ..measure.pair_rows import SIGMAS
from ..scores.complexity import multiply_adds, parameters
from ..scores.statistics import RESAMPLES, SEED

NOTES = (
    "PSNR is the mean of the pairs' dB, images in [-1, 1]. The union is where the source's or the target's true matte "
    "is above 0, the same region for every picture. Eyes and mouth are where the *target* shows them; the copy is "
    "judged there too, though its own may lie elsewhere. Layers are laid over the true background, the refined one by "
    "the output's matte, the others by the source's, warped; both warps without a network are given the true matte.",
    "Errors of the flow are distances to the exact one, summed over the pixels of all pairs, over the length of the "
    "exact one, which is the zero flow's error. *Best affine map removed*: fitted on the visible person, off the exact "
    "flow and, separately, off the estimated one, so that 100 % is what any affine flow reaches.",
    "An edit changes one coefficient of a neutral, frontal person in windows of 27 equal frames; *response* |d| / |t| "
    "and *correlation* <d, t> / |d||t| compare how the output changes with how the truth does, pooled over identities.",
    "sd is over pairs, or identities; 95 % is a bootstrap of them. A target counts as reached by the value alone.",
)


def run_settings(renderer: FlowRenderer, weights: str) -> dict[str, Any]:
    """Everything that the numbers depend on: weights, their network, and how intervals are estimated."""
    folder, _ = find_folder(weights)
    digests = {n: hashlib.sha256((folder / f"{n}.safetensors").read_bytes()).hexdigest() for n in NETWORKS}
    work = multiply_adds(renderer.config)
    return {
        "weights": weights, "sha256": digests, "config": dataclasses.asdict(renderer.config),
        "parameters": parameters(renderer.config),
        "multiply-adds in millions": {name: round(count / 1e6, 1) for name, count in work.items()},
        "blurs tried, px": SIGMAS, "bootstrap": {"resamples": RESAMPLES, "seed": SEED, "interval": "95 %, percentiles"},
        "torch": torch.__version__, "threads": 1,
    }  # fmt: skip
