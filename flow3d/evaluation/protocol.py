"""One protocol on its published list: ``python -m flow3d evaluate --weights tiny --protocol self --out runs/self``."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from ..datasets import Pair
from ..datasets.pairs import identity_of
from ..files import write_whole
from ..renderer import FlowRenderer
from ..sizes import RADIUS
from ..threads import one_thread
from .measure.edits import EXACT, OUTPUT, measure_edits
from .measure.method import Method, renderer_method
from .measure.pair_rows import Row, baselines, measure_pair, reenact_pair
from .measure.score_rows import ScoredFrames, score_rows
from .measure.truth_rows import JITTER_FRAMES, JITTER_PAIRS, jitter_row, truth_row
from .pairs.pair_files import ListedPair
from .pairs.protocols import bin_of, self_seeds
from .report import quality_tables as tables
from .report import score_tables, sheets
from .report.run_record import NOTES, run_settings
from .report.table import Line, Table
from .report.write import as_csv, write_report
from .scores.backbones import Backbones, load_backbones

SHOWN = 10  # rows of a contact sheet
EDITED = 6  # identities whose single coefficients are edited
BINS = ("0-10", "10-20", "20-35", "35+")
ABOUT = {
    "self": "Self-ID: source and driving frame are of one clip of one person; the driving frame is the true answer.",
    "cross": "Cross-ID: somebody else drives; the true answer is the source's person, rendered with the driver's "
    "coefficients.",
    "extreme-pose": "Self-ID pairs whose heads turn by more than 35 degrees.",
}


Frechet = Mapping[str, Mapping[str, float]]


def protocol_tables(rows: Sequence[Row], cross: bool, frechet: Frechet) -> dict[str, Table]:
    """Tables of all pairs, and one for every bin of the yaw difference that has pairs."""
    groups = {"All pairs": list(rows)}
    groups |= {f"Yaw difference {name}°": [row for row in rows if bin_of(row["yaw"]) == name] for name in BINS}
    results = {}
    for name, group in groups.items():
        if group:
            title = f"{name}: {len(group)} pairs"
            results[title] = _table(group, cross)
            results[f"{title}, the paper's scores"] = score_tables.score_table(group, frechet if group == rows else {})
            results[f"{title}, what only a known truth tells"] = score_tables.truth_table(group)
    return results


def _table(rows: Sequence[Row], cross: bool) -> Table:
    lines: list[Line] = [line for line in tables.picture_table(rows, cross) if "yaw difference" not in line.what]
    lines += [dataclasses.replace(line, what=f"flow error, {line.what}") for line in tables.flow_table(rows, cross)]
    lines += tables.sharpness_table(rows, [])
    lines += tables.background_table(rows)
    return [dataclasses.replace(line, least=None, most=None) for line in lines]


def measure_all(
    method: Method, listed: Sequence[ListedPair], pairs: Mapping[int, Pair], backbones: Backbones, cross: bool
) -> tuple[dict[int, Row], dict[str, dict[str, float]]]:
    """The row of every pair by seed, and the Fréchet distances of them all."""
    rows, outputs, warps = {}, [], []
    for number, one in enumerate(listed):
        pair = pairs[one.seed]
        reenacted = reenact_pair(method, pair)
        outputs.append(reenacted.output[0])
        warps.append(baselines(pair)["exact-flow warp"])
        rows[one.seed] = measure_pair(pair, reenacted) | truth_row(outputs[-1], pair)
        rows[one.seed] |= jitter_row(method, one, pair) if number < JITTER_PAIRS else {}
    ordered = [pairs[one.seed] for one in listed]
    pictures = {n: torch.stack([getattr(pair, n) for pair in ordered]) for n in ("source", "target", "driving")}
    exact = [torch.cat([pairs[one.seed].driving_window[:, RADIUS], identity_of(one.seed)]) for one in listed]
    frames = ScoredFrames(
        output=torch.stack(outputs), others={"copy": pictures["source"], "exact-flow warp": torch.stack(warps)},
        truth=pictures["target"], driving=pictures["driving"],
        identity=pictures["source" if cross else "target"], exact=torch.stack(exact),
    )  # fmt: skip
    scores, frechet = score_rows(frames, backbones)
    return {seed: row | more for (seed, row), more in zip(rows.items(), scores, strict=True)}, frechet


@one_thread()
def run_protocol(renderer: FlowRenderer, listed: Sequence[ListedPair], options: argparse.Namespace, out: Path) -> str:
    """Measure the pairs of a list; write the report as markdown and JSON, every pair's numbers, and two sheets.

    Args:
        renderer: loaded from ``options.weights``.
        listed: the pairs, of ``options.list`` or the published ones.
        options: of the command ``evaluate``.
        out: an existing folder.

    Returns:
        The report, to be printed.

    Raises:
        ValueError: the list names pairs that do not exist.
        OSError: ``out`` cannot be written.
    """
    backbones = load_backbones(options.arcface, options.inception)
    method, size = renderer_method(renderer), renderer.config.size
    torch.manual_seed(0)
    pairs, cross = render_all(listed, size), options.protocol == "cross"
    rows, frechet = measure_all(method, listed, pairs, backbones, cross)
    name = f"{renderer.config.name}, {renderer.config.recipe}"
    settings: dict[str, Any] = run_settings(renderer, options.weights)
    settings |= {"protocol": options.protocol, "list": str(options.list or "published"), "pairs": len(listed)}
    settings |= {"backbones, sha256": backbones.used, "edited identities": EDITED}
    settings |= {"jitter": f"the first {JITTER_PAIRS} pairs, {JITTER_FRAMES} consecutive frames of each"}
    results = protocol_tables(list(rows.values()), cross, frechet)
    edits = measure_edits(method, self_seeds(EDITED), size)
    results["One coefficient edited: how the output follows"] = tables.edit_table(
        edits[OUTPUT], edits[EXACT], asked=False
    )
    notes = (ABOUT[options.protocol], *NOTES[:3], *score_tables.NOTES, score_tables.absent_note(backbones.absent))
    title = f"Protocol {options.protocol}: {name}"
    text = write_report(out, options.protocol, title, settings, results, notes)
    write_whole(out / f"{options.protocol}_pairs.csv", as_csv({options.protocol: rows}).encode())
    if not options.no_pictures:
        worst = sorted(pairs, key=lambda seed: rows[seed]["psnr output"])[:SHOWN]
        for what, seeds in {"first": list(pairs)[:SHOWN], "worst": worst}.items():
            draw(out / f"{options.protocol}_{what}.png", method, pairs, rows, seeds)
    return text


def render_all(listed: Sequence[ListedPair], size: int) -> dict[int, Pair]:
    """The pairs of a list, by seed."""
    return {row.seed: row.render(size) for row in listed}


def draw(path: Path, method: Method, pairs: Mapping[int, Pair], rows: Mapping[int, Row], seeds: Sequence[int]) -> None:
    """A contact sheet of some pairs, each with its decibels."""
    title = "seed {}, yaw difference {:.0f} degrees: output {:.1f} dB, copy {:.1f} dB"
    numbers = {seed: [rows[seed][name] for name in ("yaw", "psnr output", "psnr copy")] for seed in seeds}
    sheets.pair_sheet(path, method, [(title.format(seed, *numbers[seed]), pairs[seed]) for seed in seeds])
