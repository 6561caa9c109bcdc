"""Notebook 04's experiment, training with and without the cyclic warp loss, and the figures of the recorded runs.

``python -m flow3d.teach.lessons.lesson_04 --work runs/cyclic --out data/results/cyclic_warp_loss.json`` trains
``micro`` (extended, phase 1) with several lambda_cw and seeds. A run whose curves are in ``--work`` is not repeated.
"""

import argparse
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from flow3d import assets
from flow3d.config import preset
from flow3d.datasets.batch import Batch
from flow3d.datasets.cache import FrameCache
from flow3d.datasets.cache_build import build_cache
from flow3d.evaluation.scores.consistency import cycle_distance
from flow3d.evaluation.scores.metrics import mean_end_point_error, psnr
from flow3d.files import write_whole
from flow3d.renderer import FlowRenderer
from flow3d.synthesis import cut_out
from flow3d.teach.figures import COLORS, to_rgb8
from flow3d.teach.figures.picture import Picture
from flow3d.teach.figures.style import INK, STYLE, new_figure, show_picture
from flow3d.training import Lambdas, Trainer, TrainingConfig, loss_cw

RECORD = "results/cyclic_warp_loss.json"
Record = Mapping[str, Any]
PANELS = {"flow_error": "flow error (px)", "cycle": "$L_{cw}$ (Eq. 3)", "warped_psnr": "warped picture (dB)"}

STEPS, EVERY, SEEDS, PAIRS = 400, 50, (0, 1, 2), 120
FRAMES = {"frames": (150, 0), "held": (20, 1_000_000)}  # identities, the first one's seed
LAMBDAS = {"photometric": (0.0, 2.0, 20.0), "exact flow": (0.0, 2.0)}
# What the flow learns from: the target's picture alone, or the exact flow too.
FLOW_WEIGHT = {"photometric": 0.0, "exact flow": 5.0}
STYLES = {0.0: ("grey", "--"), 2.0: ("blue", "-"), 20.0: ("red", "-.")}
# Spelt out, since the shipped recipe may change: every loss on every step, weights averaged over 100 steps.
RECIPE = TrainingConfig(
    preset="micro", recipe="extended", steps=STEPS, learning_rate=1e-3, rate_warmup=100, decay=25.0, rate_linear=True,
    lambdas=Lambdas(lambda_pw=1.0, lambda_cw=0.0, lambda_3dw=0.2, lambda_3df=1.0, lambda_inp=1.0), clip=2.0, ema=0.99,
    target_detach=True, rgb_loss=0.1, flow_rest=0.2, cross_pairs=0.3, hard_pairs=0.5, region_weights=(16.0, 8.0),
)  # fmt: skip
# Told the pose, a renderer knows most of the motion before its first step; here the flow must learn all of it.
RENDERER = preset("micro", "extended").replace(pose_flow=False, residual_where_seen=False)


def recipe(supervision: str, lambda_cw: float, seed: int, steps: int = STEPS) -> TrainingConfig:
    """The training of one run: extended micro, phase 1; runs differ in the first three arguments only."""
    lambdas = replace(RECIPE.lambdas, lambda_cw=lambda_cw)
    return RECIPE.replace(steps=steps, seed=seed, lambdas=lambdas, flow_weight=FLOW_WEIGHT[supervision])


@torch.no_grad()
def measure(renderer: FlowRenderer, pairs: Batch) -> dict[str, float]:
    """Measure a warping stage against the truth.

    Returns:
        ``flow_error``: distance to the exact flow on the visible person, pixels. ``warped_psnr``: of the decoded warp
        against the target's foreground, dB. ``cycle``: Eq. 3. ``autoencoder``: Eq. 3 without any warp; the cycle
        contains this error twice. ``way_back``: how far a pixel of the person ends from where it began, pixels.
    """
    mapping, stage = renderer.mapping, renderer.warping
    start, z = mapping(pairs.source_window), mapping(pairs.target_window)
    source = stage.encode(cut_out(pairs.source, pairs.source_alpha))
    warped = stage(source, z, start)
    back = stage(stage.encode(warped.image), start, z)
    there, here = warped.pixel_flow, back.pixel_flow
    return {
        "flow_error": mean_end_point_error(there, pairs.flow, pairs.seen),
        "warped_psnr": mean_psnr(warped.image, pairs.target_foreground),
        "cycle": float(loss_cw(back.image, source.foreground)),
        "autoencoder": float(loss_cw(stage.decoder(source.volume), source.foreground)),
        "way_back": cycle_distance(there, here, pairs.source_alpha > 0.5),
    }


def baseline(pairs: Batch) -> dict[str, float]:
    """The same measures without motion: zero flow, and the source's foreground in the target's place."""
    error = mean_end_point_error(torch.zeros_like(pairs.flow), pairs.flow, pairs.seen)
    level = mean_psnr(pairs.source_foreground, pairs.target_foreground)
    return {"flow_error": error, "cycle": 0.0, "way_back": 0.0, "warped_psnr": level}


def mean_psnr(pictures: Float[Tensor, "B 3 S S"], truths: Float[Tensor, "B 3 S S"]) -> float:
    """The mean over pairs of the PSNR of whole pictures, dB."""
    return sum(psnr(picture, truth) for picture, truth in zip(pictures, truths, strict=True)) / len(pictures)


