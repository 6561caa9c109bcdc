"""Draw the roofline: how fast DRAM and arithmetic let each operation be on a card, and how fast it was, where measured.

    python kernels/bench/roofline.py --out kernels/bench/results/

A point's height is operations per second. Both operations live on the slope, where bytes over bandwidth are the higher
of these two floors. That does not mean that memory decides: the instructions that a kernel issues and the bytes that it
takes from the L2 cache have roofs of their own, which this picture lacks. Notebook 08 draws them: the obvious warp hits
both before DRAM's, and in bfloat16 even ours issues as long as it moves. Measured points come from the suite's run in
the folder cuda beside the picture; without one there are none.
"""

import argparse
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

import matplotlib as mpl

import suite_report
from limits import Floor, floor_of

mpl.use("Agg")
from matplotlib import pyplot as plt

BANDWIDTH, PEAK = 4.3e12, 60e12  # of a large card of 2024, assumed: bytes and float32 operations a second
POINTS = {  # name -> operation, passes, bytes of a value, variant
    "warp3d": ("warp3d", "forward", 4, "smooth flow"),
    "warp3d, bfloat16": ("warp3d", "forward", 2, "smooth flow"),
    "warp3d backward": ("warp3d", "backward", 4, "smooth flow"),
    "warp3d backward, bfloat16": ("warp3d", "backward", 2, "smooth flow"),
    "adain3d": ("adain3d", "forward", 4, "style per channel"),
    "adain3d, bfloat16": ("adain3d", "forward", 2, "style per channel"),
    "adain3d backward": ("adain3d", "backward", 4, "style per channel"),
    "adain3d backward, bfloat16": ("adain3d", "backward", 2, "style per channel"),
}


def floors() -> dict[str, Floor]:
    """Floors at the paper's volume, a batch of 16."""
    return {name: floor_of(*point) for name, point in POINTS.items()}


def measured(lines: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Seconds of each point, where a run on a card has them: channels-last, a batch of 16, in a graph."""
    seconds = {}
    for name, (operation, passes, itemsize, variant) in POINTS.items():
        wanted = {"operation": operation, "passes": passes, "variant": variant, "layout": "channels-last", "batch": 16}
        wanted |= {"dtype": "float32" if itemsize == 4 else "bfloat16", "rival": "eager", "graph": True}
        for line in suite_report.measured(lines, "compare"):
            if wanted.items() <= line.items():
                seconds[name] = line["ours_ms"]["p50"] / 1000
    return seconds


def draw(run: tuple[dict[str, Any], list[dict[str, Any]]] | None, file: pathlib.Path) -> None:
    """Roof, floors on it, and whatever was measured below it."""
    about, lines = run or ({}, [])
    bandwidth = suite_report.copy_bandwidth(lines) or BANDWIDTH
    figure, axes = plt.subplots(figsize=(9, 5.2))
    intensities = [0.3, PEAK / bandwidth, 60]
    axes.loglog(intensities, [min(bandwidth * each, PEAK) / 1e12 for each in intensities], color="black", lw=1.5)
    seconds = measured(lines)
    for index, (name, floor) in enumerate(floors().items()):
        colour, least = f"C{index}", floor.seconds(bandwidth, PEAK)
        label = f"{name}: {floor.bytes / 1e6:.0f} MB, at least {1e6 * least:.0f} µs"
        axes.plot(floor.intensity, floor.operations / least / 1e12, "o", mfc="none", color=colour, ms=9, label=label)
        if name in seconds:
            axes.plot(floor.intensity, floor.operations / seconds[name] / 1e12, "o", color=colour, ms=7)
    axes.set_xticks([0.3, 1, 3, 10, 30], ["0.3", "1", "3", "10", "30"])
    axes.set_yticks([1, 3, 10, 30, 60], ["1", "3", "10", "30", "60"])
    axes.minorticks_off()
    axes.set_xlabel("operations per byte")
    axes.set_ylabel("float32 operations per second, 10¹²")
    where = about["card"] if run else f"assumed card: {BANDWIDTH / 1e12} TB/s, {PEAK / 1e12:.0f} TFLOP/s"
    points = "Filled: measured" if seconds else "No card has run these yet"
    axes.set_title(f"16 x 32 x 16 x 64 x 64. Hollow: floor of DRAM. {points}.\n{where}", fontsize=10)
    axes.legend(fontsize=8, loc="lower right")
    axes.grid(alpha=0.2)
    figure.tight_layout()
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=110, metadata={"Software": None})
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder for roofline.png")
    options = parser.parse_args()
    run = suite_report.read(options.out / "cuda") if (options.out / "cuda").is_dir() else None
    draw(run, options.out / "roofline.png")


if __name__ == "__main__":
    main()
