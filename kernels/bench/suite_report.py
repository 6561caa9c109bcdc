"""The suite's record as tables to read: suite.md from the lines of rows.jsonl, and tiles.json.

    python kernels/bench/suite_report.py runs/suite

writes both again from the rows.jsonl and environment.json of a folder, which even a run that was cut off leaves.
"""

import json
import pathlib
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from limits import Floor, floor_of
from report import table
from tune import SIZES, chosen, tiles_file

Line = Mapping[str, Any]
UNMEASURED = """# A card

No row has been measured yet. On a machine with a card this command measures them, and writes rows.jsonl,
environment.json, tiles.json and suite.md, the tables, to the folder cuda beside this file, which can go then:

    python kernels/bench/suite.py --out kernels/bench/results/cuda
"""
COMPARISON = (
    *("operation", "layout", "inputs", "type", "N", "passes", "rival", "rival ms", "ours ms (p20 to p80)", "ratio"),
    *("ours from Python, ms", "floor MB", "floor ms", "share of copy", "target", "error"),
)
COMPARED = {
    "targets": "Against PyTorch's own operations",
    "compiled": "Against torch.compile",
    "others": "Other batches, layouts and variants",
}


def measured(lines: Iterable[Line], *kinds: str) -> list[Line]:
    """The lines of these kinds that hold a measurement."""
    return [line for line in lines if line["kind"] in kinds and line["status"] == "measured"]


def copy_bandwidth(lines: Iterable[Line]) -> float | None:
    """Bytes a second of the copy in the same run."""
    return next((line["bytes_per_second"] for line in measured(lines, "copy")), None)


def floor(line: Line, shape: Sequence[int]) -> Floor:
    """What a line's pass must move at least."""
    sizes = (line["batch"], *shape)
    return floor_of(line["operation"], line["passes"], SIZES[line["dtype"]], line["variant"], sizes)


def machine(lines: Sequence[Line], about: Line) -> list[str]:
    """Copy, L2 and reductions."""
    cells = [
        (line["row"], f"{line['bytes'] / 1e6:.1f}", f"{1000 * line['ms']['p50']:.1f}", rate(line["bytes_per_second"]))
        for line in measured(lines, "copy", "rows")
    ]
    return table(("what", "MB", "µs", "TB/s"), cells) if cells else []


def rate(bytes_per_second: float) -> str:
    return f"{bytes_per_second / 1e12:.2f}"


def parity(lines: Sequence[Line], about: Line) -> list[str]:
    """Errors against float64."""
    cells = [(line["row"], *errors(line["error"])) for line in measured(lines, "parity")]
    return table(("row", "values", "gradients, of the largest"), cells) if cells else []


def errors(error: Mapping[str, float]) -> tuple[str, str]:
    return f"{error['ours']:.1e}", f"{error['ours gradients']:.1e}"


def comparisons(step: str) -> Callable[[Sequence[Line], Line], list[str]]:
    """The table of one step's comparisons: a graph's times, or where there is none those launched from Python."""

    def section(lines: Sequence[Line], about: Line) -> list[str]:
        pairs: dict[tuple[str, str], dict[bool, Line]] = {}
        for line in measured(lines, "compare"):
            if line["step"] == step:
                pairs.setdefault((line["row"], line["passes"]), {})[line["graph"]] = line
        cells = [comparison(pair, about["shape"], copy_bandwidth(lines)) for pair in pairs.values()]
        return table(COMPARISON, cells) if cells else []

    return section


def comparison(pair: Mapping[bool, Line], shape: Sequence[int], bandwidth: float | None) -> tuple[str, ...]:
    """One line of a table."""
    line = pair.get(True) or pair[False]
    ours, least = line["ours_ms"], floor(line, shape)
    seconds = least.seconds(bandwidth) if bandwidth else None
    share = 1000 * seconds / ours["p50"] if seconds else None
    described = tuple(str(line[name]) for name in ("operation", "layout", "variant", "dtype", "batch", "passes"))
    times = (
        f"{line['rival_ms']['p50']:.4f}" if "rival_ms" in line else line.get("rival_reason", ""),
        f"{ours['p50']:.4f} ({ours['p20']:.4f} to {ours['p80']:.4f})",
        f"**{line['ratio']:.2f}**" if "ratio" in line else "",
        f"{pair[False]['ours_ms']['p50']:.4f}" if len(pair) == 2 else "",
    )
    floors = (f"{least.bytes / 1e6:.1f}", f"{1000 * seconds:.4f}" if seconds else "", f"{share:.0%}" if share else "")
    reached = target(line["targets"].get(line["passes"], {}), {"share": share, "ratio": line.get("ratio")})
    return (*described, line["rival"], *times, *floors, reached, f"{line['error']['ours']:.1e}")


