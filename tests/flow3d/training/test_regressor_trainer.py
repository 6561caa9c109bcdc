"""Training a regressor: pictures, falling loss, resuming to the bit, files, refusals, the command line.

Tests: regressor_data, flow3d.commands.regress.
"""

import errno
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from flow3d.__main__ import main
from flow3d.datasets.cache import FrameCache
from flow3d.datasets.cache_build import build_cache
from flow3d.morphable import Coefficients, Person, talking_head
from flow3d.perception import CoefficientRegressor
from flow3d.training.regressor_data import Pictures, shifted
from flow3d.training.regressor_trainer import RegressionConfig, RegressorTrainer, target_weights
from tolerances import REGRESSOR

SEED = 70
CONFIG = RegressionConfig("test", steps=4, batch=4, warmup=0)


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> tuple[Path, Path]:
    out = tmp_path_factory.mktemp("frames")
    build_cache(out / "data", 3, 4, seed=SEED, every=10, clips=2)
    build_cache(out / "held", 2, 3, seed=1_000_070, every=10)
    return out / "data", out / "held"


@pytest.fixture(scope="module")
def data(folders) -> FrameCache:
    return FrameCache(folders[0])


@pytest.fixture(scope="module")
def held_out(folders) -> FrameCache:
    return FrameCache(folders[1])


def test_pictures_are_the_cached_frames_with_all_their_coefficients(data):
    pictures = Pictures(data)
    assert pictures.targets.shape == (3, 4, 153)
    assert torch.equal(pictures.targets[1, 2, :73], data.kept[1, 2])
    assert torch.equal(pictures.targets[1, 0, 73:], Person.random(SEED + 1).alpha)
    images, targets = pictures.draw(np.random.default_rng(0), 6, vary=False)
    rng = np.random.default_rng(0)
    who, frame = rng.integers(3, size=6), rng.integers(4, size=6)
    other = (frame + 1) % 4
    cached = data.batch(who, frame, other, both=False).source
    torch.testing.assert_close(images, cached, rtol=0, atol=REGRESSOR["cached picture"][0])
    assert torch.equal(targets[3], pictures.targets[who[3], frame[3]])


def test_pictures_vary_and_those_cut_out_stay_on_black(data):
    pictures = Pictures(data)
    images, _ = pictures.draw(np.random.default_rng(1), 64)
    again, _ = pictures.draw(np.random.default_rng(1), 64)
    assert torch.equal(images, again)
    assert images.min() >= -1
    assert images.max() <= 1
    black = (images[:, :, :4, :4] < -0.95).flatten(1).all(1)  # no person reaches this corner; JPEG may disturb it
    assert 3 <= int(black.sum()) <= 20  # 15 % of 64
    plain, _ = pictures.draw(np.random.default_rng(1), 64, vary=False)
    assert not torch.equal(images, plain)


def test_a_mirrored_picture_is_that_of_the_mirrored_coefficients(data):
    person, row = Person.random(SEED), talking_head(60, SEED).frame(40).clone()
    row[24:64] = 0  # the nameless expressions are not symmetric
    pictures = Pictures(data)
    targets = torch.cat([row, person.alpha])[None]
    mirrored = pictures.mirrored(targets)
    assert torch.equal(mirrored[0, 73:], person.alpha)
    torch.testing.assert_close(mirrored[0, 24:64], pictures.targets[..., 24:64].mean((0, 1)))
    mirrored[0, 24:64] = 0
    assert torch.equal(pictures.mirrored(mirrored)[0, :24], row[:24])
    seen, other = person.render(row, 64).labels, person.render(mirrored[0, :73], 64).labels
    agree, control = ((labels.flip(2) == seen).float().mean() for labels in (other, seen))
    assert agree > REGRESSOR["mirrored"][0]
    assert control < 0.9


def test_a_shifted_picture_is_that_of_the_shifted_crop():
    person, row = Person.random(SEED), talking_head(1, SEED)

    def on_black(coefficients: Coefficients) -> torch.Tensor:
        frame = person.render(coefficients, 64)
        return frame.alpha * (frame.foreground + 1) - 1

    targets = torch.cat([row.values, person.alpha[None]], 1)
    for x, y in ((1, -1), (-1, 1), (0, 0)):
        moved, said = shifted(on_black(row)[None], targets, np.array([[x, y]]))
        there = row.replace(crop_x=row["crop_x"] + 4 * x, crop_y=row["crop_y"] + 4 * y)
        assert torch.equal(said[:, :73], there.values)
        inside = (moved[0] - on_black(there))[:, 1:-1, 1:-1].abs().max()
        assert inside <= REGRESSOR["shifted"][0]


