"""A renderer against true answers: ``python -m flow3d evaluate --weights tiny --out runs/evaluation``."""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from ..datasets import Pair
from ..files import write_whole
from ..renderer import FlowRenderer
from ..threads import one_thread
from .measure.edits import EDITS, EXACT, FLOW_ALONE, OUTPUT, measure_edits
from .measure.method import Method, renderer_method
from .measure.observed import observed_rows
from .measure.pair_rows import Pairs, Row, measure_pairs, reenact_pair
from .measure.volume_rows import depth_row
from .pairs.protocols import FIRST_SEED, WIDE, pair_lists, self_seeds
from .report import quality_tables as tables
from .report import sheets
from .report.controls import control_table
from .report.run_record import NOTES, run_settings
from .report.speed import SETTLED, frame_seconds, memory_table, speed_table
from .report.table import Table
from .report.volume_table import volume_table
from .report.write import as_csv, write_report

OBSERVED = 40  # pairs of each list that are also measured from observed inputs, which takes most of a second each
SHOWN, WORST = 10, 10  # rows of a contact sheet


def quality(
    method: Method, untrained: Method, lists: Mapping[str, Pairs], identities: int, size: int
) -> tuple[dict[str, Table], dict[str, dict[int, Row]]]:
    """All tables that do not depend on the machine, and the rows of ``lists``, as :func:`pair_lists` names them."""
    rows = {name: measure_pairs(method, lists[name], depth_row) for name in ("self", "cross")}
    still = [depth_row(pair, reenact_pair(method, pair)) for pair in lists["expression"].values()]
    more = {seed: pair for seed, pair in lists["wide"].items() if seed not in rows["self"]}
    wide = rows["self"] | measure_pairs(method, more)
    rows["wide"] = {seed: wide[seed] for seed in lists["wide"]}
    observed = {
        name: observed_rows(method, lists[name], name == "cross", list(lists[name])[:OBSERVED])
        for name in ("self", "cross")
    }
    plain = {name: list(by_seed.values()) for name, by_seed in rows.items()}
    edits = measure_edits(method, self_seeds(identities), size)
    results = {
        "Self-ID: PSNR on the union of the silhouettes": tables.picture_table(plain["self"]),
        "Cross-ID, against the true answer: PSNR": tables.picture_table(plain["cross"], cross=True),
        "Self-ID: error of the flow over the zero flow's": tables.flow_table(plain["self"]),
        "Cross-ID: error of the flow over the zero flow's": tables.flow_table(plain["cross"], cross=True),
        "Self-ID: how three-dimensional the flow is": volume_table(plain["self"], still),
        "One coefficient edited": tables.edit_table(edits[OUTPUT], edits[EXACT]),
        "One coefficient edited, warped pixels alone": tables.edit_table(
            edits.get(FLOW_ALONE, {}), edits[EXACT], asked=False
        ),
        "Self-ID, exact and observed inputs": tables.observed_table(observed["self"]),
        "Cross-ID, exact and observed inputs": tables.observed_table(observed["cross"]),
        "Few pixels": tables.part_table(plain["self"] + plain["cross"]),
        "Sharpness inside the face": tables.sharpness_table(plain["self"], plain["wide"]),
        f"Self-ID beyond {WIDE:.0f}° of yaw": tables.wide_table(plain["wide"]),
        "Background": tables.background_table(plain["self"] + plain["cross"]),
        "Controls that must fail": control_table(method, untrained, lists["self"], rows["self"], min(identities, 8)),
        "The pairs": [line for name in ("self", "cross") for line in tables.yaw_table(plain[name], f"{name}-ID")],
    }
    return results, rows


def all_settings(renderer: FlowRenderer, options: argparse.Namespace) -> dict[str, Any]:
    """Everything that the numbers depend on."""
    return run_settings(renderer, options.weights) | {
        "self-ID pairs": options.pairs, "cross-ID pairs": options.cross, "wide pairs": options.wide,
        "edited identities": options.edits, "first seed": FIRST_SEED,
        "lists": f"pair k has seed {FIRST_SEED} + k; wide pairs are the first self-ID pairs beyond {WIDE:.0f} degrees",
        "edits": {name: dict(edit.values) for name, edit in EDITS.items()},
    }  # fmt: skip


@one_thread()
def run_evaluation(renderer: FlowRenderer, options: argparse.Namespace, out: Path) -> str:
    """Measure; write evaluation.md, evaluation.json, pairs.csv, machine.md, machine.json and the sheets to ``out``.

    Args:
        renderer: loaded from ``options.weights``.
        options: of the command ``evaluate``.
        out: an existing folder.

    Returns:
        Both reports, to be printed.

    Raises:
        ValueError: ``options.long`` has too few frames to measure the memory.
        OSError: ``out`` cannot be written.
    """
    if options.long and options.long <= SETTLED:
        raise ValueError(f"long: expected 0, or {SETTLED + 1} or more, got {options.long}")
    size = renderer.config.size
    torch.manual_seed(0)
    method, untrained = renderer_method(renderer), renderer_method(FlowRenderer(renderer.config).eval())
    settings = all_settings(renderer, options)
    lists = pair_lists(options.pairs, options.cross, options.wide, size)
    results, rows = quality(method, untrained, lists, options.edits, size)
    name = f"{renderer.config.name}, {renderer.config.recipe}"
    report = write_report(out, "evaluation", f"Evaluation of {name}", settings, results, NOTES)
    write_whole(out / "pairs.csv", as_csv(rows).encode())
    if not options.no_pictures:
        pictures(out, method, lists, rows, self_seeds(min(options.edits, 6)), size)
    first = next(iter(lists["self"].values()))
    machine: dict[str, Table] = {"Speed": speed_table(frame_seconds(renderer, first))}
    if options.long:
        machine["Memory"] = memory_table(renderer, first, options.long)
    here = {"python": platform.python_version(), "torch": torch.__version__, "cores": os.cpu_count(), "threads": 1}
    return f"{report}\n" + write_report(out, "machine", f"Speed and memory of {name}", here, machine)


def pictures(
    out: Path,
    method: Method,
    lists: Mapping[str, Pairs],
    rows: dict[str, dict[int, Row]],
    edited: Sequence[int],
    size: int,
) -> None:
    """Contact sheets: the first self-ID and cross-ID pairs, the worst of the wide ones, and edits."""

    def titled(name: str, seeds: Sequence[int]) -> list[tuple[str, Pair]]:
        title = "seed {}, yaw difference {:.0f} degrees: output {:.1f} dB, copy {:.1f} dB"
        numbers = {s: [rows[name][s][n] for n in ("yaw", "psnr output", "psnr copy")] for s in seeds}
        return [(title.format(s, *numbers[s]), lists[name][s]) for s in seeds]

    for name in ("self", "cross"):
        sheets.pair_sheet(out / f"{name}.png", method, titled(name, list(lists[name])[:SHOWN]))
    worst = sorted(lists["wide"], key=lambda seed: rows["wide"][seed]["psnr output"])[:WORST]
    sheets.pair_sheet(out / "worst_wide.png", method, titled("wide", worst))
    sheets.edit_sheet(out / "edits.png", method, edited, size)
