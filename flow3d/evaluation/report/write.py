"""Reports as files: the same numbers as markdown to read and as JSON to compute with."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...files import write_whole
from ..measure.pair_rows import Row
from .quality_tables import Line, Table

HEAD = "| what | value | sd | 95 % | beside it | target | reached |"


def markdown(title: str, settings: Mapping[str, Any], tables: Mapping[str, Table], notes: Sequence[str] = ()) -> str:
    """The report as text."""
    asked = [line for table in tables.values() for line in table if line.reached is not None]
    lines = [f"# {title}", ""]
    if asked:
        lines += [f"{sum(bool(line.reached) for line in asked)} of {len(asked)} targets reached.", ""]
    lines += [*(f"{note}\n" for note in notes)]
    for name, table in tables.items():
        if table:
            lines += [f"## {name}", "", HEAD, "|" + "---|" * 7, *map(_row, table), ""]
    lines += ["## Settings", "", *(f"- {name}: {_plain(value)}" for name, value in settings.items()), ""]
    return "\n".join(lines)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else f"`{json.dumps(value)}`"


def _row(line: Line) -> str:
    estimate, target = line.estimate, ""
    if line.least is not None or line.most is not None:
        target = f"≥ {line.text(line.least)}" if line.least is not None else f"≤ {line.text(line.most or 0.0)}"
    interval = f"{line.number(estimate.low)} to {line.number(estimate.high)}" if math.isfinite(estimate.low) else ""
    reached = {None: "", True: "yes", False: "**no**"}[line.reached]
    cells = (line.what, line.text(estimate.value), line.number(estimate.sd), interval, line.beside, target, reached)
    return f"| {' | '.join(cells)} |"


def as_json(settings: Mapping[str, Any], tables: Mapping[str, Table]) -> str:
    """The report as JSON; a number that does not exist is null."""
    content = {
        name: [
            {"what": line.what, "unit": line.unit, "beside": line.beside, "least": line.least, "most": line.most}
            | {key: _finite(value) for key, value in asdict(line.estimate).items()}
            | {"reached": line.reached}
            for line in table
        ]
        for name, table in tables.items()
    }
    return json.dumps({"settings": settings, "tables": content}, indent=1) + "\n"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def as_csv(rows: Mapping[str, Mapping[int, Row]], keys: tuple[str, str] = ("protocol", "seed")) -> str:
    """Every pair's numbers: protocol, seed, and the columns of its row."""
    names = list(dict.fromkeys(name for listed in rows.values() for row in listed.values() for name in row))
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*keys, *names])
    for protocol, listed in rows.items():
        for seed, row in listed.items():
            cells = [row.get(name, math.nan) for name in names]
            writer.writerow([protocol, seed, *(f"{v:.6g}" if math.isfinite(v) else "" for v in cells)])
    return text.getvalue()


def write_report(
    folder: Path,
    name: str,
    title: str,
    settings: Mapping[str, Any],
    tables: Mapping[str, Table],
    notes: Sequence[str] = (),
) -> str:
    """Write ``name``.md and ``name``.json whole; return the markdown."""
    folder.mkdir(parents=True, exist_ok=True)
    text = markdown(title, settings, tables, notes)
    write_whole(folder / f"{name}.json", as_json(settings, tables).encode())
    write_whole(folder / f"{name}.md", text.encode())
    return text
