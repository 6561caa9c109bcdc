"""``flow3d cache``: render frames of procedural heads once, to train on."""

from __future__ import annotations

import argparse
import os

from tqdm import tqdm

from ..datasets.cache import build_cache


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("--out", required=True, help="folder; a half-finished one is finished")
    parser.add_argument("--identities", type=int, default=900)
    parser.add_argument("--frames", type=int, default=30, help="of each identity, of all clips together")
    parser.add_argument(
        "--clips",
        type=int,
        default=3,
        help="2: in the second they move as another person; 3: in the third they make faces",
    )
    parser.add_argument("--size", type=int, default=64, help="side in pixels, as the preset's")
    parser.add_argument("--seed", type=int, default=0, help="of the first identity; 1,000,000 and on validate")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)


def run(options: argparse.Namespace) -> int:
    """Render what is missing; 0 when all is there.

    Raises:
        ValueError: a number that does not fit, or the folder holds another cache.
        OSError: no room, or no permission.
    """
    with tqdm(total=options.identities, unit="identity", leave=False) as bar:
        build_cache(
            options.out, options.identities, options.frames, options.size, seed=options.seed, clips=options.clips,
            workers=options.workers,
            progress=lambda done, _: bar.update(done - bar.n),
        )  # fmt: skip
    print(f"{options.identities * options.frames} frames")
    return 0
