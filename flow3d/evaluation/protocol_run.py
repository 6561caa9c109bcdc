"""One protocol on its published list: ``python -m flow3d evaluate --weights tiny --protocol self --out runs/self``."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from ..datasets import Pair
from ..files import write_whole
from ..morphable.threads import one_thread
from ..renderer import FlowRenderer
from . import sheets, tables
from .lines import Line, Table
from .pair_files import ListedPair, published, read_list
from .pair_rows import Row, measure
from .protocols import bin_of
from .reenactment import Method, renderer_method
from .report import as_csv, write_report
from .settings import NOTES, settings_of

SHOWN = 10  # rows of a contact sheet
BINS = ("0-10", "10-20", "20-35", "35+")
ABOUT = {
    "self": "Self-ID: source and driving frame are of one clip of one person; the driving frame is the true answer.",
    "cross": "Cross-ID: somebody else drives; the true answer is the source's person, rendered with the driver's "
    "coefficients.",
    "extreme-pose": "Self-ID pairs whose heads turn by more than 35 degrees.",
}


def protocol_tables(rows: Sequence[Row], cross: bool) -> dict[str, Table]:
    """A table of all pairs, and one for every bin of the yaw difference that has pairs."""
    groups = {"All pairs": list(rows)}
    groups |= {f"Yaw difference {name}°": [row for row in rows if bin_of(row["yaw"]) == name] for name in BINS}
    return {f"{name}: {len(some)} pairs": _table(some, cross) for name, some in groups.items() if some}


def _table(rows: Sequence[Row], cross: bool) -> Table:
    lines: list[Line] = [line for line in tables.picture_table(rows, cross) if "yaw difference" not in line.what]
    lines += [dataclasses.replace(line, what=f"flow error, {line.what}") for line in tables.flow_table(rows, cross)]
    lines += tables.sharpness_table(rows, [])
    lines += tables.background_table(rows)
    return [dataclasses.replace(line, least=None, most=None) for line in lines]


@one_thread()
def run_protocol(options: argparse.Namespace) -> int:
    """Measure the pairs of a list; write the report as markdown and JSON, every pair's numbers, and two sheets.

    Raises:
        ValueError: a list that is no list, or names pairs that do not exist.
        OSError: no such weights or list, or ``out`` cannot be written.
    """
    listed = read_list(options.list) if options.list else published(options.protocol)
    renderer = FlowRenderer.from_pretrained(options.weights)
    method, size = renderer_method(renderer), renderer.config.size
    torch.manual_seed(0)
    pairs = render_all(listed, size)
    rows = measure(method, pairs)
    name = f"{renderer.config.name}, {renderer.config.recipe}"
    settings: dict[str, Any] = settings_of(renderer, options.weights)
    settings |= {"protocol": options.protocol, "list": options.list or "published", "pairs": len(listed)}
    found = protocol_tables(list(rows.values()), options.protocol == "cross")
    title = f"Protocol {options.protocol}: {name}"
    text = write_report(options.out, options.protocol, title, settings, found, (ABOUT[options.protocol], *NOTES[:2]))
    write_whole(options.out / f"{options.protocol}_pairs.csv", as_csv({options.protocol: rows}).encode())
    if not options.no_pictures:
        worst = sorted(pairs, key=lambda seed: rows[seed]["psnr output"])[:SHOWN]
        for what, seeds in {"first": list(pairs)[:SHOWN], "worst": worst}.items():
            draw(options.out / f"{options.protocol}_{what}.png", method, pairs, rows, seeds)
    print(text)
    return 0


def render_all(listed: Sequence[ListedPair], size: int) -> dict[int, Pair]:
    """The pairs of a list, by seed."""
    return {row.seed: row.render(size) for row in listed}


def draw(path: Path, method: Method, pairs: Mapping[int, Pair], rows: Mapping[int, Row], seeds: Sequence[int]) -> None:
    """A contact sheet of some pairs, each with its decibels."""
    title = "seed {}, yaw difference {:.0f} degrees: output {:.1f} dB, copy {:.1f} dB"
    numbers = {seed: [rows[seed][name] for name in ("yaw", "psnr output", "psnr copy")] for seed in seeds}
    sheets.pair_sheet(path, method, [(title.format(seed, *numbers[seed]), pairs[seed]) for seed in seeds])
