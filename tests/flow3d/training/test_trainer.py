"""Two phases of training: the loss falls, what is resumed is what would have been, and bad ends leave good files."""

import csv
import errno
import os
import signal
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from flow3d import FlowRenderer, preset
from flow3d.datasets.cache import FrameCache
from flow3d.datasets.cache_build import build_cache
from flow3d.morphable import PARTS
from flow3d.preprocessing.images import is_generated, read_image
from flow3d.training.checkpoint import read_checkpoint
from flow3d.training.config import EXTENSIONS, TrainingConfig, training
from flow3d.training.log import TERMS
from flow3d.training.loop import CsvLog
from flow3d.training.perceptual import perceptual
from flow3d.training.steps import TrainingStep, region_weight
from flow3d.training.trainer import Trainer


def config(recipe: str = "extended", phase: int = 1, **changes) -> TrainingConfig:
    return training("micro", recipe, phase).replace(**{"batch": 2, "steps": 6} | changes)  # ty: ignore[invalid-argument-type]


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(("recipe", "phase"), [("strict", 1), ("strict", 2), ("extended", 1), ("extended", 2)])
def test_the_loss_falls(data, tmp_path, recipe, phase):
    steady = dict(decay_at=1.0, rate_warmup=0, flow_warmup=0.0, frozen_warp=0.0, sparse_terms=1)
    trainer = Trainer(config(recipe, phase, steps=30, learning_rate=2e-3, **steady), data, tmp_path)
    batch = trainer.batch(0)
    totals = [trainer.advance(batch)["total"] for _ in range(30)]
    assert sum(totals[-3:]) < 0.7 * sum(totals[:3])


def test_the_warm_up_finds_the_flow_of_a_batch(data, tmp_path):
    chosen = config(steps=60, learning_rate=2e-3, flow_warmup=1.0, rate_warmup=0, decay_at=1.0, clip=100.0)
    trainer = Trainer(chosen, data, tmp_path)
    batch = trainer.batch(0)
    errors = [trainer.advance(batch)["raw/flow"] for _ in range(60)]
    assert errors[-1] < 0.3 * errors[0]


def terms(data: FrameCache, chosen: TrainingConfig, step: int) -> set[str]:
    renderer = FlowRenderer(preset("micro", chosen.recipe))
    module = TrainingStep(renderer, chosen, perceptual("pyramid"))
    return set(module(data.batch(*data.draw(np.random.default_rng(0), 1)), step))


def test_strict_has_the_papers_terms_and_no_other(data):
    first, second = {"pw", "cw", "3dw", "3df", "inp"}, {"pw", "cw", "3dw", "3df", "inp", "pr", "sr"}
    for step in range(4):
        assert terms(data, config("strict", 1), step) == first
        assert terms(data, config("strict", 2), step) == second
    assert not any(training("tiny", "strict", 1).extensions(0).values())


def test_extended_phases_have_their_terms_in_their_turn(data):
    one, two = config("extended", 1, steps=40), config("extended", 2, steps=40)  # 30 and 24 steps alone
    exact = {"flow", "volume", "depth"}
    assert terms(data, one, 0) == terms(data, one, 2) == exact
    assert terms(data, one, 1) == exact | {"3df"}
    assert terms(data, one, 32) == exact | {"pw", "3dw", "rgb", "inp"}
    assert terms(data, one, 33) == exact | {"pw", "3df", "rgb", "inp"}
    assert terms(data, one, 35) == exact | {"pw", "cw", "rgb", "inp"}
    frozen = {"pr", "sr", "alpha", "mask", "painted", "inp"}
    assert terms(data, two, 0) == frozen
    assert terms(data, two, 24) == frozen | exact | {"pw", "3dw", "rgb"}


def test_a_frozen_warping_stage_stands_still(data, tmp_path):
    trainer = Trainer(config("extended", 2), data, tmp_path)
    before = {k: v.clone() for k, v in trainer.renderer.state_dict().items()}
    trainer.advance(trainer.batch(0))
    moved = {k.split(".")[0] for k, v in trainer.renderer.state_dict().items() if not torch.equal(v, before[k])}
    assert moved == {"refiner", "inpainter"}


def test_the_rate_warms_up_and_falls_by_five():
    chosen = config("strict", steps=100, rate_warmup=4)
    assert [chosen.rate(k) / 1e-4 for k in (0, 3, 49, 50, 99)] == pytest.approx([0.25, 1, 1, 0.2, 0.2])
    line = chosen.replace(rate_linear=True)
    assert [line.rate(k) / 1e-4 for k in (0, 50, 75, 100)] == pytest.approx([0.25, 1, 0.6, 0.2])
    assert line.replace(decay_at=1.0).rate(99) == pytest.approx(1e-4)


