"""Scores that need a known truth: errors on parts that the source hides, errors in the filled hole, and jitter."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ...datasets import Pair
from ...datasets.pairs import CLIP_FRAMES, person_of
from ...morphable import talking_head
from ...preprocessing.images import from_uint8, to_uint8
from ..pairs.pair_files import ListedPair
from ..scores.metrics import psnr
from .method import Method
from .pair_rows import FEWEST, Region, Row, baselines

INSIDE = 0.99  # least matte inside a person: soft edges would count as hidden
JITTER_PAIRS, JITTER_FRAMES = 16, 7  # the first pairs of a list, and consecutive frames around the driving one


def hidden_regions(pair: Pair) -> dict[str, Region]:
    """The target's person where the source shows the point too ("shown") and where not ("hidden"); and the "hole":
    background that the target shows and the source's person covers."""
    person, seen = pair.target_alpha[0] > INSIDE, pair.visible[0] > 0.5
    return {
        "shown": person & seen,
        "hidden": person & ~seen,
        "hole": (pair.source_alpha[0] > 0.5) & (pair.target_alpha[0] <= 0),
    }


def truth_row(output: Float[Tensor, "3 S S"], pair: Pair) -> Row:
    """PSNR in dB on the three regions of :func:`hidden_regions`; NaN where a region has fewer than 8 pixels.

    The copy and the exact-flow warp are measured too; in the hole, the copy and OpenCV's inpainting of the source. The
    hole's truth is the complete background.
    """
    areas, warps = hidden_regions(pair), baselines(pair)
    pictures = {"output": output, "copy": pair.source, "exact-flow warp": warps["exact-flow warp"]}
    row = {}
    for area, where in areas.items():
        truth, compared = pair.target, pictures
        if area == "hole":
            truth, compared = pair.background, {"output": output, "copy": pair.source, "OpenCV": opencv_filled(pair)}
        for name, picture in compared.items():
            row[f"{area} {name}"] = psnr(picture, truth, where) if int(where.sum()) >= FEWEST else float("nan")
    return row


def opencv_filled(pair: Pair) -> Float[Tensor, "3 S S"]:
    """The source without its person; OpenCV fills the gap from its surroundings (Telea, 2004)."""
    person = cv2.dilate((pair.source_alpha[0] > 0).byte().numpy(), np.ones((3, 3), np.uint8))
    return from_uint8(cv2.inpaint(np.ascontiguousarray(to_uint8(pair.source)), person, 3, cv2.INPAINT_TELEA))


def bend(frames: Float[Tensor, "N 3 S S"], where: Region | None = None) -> float:
    """Mean |d²x| / 2 of a clip, with d²x = x[t + 1] - 2 x[t] + x[t - 1], over N - 2 frames, channels and ``where``.

    Raises:
        ValueError: fewer than three frames.
    """
    if len(frames) < 3:
        raise ValueError(f"frames: expected a clip of 3 frames or more, got {len(frames)}")
    second = (frames[2:] - 2 * frames[1:-1] + frames[:-2]).abs() / 2
    return float((second if where is None else second[..., where]).mean())


def jitter(frames: Float[Tensor, "N 3 S S"], truth: Float[Tensor, "N 3 S S"], where: Region | None = None) -> float:
    """:func:`bend` of the error ``frames`` - ``truth``: flicker that the truth does not have, in units of the range.

    0 for the truth, and for an error that changes evenly over time. A still picture has the truth's own bend, so a
    method that moves texture inexactly can be above it. A clip that only moves too much shows in the ratio of bends.

    Raises:
        ValueError: two different shapes, or fewer than three frames.
    """
    if frames.shape != truth.shape:
        raise ValueError(f"frames: expected the shape {tuple(truth.shape)} of the truth, got {tuple(frames.shape)}")
    return bend(frames - truth, where)


def jitter_numbers(
    frames: Float[Tensor, "N 3 S S"], truth: Float[Tensor, "N 3 S S"], where: Region | None = None
) -> Row:
    """Jitter of the frames, jitter of a still picture (the truth's own bend), and the frames' bend."""
    still = bend(truth, where)
    return {"jitter output": jitter(frames, truth, where), "jitter still": still, "bend output": bend(frames, where)}


def jitter_row(method: Method, listed: ListedPair, pair: Pair) -> Row:
    """:func:`jitter` of the output and of a still picture over consecutive frames around the driving one, at all pixels
    that the person covers in any of them."""
    person = person_of(listed.seed)
    moves = talking_head(CLIP_FRAMES, listed.driver)
    first = min(max(listed.driving_frame - JITTER_FRAMES // 2, 0), CLIP_FRAMES - JITTER_FRAMES)
    numbers = range(first, first + JITTER_FRAMES)
    size = pair.source.shape[-1]
    true_frames = [person.render(moves.frame(k), size) for k in numbers]
    truth = torch.stack([frame.image for frame in true_frames])
    where = torch.stack([frame.alpha[0] for frame in true_frames]).amax(0) > 0
    output = method(pair.source, pair.source_alpha, pair.source_window, moves.windows()[list(numbers)]).output
    return jitter_numbers(output, truth, where)
