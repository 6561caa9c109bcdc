"""Method by method, seed by seed: train what is missing, measure it as the ablations are, keep numbers and weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from ...checks import check_integer
from ...config import Preset
from ...datasets import Pair
from ...datasets.cache import FrameCache
from ...evaluation.measure.edits import EXACT, measure_edits
from ...evaluation.measure.method import Method, renderer_method
from ...evaluation.measure.pair_rows import SIGMAS, Pairs, baselines, measure_pairs, regions
from ...evaluation.pairs.protocols import self_seeds
from ...evaluation.report.table import column
from ...evaluation.scores.catalogue import SCORES
from ...evaluation.scores.metrics import affine_flow, blur
from ...evaluation.scores.statistics import mean
from ...files import claim
from ...renderer import FlowRenderer
from ...sizes import COEFFICIENT_COUNT, WINDOW
from ...training.error_bank import ErrorBank
from ..ablations.results import Numbers, Result, read_or_run, read_result, result_path
from ..ablations.run import Budget, gains, run_variant, score_method, settings_of
from ..ablations.variants import RECIPES_OF, VARIANTS
from .methods import DrivingPictures, oracle_method, rival_method
from .registry import rival
from .train import train

OURS, UNTOLD = "3DFlowRenderer (ours)", "3DFlowRenderer, not told the pose (ours)"
OWN = {OURS: "extended", UNTOLD: "without pose_flow"}  # the ablations' variant behind each
AFFINE = "least-squares affine"
Lists = Mapping[str, Pairs]


def budget_of(preset: Preset, steps: int, pairs: int, wide: int, identities: int) -> Budget:
    """The budget of a method: two thirds of the steps are phase 1, as in the ablations.

    Raises:
        ValueError: fewer than three steps, or another number below 1.
    """
    second = check_integer(steps, "steps", 3) // 3
    return Budget(preset, steps - second, second, pairs, wide, identities)


@dataclass(frozen=True, eq=False)
class Runner:
    """Trains and measures methods that share budget, data and lists.

    Attributes:
        budget, data, lists: as for the ablations; the same for every method.
        out: folder for each method's numbers and weights.
        residual: the rivals have the help that :meth:`Rival.coloured` describes.
        ours: folder of the command ``ablate``, whose results of the same budget are taken over; None trains ours here.
    """

    budget: Budget
    data: FrameCache
    lists: Lists
    out: Path
    residual: bool = True
    ours: Path | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of our own results; see :func:`flow3d.experiments.ablations.run.settings_of`."""
        return settings_of(self.budget, self.data) | {"recipes of": RECIPES_OF}

    def drivers(self) -> DrivingPictures:
        """The driving pictures of everything that is measured."""
        return DrivingPictures(self.lists, self_seeds(self.budget.identities), self.data.size)

    def run(self, names: Sequence[str], seeds: Iterable[int], say: Callable[[str], None] = print) -> list[Result]:
        """Run the methods that ``out`` does not hold yet, seed by seed, so that an early stop leaves whole comparisons.

        Raises:
            ValueError: an unknown or absent method, no method or seed, ``out`` holds results of other settings, or
                another run uses it.
        """
        seeds = list(seeds)
        if not names or not seeds:
            raise ValueError(f"{'seeds' if names else 'methods'}: expected at least one, got none")
        for name in names:
            if name not in OWN:
                rival(name, self.budget.preset)
        results, drivers = [], self.drivers()
        with claim(self.out):
            for seed, name in product(seeds, names):
                run = partial(self._own, name, seed) if name in OWN else partial(self._rival, name, seed, drivers)
                # no rival depends on our recipes
                rivals = settings_of(self.budget, self.data) | {"residual": self.residual}
                settings = self.settings if name in OWN else rivals
                results.append(read_or_run(result_path(self.out, name, seed), settings, run, say))
        return results

    def _rival(self, name: str, seed: int, drivers: DrivingPictures) -> Result:
        torch.manual_seed(seed)
        network = rival(name, self.budget.preset, self.residual)
        network, seconds = train(network, self.data, self.budget, seed)
        save_file(network.state_dict(), self._weights(name, seed))
        numbers = score_method(rival_method(network, drivers), self.lists, self.budget)
        parameters = sum(p.numel() for p in network.parameters())
        return {"method": name, "seed": seed, "seconds": round(seconds), "parameters": parameters, "numbers": numbers}

    def _own(self, name: str, seed: int) -> Result:
        variant = VARIANTS[OWN[name]]
        parameters = sum(p.numel() for p in FlowRenderer(variant.renderer_config(self.budget.preset)).parameters())
        result = self._taken_over(name, seed)
        if result is None:
            unused = ErrorBank(torch.zeros(1, WINDOW, COEFFICIENT_COUNT))  # its windows are exact
            work = self._work(name, seed)
            result = run_variant(variant, seed, self.budget, self.data, self.lists, unused, work)
        seconds, numbers = result["seconds"], result["numbers"]
        return {"method": name, "seed": seed, "seconds": seconds, "parameters": parameters, "numbers": numbers}

    def _taken_over(self, name: str, seed: int) -> Result | None:
        if self.ours is None or not (path := result_path(self.ours, OWN[name], seed)).is_file():
            return None
        result, wanted = read_result(path), self.settings
        if result["settings"] != wanted:
            raise ValueError(f"ours: expected a result of {wanted}, got {result['settings']} in {path.name!r}")
        return result

    def _work(self, name: str, seed: int) -> Path:
        return self.out / "work" / result_path(self.out, name, seed).stem

    def _weights(self, name: str, seed: int) -> Path:
        path = self._work(name, seed).with_suffix(".safetensors")
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def method(self, name: str, seed: int) -> Method | None:
        """A trained method, for pictures; None where its weights are not kept."""
        if name in OWN:
            other = self.ours or self.out
            folders = (self._work(name, seed), other / "work" / result_path(other, OWN[name], seed).stem)
            kept = [path for folder in folders if (path := folder / "phase_2" / "weights").is_dir()]
            return renderer_method(FlowRenderer.from_pretrained(kept[0]).eval()) if kept else None
        path = self._weights(name, seed)
        if not path.is_file():
            return None
        network = rival(name, self.budget.preset, self.residual)
        network.load_state_dict(load_file(path))
        return rival_method(network.eval(), self.drivers())