def target(wanted: Mapping[str, float], reached: Mapping[str, float | None]) -> str:
    """The target of a line and whether it was met."""
    for name, least in wanted.items():
        value = reached[name]
        asked = f"{least:.0%} of copy" if name == "share" else f"{least:g}x"
        return asked if value is None else f"{asked}: {'met' if value >= least else 'missed'}"
    return ""


def tiles(lines: Sequence[Line], about: Line) -> list[str]:
    """Every candidate; the best of its entry in bold."""
    best = chosen(lines)
    cells = []
    for line in measured(lines, "tile"):
        time = f"{line['ms']['p50']:.4f}"
        marked = f"**{time}**" if best[line["entry"]] == line["tile"] else time
        tile = line["tile"]
        cells.append((line["entry"], str(tile["voxels"]), str(tile["channels"]), str(tile["warps"]), marked))
    return table(("entry", "voxels", "channels", "warps", "ms"), cells) if cells else []


def ladder(lines: Sequence[Line], about: Line) -> list[str]:
    """The five forward warps."""
    bandwidth, cells = copy_bandwidth(lines), []
    for line in measured(lines, "rung"):
        seconds = floor(line, about["shape"]).seconds(bandwidth) if bandwidth else None
        share = f"{1000 * seconds / line['ms']['p50']:.0%}" if seconds else ""
        cells.append((line["rung"], f"{line['ms']['p50']:.4f}", share, f"{line['error']:.1e}"))
    return table(("rung", "ms", "share of copy", "error"), cells) if cells else []


def frames(lines: Sequence[Line], about: Line) -> list[str]:
    """Both sides of whole frames and training steps."""
    sides: dict[str, dict[str, Line]] = {}
    for line in measured(lines, "rate"):
        sides.setdefault(line["row"].rpartition(", ")[0], {})[line["path"]] = line
    cells = []
    for name, both in sides.items():
        ours, plain = (both.get(path) for path in ("kernels", "PyTorch"))
        ratio = f"**{ours['rate'] / plain['rate']:.2f}**" if ours and plain else ""
        peaks = (f"{each['peak_bytes'] / 2**30:.2f}" if each and each["peak_bytes"] else "" for each in (ours, plain))
        cells.append((name, *(f"{each['rate']:.1f}" if each else "" for each in (ours, plain)), ratio, *peaks))
    heads = ("row", "kernels, a second", "PyTorch's, a second", "ratio", "GiB, kernels", "GiB, PyTorch's")
    return table(heads, cells) if cells else []


def failures(lines: Sequence[Line], about: Line) -> list[str]:
    """What was not measured, and why."""
    cells = [
        (line["row"], line["status"], " ".join(str(line.get("reason", "")).split()).replace("|", "\\|")[:300])
        for line in lines
        if line["status"] != "measured"
    ]
    return table(("row", "status", "reason"), cells) if cells else []


SECTIONS: dict[str, Callable[[Sequence[Line], Line], list[str]]] = {
    "The machine": machine,
    "Parity": parity,
    **{title: comparisons(step) for step, title in COMPARED.items()},
    "Tiles": tiles,
    "The ladder": ladder,
    "Whole frames": frames,
    "Not measured": failures,
}


def markdown(about: Line, lines: Sequence[Line]) -> str:
    """All tables that have a row."""
    text = [f"# {about['card']}", ""]
    if about["rehearsal"]:
        text += ["A rehearsal on a CPU, of small tensors: no figure here is a result.", ""]
    text += [
        f"(C, D, H, W) = {tuple(about['shape'])}; torch {about['torch']}, triton {about['triton']}, driver "
        f"{about['driver_before'].get('driver_version', 'unknown')}, {about['date']}, commit {about['commit'][:12]}; "
        f"medians of {about['repetitions']} repetitions of {about['calls']} calls. Command: `{about['command']}`.",
        "",
        "Ratio: rival over ours, more is better. The floor counts every tensor once (limits.py); its time is at the",
        "copy's bandwidth in the same run, and the share is that time over ours. Rivals get contiguous tensors. Times",
        'are those of CUDA graphs; "from Python" is the same calls launched one by one. Errors: against float64.',
        "",
    ]
    for title, section in SECTIONS.items():
        if body := section(lines, about):
            text += [f"## {title}", "", *body, ""]
    return "\n".join(text)


def read(folder: pathlib.Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The environment and the lines that a run left; a last line that was cut off is none."""
    about = json.loads((folder / "environment.json").read_text(encoding="utf-8"))
    rows = (folder / "rows.jsonl").read_text(encoding="utf-8")
    return about, [json.loads(line) for line in rows[: rows.rfind("\n") + 1].splitlines()]


def write(folder: pathlib.Path) -> None:
    """suite.md and tiles.json of a run's folder."""
    about, lines = read(folder)
    (folder / "suite.md").write_text(markdown(about, lines), encoding="utf-8")
    (folder / "tiles.json").write_text(json.dumps(tiles_file(about, lines), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write(pathlib.Path(sys.argv[1]))
