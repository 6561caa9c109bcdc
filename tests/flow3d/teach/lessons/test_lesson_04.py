"""Notebook 04: what is measured, runs that differ in nothing but what they should, and the record that is shipped."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from flow3d import FlowRenderer
from flow3d.datasets.cache_build import build_cache
from flow3d.teach.lessons import lesson_04

STEPS = 2


@pytest.fixture(scope="module")
def caches(tmp_path_factory):
    folder = tmp_path_factory.mktemp("frames")
    return {
        "frames": build_cache(folder / "frames", 2, 4, 32, seed=11, every=10, clips=2),
        "held": build_cache(folder / "held", 2, 4, 32, seed=1_000_011, every=10, clips=2),
    }


@pytest.fixture(scope="module")
def pairs(caches):
    return caches["held"].batch(*caches["held"].draw(np.random.default_rng(0), 6), both=False)


def renderer(moving: float = 0.0) -> FlowRenderer:
    """An untrained renderer; ``moving`` fills the flow's head with noise of that size."""
    torch.manual_seed(4)
    made = FlowRenderer(lesson_04.RENDERER).eval()
    if moving:
        torch.nn.init.normal_(made.warping.flow_network.head.weight, std=moving)
    return made


def test_an_untrained_stage_stands_still_and_a_moving_one_does_not(pairs):
    still, moving = lesson_04.measure(renderer(), pairs), lesson_04.measure(renderer(0.5), pairs)
    baseline = lesson_04.baseline(pairs)
    assert still["flow_error"] == pytest.approx(baseline["flow_error"])
    assert still["way_back"] == 0.0 < moving["way_back"]
    assert moving["flow_error"] != pytest.approx(baseline["flow_error"])
    assert still["cycle"] > 0, "the decoder alone changes the picture"


def test_the_exact_flow_would_have_no_error(pairs, monkeypatch):
    made = renderer()
    estimate = made.warping.estimate
    exact = pairs.flow[:, :2].contiguous()
    monkeypatch.setattr(made.warping, "estimate", lambda *a: replace(estimate(*a), pixel_flow=exact))
    assert lesson_04.measure(made, pairs)["flow_error"] == 0.0


def test_runs_differ_in_what_they_should():
    plain = json.loads(lesson_04.recipe("photometric", 0.0, 0).to_json())
    cyclic = json.loads(lesson_04.recipe("photometric", 2.0, 0).to_json())
    helped = json.loads(lesson_04.recipe("exact flow", 2.0, 1).to_json())
    assert plain.pop("lambdas") | {"lambda_cw": 2.0} == cyclic.pop("lambdas") == helped.pop("lambdas")
    assert plain == cyclic
    assert {name for name in plain if plain[name] != helped[name]} == {"flow_weight", "seed"}
    assert plain["flow_weight"] == plain["flow_warmup"] == 0.0
    assert plain["sparse_terms"] == 1


def test_the_curve_begins_before_the_first_step(caches, pairs, tmp_path):
    config = lesson_04.recipe("photometric", 2.0, 0, STEPS)
    made = lesson_04.train(config, caches["frames"], pairs, tmp_path / "run", every=1)
    assert made["step"] == [0, 1, 2]
    assert made["flow_error"][0] == pytest.approx(lesson_04.baseline(pairs)["flow_error"])
    assert len({*made["cycle"]}) == 3


def test_an_interrupted_run_is_no_result(caches, pairs, tmp_path, monkeypatch):
    monkeypatch.setattr(lesson_04.Trainer, "run", lambda self, **options: "interrupted")
    with pytest.raises(KeyboardInterrupt):
        lesson_04.train(lesson_04.recipe("photometric", 0.0, 0, STEPS), caches["frames"], pairs, tmp_path / "run")


def test_the_command_runs_what_is_missing_once(tmp_path, monkeypatch):
    monkeypatch.setattr(lesson_04, "FRAMES", {"frames": (1, 11), "held": (1, 1_000_011)})
    monkeypatch.setattr(lesson_04, "LAMBDAS", {"photometric": (0.0, 2.0)})
    monkeypatch.setattr(lesson_04, "SEEDS", (0,))
    monkeypatch.setattr(lesson_04, "PAIRS", 2)
    trained = []

    def train(config, _data, _pairs, out):
        out.mkdir()
        trained.append(config.lambdas.lambda_cw)
        return {"step": [0, STEPS], "flow_error": [2.0, 1.0]}

    monkeypatch.setattr(lesson_04, "train", train)
    (tmp_path / "photometric_2_0").mkdir()
    (tmp_path / "photometric_2_0" / "checkpoint.pt").touch()
    monkeypatch.setattr("sys.argv", ["lesson_04", "--work", str(tmp_path), "--out", str(tmp_path / "record.json")])
    lesson_04.main()
    lesson_04.main()
    assert trained == [0.0, 2.0], "half a run begins anew, a whole one is kept"
    record = json.loads((tmp_path / "record.json").read_text())
    assert [run["lambda_cw"] for run in record["runs"]] == [0.0, 2.0]
    assert record["baseline"]["flow_error"] > 0


def test_the_shipped_record_is_whole_and_of_this_recipe():
    record = lesson_04.read_record()
    made = {(run["supervision"], run["lambda_cw"], run["seed"]) for run in record["runs"]}
    assert made == {(s, w, seed) for s, all_ in lesson_04.LAMBDAS.items() for w in all_ for seed in lesson_04.SEEDS}
    for run in record["runs"]:
        assert run["step"] == record["runs"][0]["step"]
        assert run["step"][-1] == record["settings"]["training"]["steps"] == lesson_04.STEPS
        assert all(np.isfinite(run[name]).all() for name in lesson_04.PANELS)
    recipe = json.loads(lesson_04.RECIPE.to_json())
    for name, value in record["settings"]["training"].items():
        assert recipe[name] == value, name


def test_figures_show_every_weight_with_its_spread():
    record = lesson_04.read_record()
    strip = {"source": torch.zeros(3, 8, 8), "back": torch.ones(3, 8, 8)}
    pictures = lesson_04.signature(strip, record, "photometric").axes[: len(strip)]
    assert [axes.get_title() for axes in pictures] == list(strip)
    for axes, name in zip(lesson_04.recorded_curves(record, "photometric").axes, lesson_04.PANELS, strict=True):
        found = lesson_04.curves_of(record, "photometric", name)
        assert len(axes.collections) == len(found)
        means = [np.asarray(line.get_ydata()) for line in axes.lines][: len(found)]  # what follows stands still
        for drawn, curves in zip(means, found.values(), strict=True):
            assert np.allclose(drawn, curves[:, 1:].mean(0))


def test_an_unknown_supervision_is_named():
    with pytest.raises(ValueError, match=r"supervision: expected one of exact flow, photometric, got 'depth'"):
        lesson_04.curves_of(lesson_04.read_record(), "depth", "cycle")
