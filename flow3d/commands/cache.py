"""``flow3d cache``: render frames of procedural heads once, to train on."""

from __future__ import annotations

import argparse
import os

from tqdm import tqdm

from ..datasets.cache_build import build_cache
from .messages import naming, say
from .outputs import writable
from .parser import Parser, seed, whole

AFTER_STOP = "run the same command again, and it goes on"


def add_options(parser: Parser) -> None:
    """The options of the command."""
    parser.add_argument("--out", required=True, help="folder; an unfinished cache in it is completed")
    parser.add_argument("--identities", type=whole(1), default=900)
    parser.add_argument("--frames", type=whole(2), default=30, help="frames of each identity, over all its clips")
    parser.add_argument(
        "--clips",
        type=whole(1, 3),
        default=3,
        help="of each identity; 2: the second has another person's motion; 3: the third makes faces",
    )
    parser.add_argument("--size", type=whole(16, 2048), default=64, help="side in pixels, that of the preset")
    parser.add_argument(
        "--seed", type=seed, default=0, help="seed of the first identity; validation begins at 1,000,000"
    )
    parser.add_argument("--workers", type=whole(1), default=os.cpu_count() or 1)


def run(options: argparse.Namespace) -> int:
    """Render the missing frames; 0 when all are there.

    Raises:
        ValueError: a number that does not fit, or the folder holds another cache.
        OSError: no room, no permission, or a worker died.
    """
    with (
        writable(options.out) as folder,
        naming("--out", "folder"),
        tqdm(total=options.identities, unit="identity", leave=False, disable=None) as bar,
    ):
        build_cache(
            folder, options.identities, options.frames, options.size, seed=options.seed, clips=options.clips,
            workers=options.workers,
            progress=lambda done, _: bar.update(done - bar.n),
        )  # fmt: skip
    say(f"{options.identities * options.frames} frames")
    return 0