def test_weights_make_one_and_identity_its_share():
    weights = target_weights(0.3)
    assert float(weights.sum()) == pytest.approx(1)
    assert float(weights[73:].sum() / weights[:73].sum()) == pytest.approx(0.3)


def test_training_lowers_the_loss(data, held_out, tmp_path):
    trainer = RegressorTrainer(
        RegressionConfig(steps=40, batch=16, warmup=5, learning_rate=2e-3), data, tmp_path, held_out
    )
    losses = [trainer.advance() for _ in range(40)]
    assert np.mean(losses[-10:]) < 0.8 * np.mean(losses[:5])


def test_a_resumed_training_is_the_same_to_the_bit(data, held_out, tmp_path):
    straight = RegressorTrainer(CONFIG, data, tmp_path / "a", held_out)
    assert straight.run() == "finished"
    first = RegressorTrainer(CONFIG, data, tmp_path / "b", held_out)
    assert first.run(until=2) == "paused"
    second = RegressorTrainer(CONFIG, data, tmp_path / "b", held_out, resume=True)
    assert second.step == 2
    assert second.run() == "finished"
    for name, value in straight.averaged.state.items():
        assert torch.equal(value, second.averaged.state[name]), name
    rows = (tmp_path / "b" / "metrics.csv").read_text().splitlines()
    assert [row.partition(",")[0] for row in rows] == ["step", "2", "4"]


def test_saved_weights_hold_maps_of_unit_mean_and_say_what_they_are(data, held_out, tmp_path):
    trainer = RegressorTrainer(CONFIG, data, tmp_path, held_out)
    trainer.run()
    saved = CoefficientRegressor.from_pretrained(tmp_path / "weights")
    assert (saved.config.name, saved.config.seeds) == ("test", (SEED, SEED + 2))
    with torch.no_grad():
        means = [float(m.mean() * s) for m, s in zip(saved.maps(trainer.looked_at[0]), saved.scale, strict=True)]
    for mean in means:
        assert mean == pytest.approx(1, abs=REGRESSOR["unit mean"][0])
    assert "Step 4 of 4" in (tmp_path / "weights" / "README.md").read_text()


def test_rows_hold_mean_loss_rate_and_held_out_scores(data, held_out, tmp_path):
    trainer = RegressorTrainer(CONFIG, data, tmp_path, held_out)
    trainer.run(until=2)
    header, row = (tmp_path / "metrics.csv").read_text().splitlines()
    numbers = dict(zip(header.split(","), map(float, row.split(",")), strict=True))
    assert list(numbers) == [
        "step", "seconds", "learning_rate", "loss", "held_out/seen", "held_out/rotation", "held_out/identity",
    ]  # fmt: skip
    assert numbers["step"] == 2
    assert numbers["learning_rate"] == pytest.approx(CONFIG.rate(2))
    assert max(numbers[name] for name in numbers if name.startswith("held_out/")) < 1


def test_a_failed_save_ends_no_training_and_a_second_one_is_refused(data, held_out, tmp_path, monkeypatch):
    trainer, fsync = RegressorTrainer(CONFIG, data, tmp_path, held_out), os.fsync
    other = RegressorTrainer(CONFIG, data, tmp_path, held_out)

    def advance() -> float:
        full = trainer.step == 1
        monkeypatch.setattr(os, "fsync", fail if full else fsync)
        with pytest.raises(ValueError, match=r"out: .* is being trained into by process"):
            other.run()
        return real()

    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    real = trainer.advance
    monkeypatch.setattr(trainer, "advance", advance)
    with pytest.warns(UserWarning, match=r"step 2: not saved, the last checkpoint is kept .*No space left"):
        assert trainer.run(save_minutes=0.0) == "finished"
    rows = (tmp_path / "metrics.csv").read_text().splitlines()
    assert [row.partition(",")[0] for row in rows] == ["step", "1", "3", "4"]
    with pytest.raises(ValueError, match=r"out: .* holds a training already"):
        other.run()


def test_ctrl_c_saves_and_leaves(data, held_out, tmp_path, monkeypatch):
    trainer = RegressorTrainer(CONFIG, data, tmp_path, held_out)
    advance = trainer.advance

    def interrupted() -> float:
        os.kill(os.getpid(), signal.SIGINT)
        return advance()

    monkeypatch.setattr(trainer, "advance", interrupted)
    assert trainer.run() == "interrupted"
    assert RegressorTrainer(CONFIG, data, tmp_path, held_out, resume=True).step == 1


