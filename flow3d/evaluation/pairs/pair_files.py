"""The published lists as files: ``python -m flow3d.evaluation.pairs.pair_files --out data/protocols`` writes them anew.

A row names a pair completely: who is shown and who drives (seeds), and which frames of their clips.
"""

from __future__ import annotations

import argparse
import csv
import io
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import torch

from ... import assets
from ...datasets import Pair, make_pair
from ...datasets.pairs import BLOCK, CLIP_FRAMES, driver_of, two_frames
from ...files import write_whole
from ...morphable import talking_head
from .protocols import bin_of, self_seeds, wide_seeds

COUNTS = {"self": 200, "cross": 100, "extreme-pose": 60}


@dataclass(frozen=True)
class ListedPair:
    """One row of a list. ``yaw_difference`` is in degrees, to a hundredth, and ``bin`` is its bin."""

    seed: int
    driver: int
    source_frame: int
    driving_frame: int
    yaw_difference: float
    bin: str

    def render(self, size: int) -> Pair:
        """The pair, rendered.

        Raises:
            ValueError: its seed gives other frames or another driver than the row says.
        """
        if (listed := list_pair(self.seed, self.driver != self.seed)) != self:
            raise ValueError(f"pair: expected {self}, got {listed}")
        return make_pair(self.seed, size, cross=self.driver != self.seed)


def list_pair(seed: int, cross: bool) -> ListedPair:
    """The row of a seed, without rendering it."""
    own = talking_head(CLIP_FRAMES, seed)["yaw"]
    driver = driver_of(seed) if cross else seed
    moves = talking_head(CLIP_FRAMES, driver)["yaw"] if cross else own
    first, second = two_frames(seed, own)
    yaw = float(torch.rad2deg((moves[second] - own[first]).abs()))
    return ListedPair(seed, driver, first, second, round(yaw, 2), bin_of(yaw))


def list_pairs(protocol: str, count: int) -> list[ListedPair]:
    """The first ``count`` pairs of "self", "cross" or "extreme-pose".

    Raises:
        ValueError: an unknown protocol, or ``count`` below 1.
    """
    if protocol not in COUNTS:
        raise ValueError(f"protocol: expected one of {', '.join(COUNTS)}, got {protocol!r}")
    seeds = wide_seeds(count) if protocol == "extreme-pose" else self_seeds(count)
    return [list_pair(seed, protocol == "cross") for seed in seeds]


def as_text(pairs: list[ListedPair]) -> str:
    """The list as CSV."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, [field.name for field in fields(ListedPair)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(map(asdict, pairs))
    return text.getvalue()


def read_list(path: str | os.PathLike[str]) -> list[ListedPair]:
    """Read a list of pairs, a published one or the user's own.

    Raises:
        FileNotFoundError: no such file.
        ValueError: there is no row, a column is missing, a cell is not a number, or a seed belongs to the training.
    """
    name = os.fspath(path)
    with Path(path).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = [field.name for field in fields(ListedPair)]
    if not rows or not set(names) <= set(rows[0]):
        raise ValueError(f"list: expected rows of {', '.join(names)} in {name!r}, got {len(rows)} of other columns")
    pairs = []
    for number, row in enumerate(rows, 2):
        try:
            whole = [int(row[name]) for name in names[:4]]
            pairs.append(ListedPair(*whole, float(row["yaw_difference"]), row["bin"]))
        except (TypeError, ValueError) as error:
            raise ValueError(f"list: line {number} of {name!r}: {error}") from error
        if not BLOCK <= pairs[-1].seed < 2 * BLOCK:
            raise ValueError(f"list: line {number} of {name!r}: expected a seed from {BLOCK:,}, which no training sees")
    return pairs


def published(protocol: str) -> list[ListedPair]:
    """The list that the package ships.

    Raises:
        ValueError: an unknown protocol.
    """
    if protocol not in COUNTS:
        raise ValueError(f"protocol: expected one of {', '.join(COUNTS)}, got {protocol!r}")
    return read_list(assets.path(f"protocols/{protocol.replace('-', '_')}.csv"))


def main() -> None:
    """Write the three lists."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    for protocol, count in COUNTS.items():
        write_whole(out / f"{protocol.replace('-', '_')}.csv", as_text(list_pairs(protocol, count)).encode())


if __name__ == "__main__":
    main()
