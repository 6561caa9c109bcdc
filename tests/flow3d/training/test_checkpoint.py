"""A training's checkpoint: what a run of another kind or a damaged file is refused for, each in one error."""

from pathlib import Path
from typing import Any

import pytest
import torch

from flow3d.training.checkpoint import read_checkpoint
from flow3d.training.config import training
from flow3d.training.folder import FILE
from flow3d.training.trainer import Trainer

CONFIG = training("micro", "strict", 1).replace(batch=2, steps=3)
NOT_WHOLE = r"^resume: expected a whole checkpoint, cannot read '.*checkpoint\.pt' \("


@pytest.fixture(scope="module")
def written(data, tmp_path_factory) -> Path:
    """A checkpoint after a step."""
    out = tmp_path_factory.mktemp("out")
    trainer = Trainer(CONFIG, data, out)
    trainer.advance(trainer.batch(0))
    trainer.save()
    return out / FILE


@pytest.fixture
def content(written) -> dict[str, Any]:
    return torch.load(written, weights_only=True)


def test_a_checkpoint_is_read_as_it_was_written(written, content, tmp_path):
    kept = read_checkpoint(written.parent)
    assert (kept.step, kept.training) == (1, CONFIG)
    kept.save(tmp_path)
    again = torch.load(tmp_path / FILE, weights_only=True)
    assert again.keys() == content.keys()
    assert all(torch.equal(value, content["weights"][name]) for name, value in again["weights"].items())


@pytest.mark.parametrize(
    "name", ["format", "step", "seconds", "training", "renderer", "weights", "averaged", "optimiser"]
)
def test_a_part_that_is_missing_is_named(content, tmp_path, name):
    del content[name]
    torch.save(content, tmp_path / FILE)
    with pytest.raises(ValueError, match=rf"{NOT_WHOLE}no '{name}' in it\)"):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("format", 2), ("step", "1"), ("step", True), ("step", 1.0), ("step", -5), ("step", 10**9), ("step", None),
        ("seconds", "1"), ("seconds", -1.0), ("seconds", float("nan")), ("training", 5), ("training", "{"),
        ("training", '{"steps": "many"}'), ("training", '{"stepps": 3}'), ("renderer", None), ("renderer", "[]"),
        ("renderer", '{"size": 2e9}'), ("weights", []), ("weights", {"mapping": 1}), ("weights", {}),
        ("averaged", None), ("averaged", {}), ("optimiser", None), ("optimiser", []), ("optimiser", {"state": {}}),
        ("more", 1),
    ],
    ids=str,
)  # fmt: skip
def test_a_part_of_another_type_is_one_error(no_shape_checks, data, content, tmp_path, name, value):
    torch.save(content | {name: value}, tmp_path / FILE)
    with pytest.raises(ValueError, match=NOT_WHOLE):
        Trainer(CONFIG, data, tmp_path, resume=True)


@pytest.mark.parametrize("name", ["weights", "averaged"])
def test_tensors_of_another_shape_are_one_error(data, content, tmp_path, name):
    content[name] |= {key: torch.zeros(1, 2, 3) for key in list(content[name])[:1]}
    torch.save(content, tmp_path / FILE)
    with pytest.raises(ValueError, match=NOT_WHOLE):
        Trainer(CONFIG, data, tmp_path, resume=True)


def test_a_training_that_wants_fewer_steps_than_are_done_is_refused(data, content, tmp_path):
    torch.save(content | {"step": 3}, tmp_path / FILE)
    assert Trainer(CONFIG, data, tmp_path, resume=True).step == 3
    with pytest.raises(ValueError, match=r"^resume: expected a checkpoint of at most 2 steps, got one of 3"):
        Trainer(CONFIG.replace(steps=2), data, tmp_path, resume=True)
