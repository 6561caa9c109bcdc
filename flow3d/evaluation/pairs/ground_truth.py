"""How good the ground truth is: ``python -m flow3d.evaluation.pairs.ground_truth --out data/results``.

Exact flow is judged by its use: the source, warped by it, must equal the target wherever both show the point.
The baseline is the best affine map; the control is the same flow with its axes swapped.
"""

import argparse
import json
import platform
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch

from ...checks import check_integer
from ...datasets import Pair, make_pair
from ...files import write_whole
from ...morphable import PARTS, Camera, Coefficients, Person, exact_flow, rasterise, talking_head
from ...preprocessing.images import to_uint8
from ...threads import one_thread
from ..scores.metrics import affine_flow, psnr, warp_image
from .protocols import FIRST_SEED


def flow_row(pair: Pair) -> dict[str, float]:
    """Measure one pair on its visible foreground: dB of each warp, the visible share and the yaw's degrees."""
    seen = pair.seen
    warped = {
        "exact": pair.flow,
        "affine": affine_flow(pair.flow, seen),
        "copy": torch.zeros_like(pair.flow),
        "swapped": pair.flow[[1, 0, 2]],
    }
    row = {name: psnr(warp_image(pair.source, flow), pair.target, seen) for name, flow in warped.items()}
    return row | {"visible": float(seen.sum() / (pair.target_alpha > 0.5).sum()), "yaw": pair.yaw_difference}


def measure_flow(pairs: int, size: int) -> dict[str, float]:
    """Means over ``pairs`` self-ID pairs of published seeds: dB, shares and degrees.

    Raises:
        ValueError: ``pairs`` below 1.
    """
    pairs = check_integer(pairs, "pairs", 1)
    rows = [flow_row(make_pair(FIRST_SEED + k, size)) for k in range(pairs)]
    result = {name: float(np.mean([r[name] for r in rows])) for name in rows[0]}
    yaws = np.array([r["yaw"] for r in rows])
    result |= {
        "gain over affine, worst pair": float(min(r["exact"] - r["affine"] for r in rows)),
        "yaw median": float(np.median(yaws)),
        "yaw above 35": float((yaws > 35).mean()),
    }
    return result


def measure_identities(count: int, size: int = 64) -> dict[str, float]:
    """Count the faults of ``count`` random identities, neutral and frontal: broken, outside the frame, parts hidden.

    Raises:
        ValueError: ``count`` below 1.
    """
    count, unit = check_integer(count, "count", 1), Camera().pixels_per_unit(size)
    enough = (0.30 * unit) * (0.08 * unit)  # pixels: a third of an eye
    broken = outside = no_eyes = no_mouth = 0
    for k in range(count):
        frame = Person.random(FIRST_SEED + k).render(Coefficients.neutral(), size)
        labels = frame.labels[0]
        broken += not bool(torch.isfinite(frame.image).all())
        face = torch.isin(labels, torch.tensor([PARTS[name] for name in ("skin", "ear", "hair", "eyes")]))
        outside += bool(face[0].any()) or bool((labels[:, [0, -1]] == PARTS["skin"]).any())
        left, right = labels[:, : size // 2], labels[:, size // 2 :]
        no_eyes += any(int((half == PARTS["eyes"]).sum()) < enough for half in (left, right))
        no_mouth += int((labels == PARTS["mouth"]).sum()) < enough
    counts = {"not finite": broken, "outside the frame": outside, "an eye hidden": no_eyes, "mouth hidden": no_mouth}
    return {"identities": count} | counts


def _milliseconds(work: Callable[[int], object], repeat: int) -> float:
    start = time.process_time()
    for k in range(repeat):
        work(k)
    return 1000 * (time.process_time() - start) / repeat


@one_thread()
def measure_speed(repeat: int = 60) -> dict[str, float]:
    """CPU milliseconds of one thread: every stage at 64 px, 2 x 2 samples a pixel, and a slider's frame of 128 px."""
    person, motion = Person.random(5), talking_head(repeat, 5)
    source = person.render(motion.frame(0), 64)
    frames = [person.render(motion.frame(k), 64) for k in range(repeat)]
    screens = [(2 * frame.screen + 1, frame.vertex_depth) for frame in frames]

    def redraw(k: int) -> None:
        picture = person.render(motion.frame(k), 128).image
        cv2.imencode(".png", to_uint8(picture))

    spent = {
        "pose, ms": _milliseconds(lambda k: person.vertices(motion.frame(k)), repeat),
        "rasterise, ms": _milliseconds(
            lambda k: rasterise(*screens[k], person.faces, 129, person.double_sided), repeat
        ),
        "whole frame, ms": _milliseconds(lambda k: person.render(motion.frame(k), 64), repeat),
        "exact flow, ms": _milliseconds(lambda k: exact_flow(frames[k], source), repeat),
    }
    per_second = 1000 / (spent["whole frame, ms"] + spent["exact flow, ms"])
    return spent | {"frames with flow a second": per_second, "128 px drawn as PNG, ms": _milliseconds(redraw, repeat)}


def report(pairs: int, identities: int, size: int) -> dict[str, dict[str, float]]:
    """All measurements."""
    return {
        "exact flow": measure_flow(pairs, size),
        "identities": measure_identities(identities),
        "speed": measure_speed(),
    }


def main() -> None:
    """Measure and write ``ground_truth.json`` and ``ground_truth.md``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for ground_truth.json and ground_truth.md")
    parser.add_argument("--pairs", type=int, default=50)
    parser.add_argument("--identities", type=int, default=300)
    parser.add_argument("--size", type=int, default=128)
    options = parser.parse_args()
    tables = report(options.pairs, options.identities, options.size)
    command = f"python -m flow3d.evaluation.pairs.ground_truth --out {options.out} --pairs {options.pairs}"
    command += f" --identities {options.identities} --size {options.size}"
    lines = ["# Ground truth, measured", "", f"`{command}`, seeds from {FIRST_SEED:,}, {time.strftime('%Y-%m-%d')},",
             f"torch {torch.__version__}, Python {platform.python_version()}, CPU time of one thread.", ""]  # fmt: skip
    for title, table in tables.items():
        lines += [f"## {title.capitalize()}", "", "| what | value |", "|---|---|"]
        lines += [f"| {name} | {value:.4g} |" for name, value in table.items()] + [""]
    options.out.mkdir(parents=True, exist_ok=True)
    write_whole(options.out / "ground_truth.json", (json.dumps(tables, indent=1) + "\n").encode())
    write_whole(options.out / "ground_truth.md", "\n".join(lines).encode())
    print("\n".join(lines))


if __name__ == "__main__":
    main()
