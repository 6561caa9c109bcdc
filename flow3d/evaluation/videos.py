"""Measures a folder of your videos: ``python -m flow3d evaluate --weights tiny --videos FOLDER --out runs/mine``.

Self-ID in each clip: the first frame is the source, all others drive and are the true answers.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..datasets.video_files import Videos, read_videos
from ..files import write_whole
from ..perception.regressor import shipped_regressor
from ..renderer import FlowRenderer
from ..threads import one_thread
from .measure.pair_rows import Row
from .measure.score_rows import ScoredFrames, score_rows
from .measure.truth_rows import jitter_numbers
from .report.run_record import run_settings
from .report.score_tables import NOTES, absent_note, score_table, truth_table
from .report.write import as_csv, write_report
from .scores.backbones import Backbones, load_backbones

ABOUT = (
    "Self-ID in each clip: its first frame is the source, all others drive and are the true answers. Coefficients come "
    "from the shipped regressor, mattes from GrabCut, seeded by the mean head. Every number is the mean of the clips' "
    "means, spreads are over clips; *another driver* is a frame half of all frames further on. Errors of the matte are "
    "in every number: on six drawn clips of 64 px it was wrong on 0 to 12 % of the pixels and cost 0 to 0.9 dB. AKD, "
    "AED (detected) and the alignment of faces for ArcFace are by a detector that knows people too."
)
WARNING = (
    "The renderer's weights, the regressor, the scorer and the embedding know drawn heads only: on videos of people "
    "their output, and what they say of it, is not expected to mean anything. Use a video only with the consent of the "
    "person whom it shows."
)
ABSENT = {
    "errors of the flow": "no exact flow is known",
    "PSNR by regions, hidden parts, the hole, what is left of the background": "neither mattes nor a complete "
    "background are known",
    "answers to single coefficients": "a video has no isolated edits",
    "the scorer's own error": "no exact coefficients are known",
}
Clips = Mapping[str, Float[Tensor, "N 3 S S"]]


def find_videos(folder: str | os.PathLike[str], size: int) -> Videos:
    """The usable clips of a folder.

    Raises:
        OSError: no such folder, or it cannot be read.
        ValueError: it holds no video, or none that can be used; each is named with its reason.
    """
    videos = read_videos(folder, size)
    if not videos.clips:
        raise ValueError(f"folder: expected one clip that can be used, got none: {reasons(videos.skipped)}")
    return videos


def reasons(skipped: Mapping[str, str]) -> str:
    """Every skipped video with its reason, in one line."""
    return "; ".join(f"{name} ({why.removeprefix('path: ')})" for name, why in skipped.items())


@torch.no_grad()
def measure_clips(
    renderer: FlowRenderer, clips: Clips, backbones: Backbones
) -> tuple[dict[str, dict[int, Row]], dict[str, dict[str, float]]]:
    """A row for every frame but the first, by clip and number, and the Fréchet distances of all frames.

    Every row of a clip repeats the clip's jitter; a clip of fewer than four frames has none.
    """
    generated = {}
    for name, frames in clips.items():
        windows = shipped_regressor().windows(frames)
        generated[name] = torch.stack(list(renderer.reenact(frames[0], windows[1:], source_window=windows[0])))
    truth = torch.cat([frames[1:] for frames in clips.values()])
    still = torch.cat([frames[:1].expand(len(frames) - 1, -1, -1, -1) for frames in clips.values()])
    scored = ScoredFrames(torch.cat(list(generated.values())), {"copy": still}, truth, driving=truth, identity=truth)
    flat, frechet = score_rows(scored, backbones)
    rows, begin = {}, 0
    for name, frames in clips.items():
        shakes = jitter_numbers(generated[name], frames[1:]) if len(frames) > 3 else {}
        of_clip = flat[begin : begin + len(frames) - 1]
        rows[name] = {
            number: {what: value for what, value in row.items() if not what.endswith(" stranger")} | shakes
            for number, row in enumerate(of_clip, 1)
        }
        begin += len(of_clip)
    return rows, frechet


def clip_means(rows: Mapping[str, Mapping[int, Row]]) -> list[Row]:
    """One row of each clip: the mean of its frames that have the number; NaN where none has."""
    means = []
    for frames in rows.values():
        names = list(next(iter(frames.values())))
        columns = {name: [row[name] for row in frames.values() if np.isfinite(row[name])] for name in names}
        means.append({name: float(np.mean(values)) if values else np.nan for name, values in columns.items()})
    return means


@one_thread()
def run_videos(renderer: FlowRenderer, videos: Videos, options: argparse.Namespace, out: Path) -> str:
    """Measure the clips; write videos.md, videos.json and videos_frames.csv.

    Args:
        renderer: loaded from ``options.weights``.
        videos: as :func:`find_videos` gives them.
        options: of the command ``evaluate``.
        out: an existing folder.

    Returns:
        The report, to be printed.

    Raises:
        OSError: ``out`` cannot be written.
    """
    backbones = load_backbones(options.arcface, options.inception)
    torch.manual_seed(0)
    rows, frechet = measure_clips(renderer, videos.clips, backbones)
    means, frames = clip_means(rows), sum(map(len, rows.values()))
    settings: dict[str, Any] = run_settings(renderer, options.weights)
    settings |= {"protocol": "self, videos", "clips": {name: len(clip) for name, clip in videos.clips.items()}}
    settings |= {"skipped": videos.skipped, "backbones, sha256": backbones.used}
    about = f"{len(rows)} clips used, {len(videos.skipped)} skipped"
    about += f": {reasons(videos.skipped)}." if videos.skipped else "."
    notes = (f"**{WARNING}**", ABOUT, about, *NOTES, absent_note(backbones.absent | ABSENT))
    results = {f"All clips: {len(rows)} clips, {frames} frames": score_table(means, frechet) + truth_table(means)}
    name = f"{renderer.config.name}, {renderer.config.recipe}"
    report = write_report(out, "videos", f"Videos: {name}", settings, results, notes)
    write_whole(out / "videos_frames.csv", as_csv(rows, ("clip", "frame")).encode())
    return report
