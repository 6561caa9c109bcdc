"""How results are written down: what ran where, and one table for each device."""

import pathlib
import platform
import subprocess
from collections.abc import Sequence

import torch

import cases
import gpu
from cases import Row
from limits import floor_of

ROOT = pathlib.Path(__file__).resolve().parents[2]
COLUMNS = (
    *("operation", "our layout", "inputs", "plain layout", "passes"),
    *("plain ms", "ours ms", "ratio", "target", "error", "plain error"),
)
CARD_COLUMNS = (
    *("operation", "layout", "inputs", "type", "N", "passes", "rival", "rival ms", "ours ms (p20 to p80)"),
    *("ratio", "floor MB", "floor ms", "share of copy bandwidth", "error"),
)
SIZES = {"float32": 4, "bfloat16": 2}


def processor() -> str:
    info = pathlib.Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor()
    )


def head_commit() -> str:
    try:
        command = ["git", "rev-parse", "HEAD"]
        answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "unknown"
    return answer.stdout.strip() or "unknown"


def card() -> dict[str, str]:
    """Name and driver of the card, and the compiler's version."""
    import triton

    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader", "--id=0"]
    try:
        driver = subprocess.run(query, capture_output=True, text=True, check=False).stdout.strip()
    except FileNotFoundError:
        driver = ""
    about = {"device": torch.cuda.get_device_name(0), "driver": driver or "unknown", "triton": triton.__version__}
    return about | {"toolkit": str(torch.version.cuda or torch.version.hip)}


def table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    return [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|", *(f"| {' | '.join(row)} |" for row in rows)]


def cpu_markdown(record: dict) -> str:
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


def card_markdown(record: dict | None) -> str:
    """The table of a run on a card; every row with empty cells where there has been none."""
    if record is None:
        title, about = "A card", ["No run has filled this table yet: a cell that nobody measured stays empty."]
        cells = [card_row(each, None, None) for each in planned_rows()]
    else:
        info = record["about"]
        title = info["device"]
        about = [
            f"(C, D, H, W) = {tuple(info['shape'][1:])}; torch {info['torch']}, triton {info['triton']}, driver "
            f"{info['driver']}, {info['date']}, commit {info['commit'][:12]}, {info['repetitions']} repetitions of "
            f"{gpu.CALLS} calls. Copy bandwidth in the same run: {info['copy_bandwidth'] / 1e12:.2f} TB/s.",
        ]
        cells = [card_row(row, row, info["copy_bandwidth"]) for row in record["rows"]]
        for each in record.get("failed", ()):  # stays empty, with the reason
            about.append(f"Not measured: {', '.join(str(v) for v in each.values())}.")
    lines = [
        f"# {title}",
        "",
        *about,
        "Command: `python kernels/bench/operations.py --device cuda --out kernels/bench/results/`.",
        "",
        "Ratio: rival over ours, medians: more is better. The floor counts every tensor once (limits.py); its time is",
        "at the copy bandwidth of the same run, and the share is that time over ours. Rivals get contiguous tensors.",
        "",
        *table(CARD_COLUMNS, cells),
    ]
    return "\n".join(lines) + "\n"


def card_row(planned: dict, measured: dict | None, bandwidth: float | None) -> tuple[str, ...]:
    shape = (planned["batch"], *cases.SHAPE[1:])
    passes = planned["passes"].removesuffix(" (graph)")
    floor = floor_of(planned["operation"], passes, SIZES[planned["dtype"]], planned["variant"], shape)
    described = (planned["operation"], planned["layout"], planned["variant"], planned["dtype"], str(planned["batch"]))
    described += (planned["passes"], planned["rival"])
    size = f"{floor.bytes / 1e6:.1f}"
    if measured is None or bandwidth is None:
        return (*described, "", "", "", size, "", "", "")
    ours, least = measured["ours_ms"], 1000 * floor.seconds(bandwidth)
    times = (f"{measured['plain_ms']['p50']:.3f}", f"{ours['p50']:.3f} ({ours['p20']:.3f} to {ours['p80']:.3f})")
    shares = (
        f"**{measured['plain_ms']['p50'] / ours['p50']:.2f}**",
        size,
        f"{least:.3f}",
        f"{least / ours['p50']:.0%}",
    )
    return (*described, *times, *shares, f"{measured['error']['ours']:.1e}")


def planned_rows() -> list[dict]:
    """What a run on a card would measure."""

    def planned(row: Row, passes: str) -> dict:
        return row.described() | {"passes": passes}

    rows = []
    for row in gpu.rows("meta"):
        graphs = ("", " (graph)") if row.inputs[0].shape[0] == 1 else ("",)
        rows += [planned(row, passes + graph) for passes in gpu.PASSES for graph in graphs]
    return rows