def measure_baselines(lists: Lists, budget: Budget) -> dict[str, Numbers]:
    """The numbers of baselines without a network: copy, the best blurred copy, the best affine map, the exact flow.

    The affine map and the exact flow know the answer's flow, matte and background. In edits the copies do not change,
    :func:`flow3d.evaluation.measure.edits.measure_edits` measures the exact flow, and the affine map is left out.
    """

    def still(pair: Pair) -> Tensor:
        return torch.zeros_like(pair.flow)

    rows = list(measure_pairs(oracle_method(lists, lambda p: (p.source, still(p))), lists["self"]).values())
    sigma = max(SIGMAS, key=lambda s: mean(column(rows, f"psnr blur {s:g}")).value)
    methods = {
        "copy": oracle_method(lists, lambda p: (p.source, still(p))),
        f"blurred copy, {sigma:g} px": oracle_method(lists, lambda p: (blur(p.source, sigma), still(p))),
        AFFINE: oracle_method(lists, lambda p: (baselines(p)[AFFINE], affine_flow(p.flow, regions(p)["seen"]))),
        EXACT: oracle_method(lists, lambda p: (baselines(p)[EXACT], p.flow)),
    }
    return {name: _measured(name, method, lists, budget) for name, method in methods.items()}


def _measured(name: str, method: Method, lists: Lists, budget: Budget) -> Numbers:
    numbers = score_method(method, lists, budget)
    if name == AFFINE:
        return {key: value for key, value in numbers.items() if SCORES[key].measured_on != "edits"}
    if name == EXACT:
        size = next(iter(lists["self"].values())).source.shape[-1]
        sums = measure_edits(method, self_seeds(budget.identities), size)[EXACT]
        numbers |= {key: round(float(value), 5) for key, value in gains(sums).items()}
    return numbers
