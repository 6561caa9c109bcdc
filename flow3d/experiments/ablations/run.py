"""One variant at a time: train both phases from scratch, measure on held-out pairs, keep the numbers in a file."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...config import Preset
from ...datasets.cache import FrameCache
from ...evaluation.measure.edits import OUTPUT, Sums, measure_edits, summarise
from ...evaluation.measure.method import Method, Reenacted, renderer_method
from ...evaluation.measure.pair_rows import Pairs, Row, measure_pairs
from ...evaluation.measure.volume_rows import correlation, depth_row, deviation
from ...evaluation.pairs.protocols import self_seeds
from ...evaluation.report.quality_tables import SPOT
from ...evaluation.report.table import column, gain
from ...evaluation.scores.catalogue import EDITED
from ...evaluation.scores.statistics import mean, ratio
from ...fields import Configuration, Count
from ...files import claim
from ...renderer import FlowRenderer
from ...training.error_bank import ErrorBank
from ...training.frames import hold_on_card
from ...training.trainer import Trainer
from .observed_cache import ObservedCache
from .results import Numbers, Result, read_or_run, result_path
from .variants import RECIPES_OF, VARIANTS, Variant


@dataclass(frozen=True)
class Budget(Configuration):
    """The budget of every variant: a preset, the steps of each phase, and the number of measured pairs.

    Raises:
        ValueError: an unknown preset, or a number below 1.
    """

    preset: Preset = "micro"
    phase_1: Count = 600  # steps
    phase_2: Count = 300
    pairs: Count = 60  # self-ID pairs, and as many cross-ID ones
    wide: Count = 30  # self-ID pairs of large yaw
    identities: Count = 12  # persons whose coefficients are edited


def run_variant(
    variant: Variant,
    seed: int,
    budget: Budget,
    data: FrameCache,
    lists: Mapping[str, Pairs],
    bank: ErrorBank,
    work: Path,
) -> Result:
    """Train and measure one variant; the folder ``work`` keeps its weights.

    Raises:
        KeyboardInterrupt: Ctrl-C ended a training early; nothing of the variant is kept.
    """
    one_frame = "observed, one frame"
    frames = data if variant.trained_on == "exact" else ObservedCache(data, bank, variant.trained_on == one_frame)
    renderer_config, seconds, start = variant.renderer_config(budget.preset), 0.0, None
    for phase, steps in ((1, budget.phase_1), (2, budget.phase_2)):
        out = work / f"phase_{phase}"
        shutil.rmtree(out, ignore_errors=True)  # what an interrupted call left
        config = variant.training_config(budget.preset, phase, steps, seed)
        trainer = Trainer(
            config, frames, out, start=start, save_minutes=1e9, sheet_minutes=1e9, described=renderer_config
        )  # fmt: skip
        hold_on_card((frames,), trainer.accelerator.device)
        if trainer.run() == "interrupted":
            raise KeyboardInterrupt
        seconds, start = seconds + trainer.seconds, out
    renderer = FlowRenderer.from_pretrained(work / "phase_2" / "weights").eval()
    method = renderer_method(renderer)
    if variant.measured_on != "exact":
        method = observed_method(method, bank, variant.measured_on == one_frame)
    numbers = score_method(method, lists, budget)
    return {"leg": variant.name, "seed": seed, "seconds": round(seconds), "numbers": numbers}


def observed_method(method: Method, bank: ErrorBank, one_frame: bool) -> Method:
    """The method, given windows with a regressor's errors, both of the source and of the driving frames."""

    def observing(source: torch.Tensor, alpha: torch.Tensor, window: torch.Tensor, windows: torch.Tensor) -> Reenacted:
        rng = np.random.default_rng([2, int(windows.abs().sum() * 1000) % 2**31])  # the same for the same pair
        observed = bank.observe(torch.cat([window[None], windows]), rng, one_frame)
        return method(source, alpha, observed[0], observed[1:])

    return observing


def score_method(method: Method, lists: Mapping[str, Pairs], budget: Budget) -> Numbers:
    """The scores of a method on the lists "self", "cross" and "wide" of :func:`pair_lists`, and on edits."""
    numbers: Numbers = {}
    size = next(iter(lists["self"].values())).source.shape[-1]
    for name in ("self", "cross", "wide"):
        rows = list(measure_pairs(method, lists[name], depth_row if name == "self" else None).values())
        numbers[f"{name}_psnr"] = gain(rows, "psnr output", "psnr copy").value
        numbers[f"{name}_features"] = gain(rows, "features output", "features copy").value
        if np.isfinite(column(rows, "flow error")).any():
            share = ratio(column(rows, "flow error"), column(rows, "flow zero")).value
            numbers[f"{name}_flow_error"] = 100 * share
        sharpness = ratio(column(rows, "gradient output"), column(rows, "gradient truth"))
        numbers[f"{name}_sharpness"] = sharpness.value
        leak = mean(column(rows, "leak"))
        if leak.count:
            numbers[f"{name}_leak"] = 255 * leak.value
        if name == "self":
            numbers |= depth_numbers(rows)
    sums = measure_edits(method, self_seeds(budget.identities), size)[OUTPUT]
    numbers |= gains(sums)
    return {key: round(float(value), 5) for key, value in numbers.items()}


def depth_numbers(rows: Sequence[Row]) -> Numbers:
    """How three-dimensional the flow is, and pictures with a bright spot; a score that is not defined is left out."""
    numbers = {"self_spots": 100 * mean([float(row["brightest"] > SPOT) for row in rows]).value}
    if any("slices count" in row for row in rows):
        numbers |= {
            "self_slices": 100 * deviation(rows).value,
            "self_slices_correlation": correlation(rows, "slices").value,
            "self_dz_correlation": correlation(rows, "dz").value,
            "self_voxel_error": 100 * ratio(column(rows, "voxel error"), column(rows, "voxel zero")).value,
        }
    return {key: value for key, value in numbers.items() if np.isfinite(value)}


def gains(sums: Sums) -> Numbers:
    """The gain of every edit that is among the scores."""
    return {f"{edit}_gain": summarise(sums[edit])["gain"].value for edit in EDITED}


def settings_of(budget: Budget, data: FrameCache) -> dict[str, Any]:
    """The settings that two results must share to be compared."""
    return asdict(budget) | {"identities trained on": data.identities, "frames of each": data.frames}


def run_variants(
    names: Sequence[str],
    seeds: Iterable[int],
    budget: Budget,
    data: FrameCache,
    lists: Mapping[str, Pairs],
    bank: ErrorBank,
    out: Path,
    say: Callable[[str], None] = print,
) -> list[Result]:
    """Run the variants that ``out`` does not hold yet, seed by seed, so that an early stop leaves whole comparisons.

    Raises:
        ValueError: an unknown variant, no variant or seed, ``out`` holds results of another budget or of
            earlier recipes, or another run uses it.
        KeyboardInterrupt: Ctrl-C; variants that are done are kept.
    """
    unknown = [name for name in names if name not in VARIANTS]
    seeds = list(seeds)
    if unknown or not names:
        raise ValueError(f"variants: expected some of {', '.join(VARIANTS)}; got {', '.join(unknown) or 'none'}")
    if not seeds:
        raise ValueError("seeds: expected at least one, got none")
    settings, results = settings_of(budget, data) | {"recipes of": RECIPES_OF}, []
    with claim(out):
        for seed, name in product(seeds, names):
            path = result_path(out, name, seed)
            run = partial(run_variant, VARIANTS[name], seed, budget, data, lists, bank, out / "work" / path.stem)
            results.append(read_or_run(path, settings, run, say))
    return results
