"""Each variant differs from its baseline as it says; variants are kept, resumed, and compared seed by seed.

Tests: variants, run, observed_cache, results, report, flow3d.commands.ablate.
"""

import dataclasses
import json

import numpy as np
import pytest
import torch

from flow3d.__main__ import main
from flow3d.evaluation.pairs.protocols import pair_lists
from flow3d.evaluation.scores.catalogue import EDITED
from flow3d.experiments.ablations import (
    VARIANTS,
    Budget,
    ObservedCache,
    ablation_report,
    run_variant,
    run_variants,
)
from flow3d.experiments.ablations.results import result_path
from flow3d.experiments.ablations.run import settings_of
from flow3d.experiments.ablations.variants import RECIPES_OF
from flow3d.files import claim
from flow3d.renderer import FlowRenderer
from flow3d.training.error_bank import ErrorBank
from tolerances import ABLATIONS

SMALL = Budget("micro", 1, 1, 1, 1, 1)


@pytest.fixture(scope="module")
def bank() -> ErrorBank:
    return ErrorBank(torch.randn(2, 40, 73, generator=torch.Generator().manual_seed(0)))


@pytest.fixture(scope="module")
def lists():
    return pair_lists(1, 1, 1, 32)


def stated(here, there):
    """The names of what a variant says it changes, less what its base changes alike."""
    return {name for name in here | there if here.get(name) != there.get(name)}


def test_a_variant_differs_from_its_base_in_what_it_says_and_in_nothing_else():
    for variant in VARIANTS.values():
        base = VARIANTS.get(variant.baseline)
        if base is None or (variant.recipe, variant.extended_optimiser) != (base.recipe, base.extended_optimiser):
            continue
        here, there = (dataclasses.asdict(one.renderer_config("micro")) for one in (variant, base))
        changed = {name for name in here if here[name] != there[name]}
        assert changed == stated(variant.renderer, base.renderer), variant.name
        for phase in (1, 2):
            here, there = (dataclasses.asdict(one.training_config("micro", phase, 5, 3)) for one in (variant, base))
            here |= here.pop("lambdas")
            there |= there.pop("lambdas")
            changed = {name for name in here if here[name] != there[name]}
            assert changed == stated(variant.training, base.training), variant.name
        windows = [(one.trained_on, one.measured_on) for one in (variant, base)]
        assert variant.renderer or variant.training or windows[0] != windows[1], variant.name


def test_every_switch_of_ours_has_a_row_without_it_measured_as_its_baseline_is():
    """All of ``extended`` that no table of the paper asks for and no row adds to ``strict``."""
    missing = {name for variant in VARIANTS.values() if variant.name.startswith("without ") for name in told(variant)}
    assert missing == {
        "pose_flow", "matte_residual", "norm_safe", "background_plate", "hole_margin", "hole_dilation", "relight",
        "observed", "volume_weight", "depth_weight", "residual_where_seen",
    }  # fmt: skip
    for name in missing:
        (variant,) = (one for one in VARIANTS.values() if one.name.startswith("without ") and name in told(one))
        assert not told(variant)[name], name
        assert name in variant.name
        windows = "observed" if name == "observed" else "exact"
        assert variant.measured_on == VARIANTS[variant.baseline].measured_on == windows
        plain = VARIANTS["extended"]
        configs = (plain.renderer_config("micro"), plain.training_config("micro", 1, 5, 0))
        assert any(getattr(config, name, 0) for config in configs), name


def told(variant) -> dict:
    return {**variant.renderer, **variant.training}


TRAINED = ("no separation", "no refiner", "2D flow", "strict, quick + residual flow", "without observed")


@pytest.mark.parametrize("name", TRAINED)
def test_a_variant_trains_and_is_measured(name, frames, bank, lists, tmp_path):
    result = run_variant(VARIANTS[name], 0, SMALL, frames, lists, bank, tmp_path)
    assert all(np.isfinite(value) for value in result["numbers"].values())
    assert {f"{edit}_gain" for edit in EDITED} < set(result["numbers"])
    assert "self_slices" in result["numbers"]
    assert ("self_dz_correlation" in result["numbers"]) == (name != "2D flow")
    config = FlowRenderer.from_pretrained(tmp_path / "phase_2" / "weights").config
    assert config == VARIANTS[name].renderer_config("micro")


def test_without_separation_the_matte_means_nothing(lists):
    torch.manual_seed(0)
    renderer = FlowRenderer(VARIANTS["no separation"].renderer_config("micro")).eval()
    pair = lists["self"][1_000_000]
    window = pair.driving_window[None]
    made = [
        renderer.stages(renderer.prepare(pair.source, alpha, pair.source_window), window).output
        for alpha in (pair.source_alpha, torch.zeros_like(pair.source_alpha))
    ]
    assert torch.equal(*made)


def test_observed_windows_carry_errors_of_one_clip(frames, bank):
    chosen = frames.draw(np.random.default_rng(0), 3)
    plain, wide, single = (
        cache.batch(*chosen)
        for cache in (frames, ObservedCache(frames, bank, False), ObservedCache(frames, bank, True))
    )
    away = wide.target_window - plain.target_window
    known = bank.errors.unfold(1, 27, 1).flatten(0, 1)  # every 27 frames in a row of a clip
    for one in away:
        assert (known - one).abs().amax((1, 2)).min() < ABLATIONS["carried error"][0]
    assert torch.equal(wide.target_window, ObservedCache(frames, bank, False).batch(*chosen).target_window)
    assert (single.target_window == single.target_window[:, :, 13:14]).all()
    assert torch.equal(single.target_window[:, :, 13], wide.target_window[:, :, 13])


