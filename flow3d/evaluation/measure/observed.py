"""A method given what a user has: coefficients that the regressor reads from pixels, and a matte that is found."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ...datasets.pairs import CLIP_FRAMES, driver_of, person_of, two_frames
from ...morphable import talking_head
from ...perception.regressor import SIZE, shipped_regressor
from ...preprocessing.matting import seeded_grabcut
from ...sizes import RADIUS
from ..scores.metrics import psnr
from .method import Method
from .pair_rows import Pairs, Row, regions

NAMES = ("exact", "observed windows", "observed mattes", "observed")


def observed_rows(method: Method, pairs: Pairs, cross: bool, seeds: Sequence[int] | None = None) -> list[Row]:
    """PSNR on the silhouettes' union, for each of ``NAMES``, and of the copy.

    The driver's window is read from the 27 frames around the driving one, the source's from its one picture; the source
    matte is GrabCut's, seeded by what was read. Each is given alone, then both.
    """
    regressor, rows = shipped_regressor(), []
    for seed in pairs if seeds is None else seeds:
        pair = pairs[seed]
        start = regressor.windows(pair.source[None])[0]
        end = _driving_window(seed, cross)
        matte = seeded_grabcut(pair.source, start)
        given = {
            "exact": (pair.source_alpha, pair.source_window, pair.driving_window),
            "observed windows": (pair.source_alpha, start, end),
            "observed mattes": (matte, pair.source_window, pair.driving_window),
            "observed": (matte, start, end),
        }
        where = regions(pair)["union"]
        row = {"copy": psnr(pair.source, pair.target, where)}
        for name, (alpha, window, driving) in given.items():
            row[name] = psnr(method(pair.source, alpha, window, driving[None]).output[0], pair.target, where)
        rows.append(row)
    return rows


def _driving_window(seed: int, cross: bool) -> torch.Tensor:
    """What the regressor reads from the 27 frames around a pair's driving frame, (73, 27)."""
    moves = talking_head(CLIP_FRAMES, driver_of(seed) if cross else seed)
    _, second = two_frames(seed, talking_head(CLIP_FRAMES, seed)["yaw"])
    person = person_of(driver_of(seed) if cross else seed)
    around = [min(max(second + k, 0), CLIP_FRAMES - 1) for k in range(-RADIUS, RADIUS + 1)]
    frames = torch.stack([person.render(moves.frame(k), SIZE).image for k in around])
    return shipped_regressor().predict(frames).values.T
