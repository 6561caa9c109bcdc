"""``flow3d evaluate``: measure a renderer against true answers, on a protocol, or on a folder of videos."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..evaluation.evaluate import run_evaluation
from ..evaluation.pairs.pair_files import COUNTS
from ..evaluation.pairs.protocols import WIDE
from ..evaluation.protocol import run_protocol
from ..evaluation.videos import run_videos


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("--weights", required=True, help="name of shipped weights, such as tiny, or a folder")
    parser.add_argument("--out", type=Path, required=True, help="folder for the reports and contact sheets")
    parser.add_argument("--protocol", choices=list(COUNTS), help="one protocol on its published list, by bins of yaw")
    parser.add_argument("--list", type=Path, help="a list of one's own, like data/protocols, for --protocol")
    parser.add_argument("--videos", type=Path, help="measure on a folder of one's own videos instead")
    parser.add_argument("--inception", type=Path, help="TorchScript of Inception, for FID; with --protocol or --videos")
    parser.add_argument("--arcface", type=Path, help="ONNX of ArcFace, for CSIM (ArcFace); as above")
    parser.add_argument("--pairs", type=int, default=200, help="self-ID pairs")
    parser.add_argument("--cross", type=int, default=100, help="cross-ID pairs")
    parser.add_argument("--wide", type=int, default=60, help=f"self-ID pairs of more than {WIDE:.0f} degrees of yaw")
    parser.add_argument("--edits", type=int, default=24, help="identities whose single coefficients are edited")
    parser.add_argument("--long", type=int, default=2000, help="frames of the run that watches memory; 0 leaves it out")
    parser.add_argument("--no-pictures", action="store_true", help="write no contact sheets")


def run(options: argparse.Namespace) -> int:
    """Measure, print, and write the report.

    Raises:
        ValueError: options that do not fit each other, or nothing to measure.
        OSError: no such weights, list or folder, or ``out`` cannot be written.
    """
    if options.videos:
        return run_videos(options)
    if options.protocol:
        return run_protocol(options)
    if options.list:
        raise ValueError("list: expected --protocol beside it, which says how its pairs are meant")
    for name in ("inception", "arcface"):
        if getattr(options, name):
            raise ValueError(f"{name}: expected --protocol or --videos beside it; no other report has its score")
    return run_evaluation(options)
