"""The tables of a run on a CPU, as markdown."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

DESCRIBED = ("operation", "our layout", "inputs", "plain layout", "passes")
CALLED = ("preset", "operation", "(B, C, D, H, W)", "passes")
MEASURED = ("plain ms", "ours ms", "ratio", "target", "C++ ms", "C++ ratio", "C++ target")
ERRORS = ("error", "C++ error", "plain error")


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table in markdown, line by line."""
    return [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|", *(f"| {' | '.join(row)} |" for row in rows)]


def measured(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Medians and ratios of both our sides, and what became of their targets; empty where C++ was not measured."""
    cells = [milliseconds(row["plain_ms"])]
    for side, name in (("ours", ""), ("cpp", "cpp_")):
        if f"{side}_ms" in row:
            ratio, target = row[f"{name}ratio"], row[f"{name}target"]
            became = "" if target is None else f"{target} {'met' if ratio <= target else 'missed'}"
            cells += [milliseconds(row[f"{side}_ms"]), f"**{ratio:.2f}**", became]
        else:
            cells += [""] * 3
    return tuple(cells)


def milliseconds(times: Mapping[str, float]) -> str:
    """The median, to three digits."""
    return f"{times['p50']:.3g}"


def errors(row: Mapping[str, Any]) -> tuple[str, ...]:
    """The largest error of each side's values."""
    return tuple(f"{row['error'][side]:.1e}" if side in row["error"] else "" for side in ("ours", "cpp", "plain"))


def cpu_markdown(record: Mapping[str, Any]) -> str:
    """The record of operations.py, to read."""
    about = record["about"]
    rows = [
        (
            row["operation"],
            row["layout"],
            row["variant"],
            row["plain_layout"],
            row["passes"],
            *measured(row),
            *errors(row),
        )
        for row in record["rows"]
    ]
    frames = [
        (row["variant"], row["operation"], str(tuple(row["shape"])), row["passes"], *measured(row))
        for row in record["frames"]
    ]
    lines = [
        f"# {about['device']}",
        "",
        f"(B, C, D, H, W) = {tuple(about['shape'])}, {about['dtype']}, {about['clock']}; torch {about['torch']}, "
        f"{about['date']}, commit {about['commit'][:12]}, {about['repetitions']} repetitions.",
        f"Command: `{about['command']}`. Backend: {about['backend']}; C++: {about['compiler']}.",
        "",
        "Ratio: over plain, medians. Error: largest of the values, against float64. The plain side is identity",
        "grid and F.grid_sample, or instance_norm, scale, shift, leaky_relu, in the layout named. C++ is the",
        "backend `cpp`, which works where it is asked for.",
        "",
        *table((*DESCRIBED, *MEASURED, *ERRORS), rows),
        "",
        "## What a frame calls for",
        "",
        "The distinct calls of a frame whose source is prepared, all contiguous. A warp of one slice is held",
        "against a 2D grid_sample.",
        "",
        *table((*CALLED, *MEASURED), frames),
    ]
    return "\n".join(lines) + "\n"