def test_the_flow_s_weight_falls_to_its_rest_and_stays_there():
    chosen = config("extended", 1, steps=100, flow_warmup=0.5, flow_rest=0.2)
    assert [chosen.extensions(k)["flow"] for k in (0, 50, 65, 80, 99)] == pytest.approx([5.0, 5.0, 3.0, 1.0, 1.0])
    assert config("extended", 2, flow_rest=0.2).extensions(0)["flow"] == pytest.approx(1.0)
    weights = chosen.extensions(65)  # what is known of the volume falls with it
    assert weights["volume"] / chosen.volume_weight == pytest.approx(weights["flow"] / chosen.flow_weight)
    assert weights["depth"] / chosen.depth_weight == pytest.approx(weights["flow"] / chosen.flow_weight)
    assert weights["rgb"] == chosen.rgb_loss


def test_regions_weigh_as_they_should(data):
    batch = data.batch(*data.draw(np.random.default_rng(1), 2))
    parts = torch.randint(len(PARTS), batch.labels.shape, generator=torch.Generator().manual_seed(0))
    batch = replace(batch, labels=parts)
    assert region_weight(batch, None) is None
    weight = region_weight(batch, (10.0, 8.0))
    assert weight is not None
    for part, value in ((0, 0.6), (1, 1.6), (2, 10.6), (3, 8.6), (4, 0.6), (6, 10.6), (8, 3.6)):
        assert (batch.labels == part).any()
        assert torch.allclose(weight[batch.labels == part], torch.tensor(value / 1.6))


@pytest.mark.parametrize(("recipe", "phase"), [("strict", 1), ("extended", 1), ("extended", 2)])
def test_resumed_is_bit_equal_to_never_stopped(data, tmp_path, recipe, phase):
    chosen = config(recipe, phase)
    whole, parts = Trainer(chosen, data, tmp_path / "whole"), Trainer(chosen, data, tmp_path / "parts")
    assert whole.run() == "finished"
    assert parts.run(until=3) == "paused"
    again = Trainer(chosen, data, tmp_path / "parts", resume=True)
    assert again.step == 3
    assert again.run() == "finished"
    one, other = (read_checkpoint(tmp_path / name) for name in ("whole", "parts"))
    assert one.step == other.step == 6
    for name in ("weights", "averaged"):
        a, b = getattr(one, name), getattr(other, name)
        assert a.keys() == b.keys()
        assert all(torch.equal(a[k], b[k]) for k in a)
    for k, state in one.optimiser["state"].items():
        assert all(torch.equal(v, other.optimiser["state"][k][n]) for n, v in state.items())


def test_what_a_training_leaves_behind(data, tmp_path):
    trainer = Trainer(config("strict", 1), data, tmp_path)
    trainer.run()
    (row,) = rows(tmp_path)
    assert int(row["step"]) == 6
    assert float(row["weighted/3dw"]) == pytest.approx(100 * float(row["raw/3dw"]))
    assert {name for name in TERMS if row[f"raw/{name}"]} == {"pw", "cw", "3dw", "3df", "inp"}
    assert not any(row[f"raw/{name}"] for name in EXTENSIONS)
    (sheet,) = (tmp_path / "sheets").iterdir()
    assert is_generated(sheet)
    assert read_image(sheet).shape == (3, 6 * 32, 6 * 32)
    renderer = FlowRenderer.from_pretrained(tmp_path / "weights")
    assert all(torch.equal(v, trainer.averaged.state[k]) for k, v in renderer.state_dict().items())
    second = Trainer(config("strict", 2), data, tmp_path / "second", start=tmp_path)
    assert all(torch.equal(v, trainer.averaged.state[k]) for k, v in second.renderer.state_dict().items())


def test_nan_stops_names_the_term_and_keeps_the_checkpoint(data, tmp_path):
    chosen = config("strict", 1)
    Trainer(chosen, data, tmp_path).run(until=2)
    kept = (tmp_path / "checkpoint.pt").read_bytes()
    trainer = Trainer(chosen, data, tmp_path, resume=True)

    def poison(trainer: Trainer) -> None:
        next(trainer.renderer.inpainter.parameters()).data.fill_(float("nan"))

    with pytest.raises(FloatingPointError, match=r"inp = nan"):
        trainer.run(watch=poison)
    assert (tmp_path / "checkpoint.pt").read_bytes() == kept
    assert read_checkpoint(tmp_path).step == 2