def test_a_loss_that_is_not_finite_stops_and_keeps_the_weights(data, held_out, tmp_path):
    trainer = RegressorTrainer(CONFIG, data, tmp_path, held_out)
    before = {name: value.clone() for name, value in trainer.regressor.named_parameters()}
    trainer.data.targets[:] = torch.nan
    with pytest.raises(FloatingPointError, match="expected finite numbers, got a loss of nan"):
        trainer.advance()
    assert all(torch.equal(value, before[name]) for name, value in trainer.regressor.named_parameters())


def test_bad_requests_are_named(data, held_out, folders, tmp_path):
    small = build_cache(tmp_path / "small", 1, 2, 32, seed=SEED)
    with pytest.raises(ValueError, match="data: expected frames of 64 px, got 32"):
        RegressorTrainer(CONFIG, small, tmp_path / "out", held_out)
    with pytest.raises(ValueError, match="data: expected seeds below 1,000,000"):
        RegressorTrainer(CONFIG, held_out, tmp_path / "out", held_out)
    with pytest.raises(ValueError, match="held_out: expected seeds from 1,000,000"):
        RegressorTrainer(CONFIG, data, tmp_path / "out", data)
    with pytest.raises(FileNotFoundError, match=r"resume: expected checkpoint\.pt"):
        RegressorTrainer(CONFIG, data, tmp_path / "out", held_out, resume=True)
    RegressorTrainer(CONFIG, data, tmp_path / "out", held_out).save()
    with pytest.raises(ValueError, match=r"out: .* holds a training already"):
        RegressorTrainer(CONFIG, data, tmp_path / "out", held_out)
    with pytest.raises(ValueError, match=r"resume: expected a checkpoint of config .* got one of"):
        RegressorTrainer(RegressionConfig("other"), data, tmp_path / "out", held_out, resume=True)
    file = tmp_path / "out" / "checkpoint.pt"
    torch.save({"step": 1}, file)
    with pytest.raises(ValueError, match="resume: expected the checkpoint of a regressor, found no"):
        RegressorTrainer(CONFIG, data, tmp_path / "out", held_out, resume=True)
    file.write_bytes(b"half a file")
    with pytest.raises(ValueError, match="resume: expected a whole checkpoint, cannot read"):
        RegressorTrainer(CONFIG, data, tmp_path / "out", held_out, resume=True)
    with pytest.raises(ValueError, match="steps: expected a whole number from 1 to 1,000,000,000, got 0"):
        RegressionConfig(steps=0)
    with pytest.raises(ValueError, match="learning_rate: expected a finite number above 0, got nan"):
        RegressionConfig(learning_rate=float("nan"))


def regress(*options: str) -> int:
    return main(["regress", *options])


def test_the_command_trains_resumes_and_measures(folders, tmp_path, capsys):
    frames = ("--data", str(folders[0]), "--held-out", str(folders[1]), "--out", str(tmp_path / "out"))
    first = ("--steps", "3", "--batch", "2", "--name", "mine", "--purpose", "scoring", "--seed", "4")
    assert regress(*frames, *first, "--minutes", "1e-9") == 0
    assert "paused at step 1 of 3" in capsys.readouterr().out
    assert regress(*frames, "--resume") == 0
    assert "finished at step 3 of 3" in capsys.readouterr().out
    config = CoefficientRegressor.from_pretrained(tmp_path / "out" / "weights").config
    assert (config.name, config.purpose) == ("mine", "scoring")
    card = tmp_path / "shipped"
    assert regress("--evaluate", str(tmp_path / "out" / "weights"), "--identities", "1", "--out", str(card)) == 0
    printed = capsys.readouterr().out
    assert "| yaw | " in printed
    assert printed in (card / "README.md").read_text()
    assert "Step 3 of 3" in (card / "README.md").read_text()
    assert CoefficientRegressor.from_pretrained(card).config == config
    assert regress("--data", str(folders[0]), "--out", str(tmp_path / "new")) == 2
    assert "error: --held-out: expected a folder, got none" in capsys.readouterr().err
    assert regress("--evaluate", str(tmp_path / "nowhere")) == 2
    assert "error: --evaluate: expected the name of shipped weights" in capsys.readouterr().err
    assert regress("--evaluate", str(tmp_path / "out" / "weights"), "--identities", "0") == 2
    assert "error: --identities: expected a whole number of 1 or more, got '0'" in capsys.readouterr().err
