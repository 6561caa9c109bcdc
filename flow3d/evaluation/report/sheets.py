"""Contact sheets of a report: one row for each pair, every column captioned, every file marked as generated."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ...datasets import Pair
from ...preprocessing.images import from_uint8, mask_to_bytes, write_image
from ..measure.edits import EDITS, reenact_edits, true_edits
from ..measure.method import Method
from ..measure.pair_rows import baselines, reenact_pair

SIDE = 128  # pixels of one picture on a sheet
STRIP = 18  # pixels of the captions
ERROR = 0.5  # of the whole range, where the error map is brightest


def error_map(image: Float[Tensor, "3 S S"], truth: Float[Tensor, "3 S S"]) -> Float[Tensor, "3 S S"]:
    """The mean difference over channels as a picture: black is none, bright ``ERROR`` of the range or more."""
    share = ((image - truth).abs().mean(0) / 2 / ERROR).clamp(0, 1)
    coloured = cv2.applyColorMap(mask_to_bytes(share).numpy(), cv2.COLORMAP_INFERNO)
    return from_uint8(np.ascontiguousarray(coloured[..., ::-1]))


def caption(text: str, width: int) -> Float[Tensor, "3 H W"]:
    """A white strip with a line of text."""
    strip = np.full((STRIP, width, 3), 255, np.uint8)
    cv2.putText(strip, text, (3, STRIP - 5), cv2.FONT_HERSHEY_SIMPLEX, 0.38, (0, 0, 0), 1, cv2.LINE_AA)
    return from_uint8(strip)


def write_sheet(path: Path, names: Sequence[str], rows: Sequence[Sequence[Tensor]], titles: Sequence[str]) -> None:
    """Write a PNG of pictures (3,S,S) under the columns' ``names``; ``titles`` stand above the rows."""
    lines = [torch.cat([caption(name, SIDE) for name in names], 2)]
    for pictures, title in zip(rows, titles, strict=True):
        large = [torch.nn.functional.interpolate(p[None], size=(SIDE, SIDE), mode="nearest")[0] for p in pictures]
        line = torch.cat(large, 2)
        lines += [caption(title, line.shape[2])] if title else []
        lines.append(line)
    write_image(path, torch.cat(lines, 1).clamp(-1, 1), generated=True)


def pair_sheet(path: Path, method: Method, pairs: Sequence[tuple[str, Pair]]) -> None:
    """A row for every titled pair: source, driving frame (cross-ID), exact-flow warp, layers, output, truth, error."""
    names: list[str] = []
    rows = []
    for _, pair in pairs:
        reenacted = reenact_pair(method, pair)
        output = reenacted.output[0]
        pictures = {"source": pair.source} | ({} if pair.driving is pair.target else {"driving": pair.driving})
        pictures["exact-flow warp"] = baselines(pair)["exact-flow warp"]
        pictures |= {name: layer[0] for name, (layer, _) in reenacted.layers.items()}
        pictures |= {"output": output, "truth": pair.target, "error": error_map(output, pair.target)}
        names, rows = list(pictures), [*rows, list(pictures.values())]
    write_sheet(path, names, rows, [title for title, _ in pairs])


def edit_sheet(path: Path, method: Method, seeds: Sequence[int], size: int) -> None:
    """Two rows for each identity, output above truth; columns: the neutral frame, then every edit."""
    rows, titles = [], []
    for seed in seeds:
        edits = true_edits(seed, size)
        rows += [list(reenact_edits(method, edits).output), list(edits.images)]
        titles += [f"seed {seed}: output", f"seed {seed}: truth"]
    write_sheet(path, ["neutral", *EDITS], rows, titles)
