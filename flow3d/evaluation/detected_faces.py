"""How good the face detector is on drawn heads: ``python -m flow3d.evaluation.detected_faces --out data/results``.

AKD and AED say nothing that is smaller than what is measured here: how often a face is missed, how far its landmarks
are from the drawn head's own, and how far they move when the picture is moved by a pixel.
"""

from __future__ import annotations

import argparse
import math
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ..checks import check_integer
from ..datasets import make_pair
from ..datasets.pairs import identity_of
from ..sizes import RADIUS
from ..threads import one_thread
from .pairs.protocols import self_seeds
from .report.table import Line, Table
from .report.write import write_report
from .scores.face_scores import SIDE, FacesFound, aed, akd, detect_faces, detect_moved
from .scores.motion_scores import LANDMARKS, landmarks
from .scores.statistics import Estimate, mean

SIDES = (64, 128, SIDE, 512)  # pixels that frames are enlarged to
# Points of the drawn head and the detected landmarks that mean the same; the viewer's left and right.
SAME = {
    "eye_outer_left": 33, "eye_inner_left": 133, "lid_upper_left": 159, "lid_lower_left": 145,
    "eye_inner_right": 362, "eye_outer_right": 263, "lid_upper_right": 386, "lid_lower_right": 374,
    "nose_tip": 4, "mouth_corner_left": 61, "mouth_corner_right": 291,
    "lip_upper_middle": 13, "lip_lower_middle": 14, "chin": 152,
}  # fmt: skip
NOTES = (
    "The targets of the published self-ID pairs, drawn heads of 64 px that the detector never saw, enlarged by cubic "
    "splines before a face is looked for; `detect_faces` takes 256 px. Lengths are in pixels of a 256 px frame.",
    f"*From the head's own points*: the mean distance of {len(SAME)} landmarks (corners of eyes and mouth, lids, lips, "
    "nose, chin) from the vertices of the head that mean the same. *Their places aside*: less the mean offset of every "
    "landmark, which may mean a spot beside the vertex. *Moved by a pixel*: AKD and AED of the frame and of itself, "
    "moved by one of its pixels to the right and down and measured back: no AKD below it says anything. *Of the copy* "
    "is what a method scores that does nothing.",
)


@dataclass(frozen=True, eq=False)
class Heads:
    """N self-ID pairs: the targets, the sources, and where the targets' named points are, in pixels of 256."""

    targets: Float[Tensor, "N 3 S S"]
    sources: Float[Tensor, "N 3 S S"]
    points: Float[Tensor, "N L 2"]


def draw_heads(seeds: Sequence[int], size: int = 64) -> Heads:
    """Render the self-ID pairs of some seeds."""
    pairs = [make_pair(seed, size) for seed in seeds]
    exact = [torch.cat([p.driving_window[:, RADIUS], identity_of(s)]) for p, s in zip(pairs, seeds, strict=True)]
    targets, sources = (torch.stack([getattr(pair, name) for pair in pairs]) for name in ("target", "source"))
    return Heads(targets, sources, landmarks(torch.stack(exact)))


def offsets(faces: FacesFound, points: Float[Tensor, "N L 2"]) -> Float[Tensor, "N K 2"]:
    """From the head's own points to the detected ones, of the K that mean the same; NaN where no face was found."""
    own = points[:, [LANDMARKS.index(name) for name in SAME]]
    return faces.points[:, list(SAME.values())] - own


def face_table(heads: Heads, side: int) -> Table:
    """What the detector finds in frames enlarged to ``side`` pixels."""
    begin = time.process_time()
    faces = detect_faces(heads.targets, side)
    spent = (time.process_time() - begin) / len(heads.targets)
    moved, copies = detect_moved(heads.targets, side), detect_faces(heads.sources, side)
    away = offsets(faces, heads.points)
    spread = away - away.nanmean(0)
    return [
        Line("frames without a face", mean((~faces.found).double().tolist()), "%"),
        Line("landmarks, from the head's own points", mean(away.norm(dim=2).mean(1).tolist()), "px"),
        Line("landmarks, their places aside", mean(spread.norm(dim=2).mean(1).tolist()), "px"),
        Line("AKD, moved by a pixel", mean(akd(moved, faces)), "px"),
        Line("AKD of the copy", mean(akd(copies, faces)), "px"),
        Line("AED, moved by a pixel", mean(aed(moved, faces))),
        Line("AED of the copy", mean(aed(copies, faces))),
        Line("milliseconds a frame, processor time", Estimate(1000 * spent, *[math.nan] * 3, len(heads.targets))),
    ]


@one_thread()
def run(pairs: int, out: Path) -> str:
    """Measure; write detected_faces.md and detected_faces.json to ``out``; return the report.

    Raises:
        ValueError: ``pairs`` below 1.
        FileNotFoundError: the detector's files are missing.
    """
    heads = draw_heads(self_seeds(check_integer(pairs, "pairs", 1)))
    tables = {f"Enlarged to {side} px": face_table(heads, side) for side in SIDES}
    settings = {"pairs": pairs, "python": platform.python_version(), "torch": torch.__version__, "threads": 1}
    return write_report(out, "detected_faces", "The face detector on drawn heads", settings, tables, NOTES)


def main() -> None:
    """Measure, write and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for detected_faces.md and detected_faces.json")
    parser.add_argument("--pairs", type=int, default=200, help="of the published list")
    options = parser.parse_args()
    print(run(options.pairs, options.out))


if __name__ == "__main__":
    main()