def train(config: TrainingConfig, data: FrameCache, pairs: Batch, out: Path, every: int = EVERY) -> dict[str, Any]:
    """Train, and return the averaged weights' measures before the first step and after every ``every``-th.

    Raises:
        KeyboardInterrupt: Ctrl-C ended it early.
    """
    trainer = Trainer(config, data, out, save_minutes=1e9, sheet_minutes=1e9, described=RENDERER)
    curves: dict[str, list[float]] = {"step": [0]} | {k: [v] for k, v in measure(trainer.shadow(), pairs).items()}

    def watch(now: Trainer) -> None:
        if now.step % every == 0:
            for name, value in {"step": now.step, **measure(now.shadow(), pairs)}.items():
                curves[name].append(value)

    if trainer.run(watch=watch) == "interrupted":
        raise KeyboardInterrupt
    rounded = {k: [round(float(v), 5) for v in values] for k, values in curves.items()}
    return rounded | {"seconds": round(trainer.seconds)}


def read_record() -> Record:
    """The shipped record, which the command wrote: ``settings``, ``baseline`` and ``runs``."""
    return json.loads(assets.path(RECORD).read_text(encoding="utf-8"))


def curves_of(record: Record, supervision: str, name: str) -> dict[float, np.ndarray]:
    """A measure's curves by lambda_cw, each an array of seeds by measurements.

    Raises:
        ValueError: there is no such run.
    """
    curves: dict[float, list[Sequence[float]]] = {}
    for run in record["runs"]:
        if run["supervision"] == supervision:
            curves.setdefault(run["lambda_cw"], []).append(run[name])
    if not curves:
        known = sorted({run["supervision"] for run in record["runs"]})
        raise ValueError(f"supervision: expected one of {', '.join(known)}, got {supervision!r}")
    return {weight: np.array(curves[weight]) for weight in sorted(curves)}


def recorded_curves(record: Record, supervision: str) -> Figure:
    """Three measures over the steps: the mean over seeds, shaded from the lowest seed to the highest."""
    with new_figure(1, len(PANELS), 9.0, 2.7) as (figure, axes):
        _draw_curves(axes[0], record, supervision)
    return figure


def signature(strip: Mapping[str, Picture], record: Record, supervision: str) -> Figure:
    """The way there and back in pictures, above the recorded curves."""
    side = 9.0 / len(strip)
    with plt.rc_context(STYLE):
        figure = plt.figure(figsize=(9.0, side + 3.2), layout="constrained")
        halves = figure.add_gridspec(2, 1, height_ratios=[side + 0.3, 2.9])
        above, below = (figure.add_subfigure(half) for half in halves)
        for cell, (title, picture) in zip(above.subplots(1, len(strip)), strip.items(), strict=True):
            show_picture(cell, to_rgb8(picture), title)
        _draw_curves(list(below.subplots(1, len(PANELS))), record, supervision)
        plt.close(figure)
    return figure


def _draw_curves(cells: Sequence[Axes], record: Record, supervision: str) -> None:
    steps = np.array(record["runs"][0]["step"])
    for cell, (name, title) in zip(cells, PANELS.items(), strict=True):
        by_weight = curves_of(record, supervision, name)
        for weight, curves in by_weight.items():
            hue, dash = STYLES[weight]
            trained = curves[:, 1:]  # the value before the first step is noise
            cell.fill_between(steps[1:], trained.min(0), trained.max(0), color=COLORS[hue], alpha=0.18, linewidth=0)
            cell.plot(steps[1:], trained.mean(0), dash, color=COLORS[hue], label=f"$\\lambda_{{cw}}$ = {weight:g}")
        if name != "cycle":
            cell.axhline(record["baseline"][name], color=INK, linewidth=0.8, linestyle=":")
        cell.set(xlabel="step", title=title)
    cells[0].legend(loc="lower left")


def main() -> None:
    """Do the missing runs, then write all of them into one file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder for frames and runs")
    parser.add_argument("--out", type=Path, required=True, help="the file to write")
    options = parser.parse_args()
    torch.set_num_threads(1)
    caches = {k: build_cache(options.work / k, n, 24, 32, seed=first, clips=2) for k, (n, first) in FRAMES.items()}
    pairs = caches["held"].batch(*caches["held"].draw(np.random.default_rng(0), PAIRS), both=False)
    runs = []
    for supervision, lambdas in LAMBDAS.items():
        for lambda_cw in lambdas:
            for seed in SEEDS:
                about = {"supervision": supervision, "lambda_cw": lambda_cw, "seed": seed}
                folder = options.work / f"{supervision} {lambda_cw:g} {seed}".replace(" ", "_")
                if not (folder / "curves.json").is_file():
                    shutil.rmtree(folder, ignore_errors=True)  # an interrupted run starts again
                    curves = train(recipe(supervision, lambda_cw, seed), caches["frames"], pairs, folder)
                    write_whole(folder / "curves.json", json.dumps(curves).encode())
                runs.append(about | json.loads((folder / "curves.json").read_text()))
                print({k: v[-1] if isinstance(v, list) else v for k, v in runs[-1].items()}, flush=True)
    settings = {
        "training": json.loads(RECIPE.to_json()), "flow_weight": FLOW_WEIGHT, "identities and first seed": FRAMES,
        "frames of each": 24, "held-out pairs": PAIRS, "torch": torch.__version__, "seconds": "on a shared core",
    }  # fmt: skip
    result = {"settings": settings, "baseline": baseline(pairs), "runs": runs}
    write_whole(options.out, (json.dumps(result, indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
