"""Training the embedding: steps that repeat, Ctrl-C, and a command that refuses before it works."""

import os
import signal

import numpy as np
import pytest
import torch

from flow3d.files import claim
from flow3d.training import identity_trainer
from flow3d.training.identity_data import draw
from flow3d.training.identity_trainer import IdentityTraining, main, train


def test_a_training_repeats_itself_bit_for_bit(persons):
    config = IdentityTraining(steps=3, batch=6, warmup=1)
    embedding, lines = train(config, persons)
    assert lines == ["step,seconds,loss"]
    assert "persons 300,000 to 300,002" in embedding.config.about
    again, _ = train(config, persons)
    images, _ = draw(persons, np.random.default_rng(1), 4)
    assert torch.equal(embedding(images), again(images))


def test_ctrl_c_ends_a_training_and_keeps_nothing(persons, monkeypatch):
    def interrupted(*arguments):
        os.kill(os.getpid(), signal.SIGINT)
        return draw(*arguments)

    monkeypatch.setattr(identity_trainer, "draw", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(IdentityTraining(steps=3, batch=6), persons)


def command(tmp_path, *options: str) -> int:
    return main(["--data", str(tmp_path / "persons"), "--out", str(tmp_path / "out"), *options])


def test_the_command_writes_weights_card_and_curve(tmp_path, persons, monkeypatch, capsys):
    monkeypatch.setattr(identity_trainer, "render_persons", lambda *_: persons)
    assert command(tmp_path, "--steps", "2") == 0
    written = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()}
    assert written == {
        "persons", "out/curve.csv", "out/weights/README.md", "out/weights/config.json",
        "out/weights/embedding.safetensors",
    }  # fmt: skip
    assert "| embedding | " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--steps", "0"), "error: --steps: expected a whole number from 1"),
        (("--persons", "1"), "error: --persons: expected two or more, got 1"),
    ],
    ids=["no steps", "one person"],
)
def test_the_command_names_the_option(tmp_path, capsys, options, message):
    assert command(tmp_path, *options) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(message)


def test_the_command_refuses_a_folder_that_is_trained_into_before_it_renders(tmp_path, capsys):
    with claim(tmp_path / "out"):
        assert command(tmp_path) == 2
    assert capsys.readouterr().err.startswith(f"error: --out: '{tmp_path / 'out'}' is being trained into by process ")
    assert [p.name for p in tmp_path.rglob("*")] == ["out"]
