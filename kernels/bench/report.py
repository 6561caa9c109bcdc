"""The tables of a run on a CPU, as markdown."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

COLUMNS = (
    *("operation", "our layout", "inputs", "plain layout", "passes"),
    *("plain ms", "ours ms", "ratio", "target", "error", "plain error"),
)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table in markdown, line by line."""
    return [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|", *(f"| {' | '.join(row)} |" for row in rows)]


def cpu_markdown(record: Mapping[str, Any]) -> str:
    """The record of operations.py, to read."""
    about = record["about"]
    cells = []
    for row in record["rows"]:
        met = row["target"] is not None and row["ratio"] <= row["target"]
        target = "" if row["target"] is None else f"{row['target']} {'met' if met else 'missed'}"
        error = (f"{row['error'][side]:.1e}" for side in ("ours", "plain"))
        described = (row["operation"], row["layout"], row["variant"], row["plain_layout"], row["passes"])
        times = (f"{row['plain_ms']['p50']:.2f}", f"{row['ours_ms']['p50']:.2f}", f"**{row['ratio']:.2f}**")
        cells.append((*described, *times, target, *error))
    lines = [
        f"# {about['device']}",
        "",
        f"(B, C, D, H, W) = {tuple(about['shape'])}, {about['dtype']}, {about['clock']}; torch {about['torch']}, "
        f"{about['date']}, commit {about['commit'][:12]}, {about['repetitions']} repetitions.",
        f"Command: `{about['command']}`. Backend: {about['backend']}.",
        "",
        "Ratio: ours over plain, medians. Error: largest of the values, against float64. The plain side is identity",
        "grid and F.grid_sample, or instance_norm, scale, shift, leaky_relu, in the layout named.",
        "",
        *table(COLUMNS, cells),
    ]
    return "\n".join(lines) + "\n"