def test_ctrl_c_saves_and_leaves(data, tmp_path):
    handler = signal.getsignal(signal.SIGINT)
    trainer = Trainer(config("strict", 1), data, tmp_path)
    outcome = trainer.run(watch=lambda t: os.kill(os.getpid(), signal.SIGINT) if t.step == 2 else None)
    assert outcome == "interrupted"
    assert read_checkpoint(tmp_path).step == trainer.step < 6
    assert signal.getsignal(signal.SIGINT) is handler


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder but its log."""
    return {p.name: p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.name != "metrics.csv"}


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_keeps_the_old_checkpoint(data, tmp_path, monkeypatch):
    chosen = config("strict", 1)
    Trainer(chosen, data, tmp_path).run(until=2)
    kept = files(tmp_path)
    trainer = Trainer(chosen, data, tmp_path, resume=True)
    trainer.advance(trainer.batch(2))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            trainer.save()
    assert files(tmp_path) == kept
    assert read_checkpoint(tmp_path).step == 2


def test_a_disk_that_is_full_for_a_while_ends_no_training(data, tmp_path, monkeypatch):
    """Checkpoint, contact sheet and row of one step cannot be written; there is room again at the end."""
    trainer = Trainer(config("strict", 1, steps=3), data, tmp_path, save_minutes=0.0, sheet_minutes=0.0)
    monkeypatch.setattr("flow3d.training.trainer.LOG_EVERY", 1)
    fsync, append = os.fsync, CsvLog._append

    def watch(trainer: Trainer) -> None:
        room = trainer.step != 2
        monkeypatch.setattr(os, "fsync", fsync if room else full)
        monkeypatch.setattr(CsvLog, "_append", append if room else full)

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert trainer.run(watch=watch) == "finished"
    messages = [str(w.message).partition(" (")[0] for w in said if "No space left" in str(w.message)]
    nothing_saved = "step 2: not saved, the last checkpoint is kept"
    assert messages == ["step 2: no contact sheet", f"step 2: no row in {tmp_path / 'metrics.csv'}", nothing_saved]
    assert [row["step"] for row in rows(tmp_path)] == ["1", "3"]
    assert {p.name for p in (tmp_path / "sheets").iterdir()} == {"step_0000001.png", "step_0000003.png"}
    assert read_checkpoint(tmp_path).step == 3


def test_a_damaged_log_stops_no_resume(data, tmp_path):
    Trainer(config("strict", 1, steps=3), data, tmp_path).run(until=2)
    with (tmp_path / "metrics.csv").open("ab") as log:
        log.write(bytes(8))
    resumed = Trainer(config("strict", 1, steps=3), data, tmp_path, resume=True)
    with pytest.warns(UserWarning, match=r"metrics\.csv: dropped 1 rows, damaged or after step 2"):
        assert resumed.run() == "finished"
    assert [row["step"] for row in rows(tmp_path)] == ["2", "3"]


def test_a_second_training_into_the_folder_is_refused_before_it_writes(data, tmp_path):
    chosen = config("strict", 1, steps=3)
    first, made_before = Trainer(chosen, data, tmp_path), Trainer(chosen.replace(seed=7), data, tmp_path)
    refused = []

    def watch(trainer: Trainer) -> None:
        before = files(tmp_path)
        for second in (made_before, Trainer(chosen.replace(seed=8), data, tmp_path)):
            with pytest.raises(
                ValueError, match=rf"^out: .* is being trained into by process {os.getpid()} on "
            ) as error:
                second.run()
            refused.append(error)
        assert files(tmp_path) == before

    assert first.run(watch=lambda trainer: watch(trainer) if trainer.step == 2 else None) == "finished"
    assert len(refused) == 2
    kept = files(tmp_path)
    with pytest.raises(ValueError, match=r"^out: .* holds a training already; resume it, or choose another folder"):
        made_before.run()
    assert files(tmp_path) == kept
    assert first.run() == "finished"  # its own folder it may go on with


def test_a_folder_with_a_training_is_not_overwritten_nor_continued_as_another(data, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"resume: expected checkpoint\.pt"):
        Trainer(config("strict"), data, tmp_path, resume=True)
    Trainer(config("strict"), data, tmp_path).run(until=1)
    with pytest.raises(ValueError, match=r"out: .* holds a training already"):
        Trainer(config("strict"), data, tmp_path)
    with pytest.raises(ValueError, match="checkpoint of recipe extended, got one of recipe strict"):
        Trainer(config("extended"), data, tmp_path, resume=True)
    with pytest.raises(ValueError, match="checkpoint of phase 2, got one of phase 1"):
        Trainer(config("strict", 2), data, tmp_path, resume=True)
    with pytest.raises(ValueError, match=r"start: expected weights of micro \(extended\), got micro \(strict\)"):
        Trainer(config("extended", 2), data, tmp_path / "next", start=tmp_path)
    (tmp_path / "checkpoint.pt").write_bytes((tmp_path / "checkpoint.pt").read_bytes()[:-100])
    with pytest.raises(ValueError, match="resume: expected a whole checkpoint"):
        Trainer(config("strict"), data, tmp_path, resume=True)


def test_data_of_another_size_or_of_validation_seeds_is_refused(data, tmp_path):
    with pytest.raises(ValueError, match="data: expected 64 px for preset tiny, got 32"):
        Trainer(training("tiny"), data, tmp_path)
    published = build_cache(tmp_path / "frames", 1, 2, 32, seed=1_000_000)
    with pytest.raises(ValueError, match="data: expected seeds below 1,000,000"):
        Trainer(config(), published, tmp_path)
    with pytest.raises(ValueError, match="held_out: expected seeds from 1,000,000"):
        Trainer(config(), data, tmp_path, held_out=data)