def test_variants_are_kept_and_not_run_again(frames, bank, lists, tmp_path):
    said: list[str] = []
    first = run_variants(["extended"], [0], SMALL, frames, lists, bank, tmp_path, said.append)
    assert len(said) == 1
    assert run_variants(["extended"], [0], SMALL, frames, lists, bank, tmp_path, said.append) == first
    assert len(said) == 1
    with pytest.raises(ValueError, match="out: expected results of"):
        run_variants(["extended"], [0], Budget("micro", 2, 1, 1, 1, 1), frames, lists, bank, tmp_path)
    for names, seeds, message in (
        (["nothing"], [0], "variants: expected some of"),
        (["strict"], [], "seeds: expected"),
    ):
        with pytest.raises(ValueError, match=message):
            run_variants(names, seeds, SMALL, frames, lists, bank, tmp_path)


def test_a_folder_that_somebody_trains_into_is_refused(frames, bank, tmp_path):
    with claim(tmp_path), pytest.raises(ValueError, match=r"^out: .* is being trained into by process"):
        run_variants(["extended"], [0], SMALL, frames, {}, bank, tmp_path)


def result(variant: str, seed: int, number: float, **settings: str) -> dict:
    numbers = {"self_psnr": number, "self_flow_error": 10 - number}
    return {"leg": variant, "seed": seed, "seconds": 1, "numbers": numbers, "settings": {"preset": "micro"} | settings}


def test_the_table_compares_seed_by_seed():
    results = [result("extended", 0, 1.0), result("extended", 1, 3.0), result("2D flow", 0, 2.0)]
    results += [result("2D flow", 1, 3.5), result("no refiner", 0, 0.1), result("no refiner", 1, 2.0)]
    lines = {line.split(" |")[0]: line for line in ablation_report(results, "command").splitlines()}
    assert "2.75 ± 1.06 (+0.75 ± 3.18)" in lines["| 2D flow"]  # (2 + 3.5) / 2; differences 1 and .5
    assert "7.25 ± 1.06 (-0.75 ± 3.18)" in lines["| 2D flow"]
    assert "1.05 ± 1.34 (**-0.95 ± 0.64**)" in lines["| no refiner"]  # -.9 and -1: 12.706 standard errors of .05
    alone = ablation_report([results[0], results[2]], "command")
    assert "2.00 (+1.00)" in alone  # one seed has no interval and shows nothing
    assert "dz" not in alone  # a score that no result has takes no column
    with pytest.raises(ValueError, match="results: expected at least one variant"):
        ablation_report([], "command")


def test_results_of_earlier_recipes_stand_apart_and_keep_their_names():
    before = [result("extended", 0, 1.0), result("2D flow", 0, 2.0), result("told the pose", 0, 4.0)]
    today = {"recipes of": RECIPES_OF}
    now = [result("extended", 0, 5.0, **today), result("2D flow", 0, 7.0, **today)]
    now.append(result("without pose_flow", 0, 6.5, **today))
    report = ablation_report([*before, *now], "command")
    new, old = report.split(f"## Measured before {RECIPES_OF}")
    assert "| 2D flow | Table 2a: a 3D flow beats a 2D one | without pose_flow | 1 | 7.00 (+0.50)" in new
    assert "| 2D flow | Table 2a: a 3D flow beats a 2D one | extended | 1 | 2.00 (+1.00)" in old
    assert "| told the pose | ours: a turn of the whole head is computed, not learned | extended | 1 | 4.00" in old
    assert "told the pose" not in new
    assert f"recipes of {RECIPES_OF}" in new
    assert "Until" not in ablation_report(now, "command")
    assert "| extended | every extension at once |  | 1 | 1.00 |" in ablation_report(before, "command")


def test_results_of_earlier_recipes_are_not_taken_for_todays(frames, bank, tmp_path):
    settings = settings_of(SMALL, frames)
    result_path(tmp_path, "extended", 0).write_text(
        json.dumps({"leg": "extended", "seed": 0, "seconds": 1, "numbers": {}, "settings": settings})
    )
    with pytest.raises(ValueError, match=f"out: expected results of .*'recipes of': '{RECIPES_OF}'"):
        run_variants(["extended"], [0], SMALL, frames, {}, bank, tmp_path)


def test_the_command_names_bad_input(frames, tmp_path, capsys):
    known = ["ablate", "--data", str(frames.folder), "--out", str(tmp_path)]
    assert main([*known, "--phase-1", "0"]) == 2
    assert "error: --phase-1: expected a whole number of 1 or more, got '0'" in capsys.readouterr().err
    assert main([*known, "--regressor", str(tmp_path / "nowhere")]) == 2
    assert main(["ablate", "--data", str(tmp_path), "--out", str(tmp_path)]) == 2
    assert "error: --data: expected a finished cache" in capsys.readouterr().err


def test_a_variant_has_a_file_of_its_own(tmp_path):
    files = {result_path(tmp_path, name, seed) for name in VARIANTS for seed in range(3)}
    assert len(files) == 3 * len(VARIANTS)
    path = result_path(tmp_path, "observed windows, k = 0", 2)
    assert path.name == "observed_windows_k_0_2.json"
    path.write_text(json.dumps({}))
