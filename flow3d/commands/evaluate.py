"""``flow3d evaluate``: measure a renderer against true answers, on a protocol, or on a folder of videos."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..evaluation.evaluate import run_evaluation
from ..evaluation.pairs.pair_files import COUNTS, published, read_list
from ..evaluation.pairs.protocols import WIDE
from ..evaluation.protocol import run_protocol
from ..evaluation.videos import WARNING, find_videos, run_videos
from ..renderer import FlowRenderer
from .messages import complain, naming, say
from .outputs import writable
from .parser import Parser, one_of, whole

AFTER_STOP = "what was measured is lost; run it again"


def add_options(parser: Parser) -> None:
    """The options of the command."""
    parser.add_argument("--weights", required=True, help="name of shipped weights, such as tiny, or a folder")
    parser.add_argument("--out", required=True, help="folder for the reports and contact sheets")
    parser.add_argument("--protocol", **one_of(COUNTS), help="one protocol on its published list, by bins of yaw")
    parser.add_argument("--list", help="your own list, like those in data/protocols, for --protocol")
    parser.add_argument("--videos", help="measure on a folder of your own videos instead")
    parser.add_argument("--inception", type=Path, help="TorchScript of Inception, for FID; with --protocol or --videos")
    parser.add_argument("--arcface", type=Path, help="ONNX of ArcFace, for CSIM (ArcFace); as above")
    parser.add_argument("--pairs", type=whole(1), default=200, help="self-ID pairs")
    parser.add_argument("--cross", type=whole(1), default=100, help="cross-ID pairs")
    parser.add_argument(
        "--wide", type=whole(1), default=60, help=f"self-ID pairs of more than {WIDE:.0f} degrees of yaw"
    )
    parser.add_argument("--edits", type=whole(1), default=24, help="identities whose single coefficients are edited")
    parser.add_argument(
        "--long", type=whole(0), default=2000, help="frames of the run that measures memory; 0 leaves it out"
    )
    parser.add_argument("--no-pictures", action="store_true", help="write no contact sheets")


def run(options: argparse.Namespace) -> int:
    """Measure, write the report, and print it.

    Raises:
        ValueError: options that do not fit each other, or nothing to measure.
        OSError: no such weights, list or folder, or ``out`` cannot be written.
    """
    check_together(options)
    with writable(options.out) as out:
        with naming("--weights"):
            renderer = FlowRenderer.from_pretrained(options.weights)
        report = measured(renderer, options, out)
    say(report)
    return 0


def check_together(options: argparse.Namespace) -> None:
    """Refuse options that do not fit each other.

    Raises:
        ValueError: it names one of them.
    """
    if options.videos:
        if options.protocol not in (None, "self") or options.list:
            raise ValueError("--videos: expected no --list, and no --protocol but self")
        return
    if options.protocol:
        return
    if options.list:
        raise ValueError("--list: expected --protocol with it, which says how to measure its pairs")
    for name in ("inception", "arcface"):
        if getattr(options, name):
            raise ValueError(f"--{name}: expected --protocol or --videos with it; no other report has its score")


def measured(renderer: FlowRenderer, options: argparse.Namespace, out: Path) -> str:
    """Measure, write the files, and return the text to print."""
    if options.videos:
        with naming("--videos"):
            videos = find_videos(options.videos, renderer.config.size)
        complain(f"warning: {WARNING}")
        return run_videos(renderer, videos, options, out)
    if options.protocol:
        with naming("--list"):
            listed = read_list(options.list) if options.list else published(options.protocol)
        return run_protocol(renderer, listed, options, out)
    return run_evaluation(renderer, options, out)
