"""A training's folder: whose checkpoint lies in it, who may write, and files of something else."""

import os
from pathlib import Path

import pytest
import torch
from torch import nn

from flow3d.files import claim
from flow3d.training.folder import FILE, TrainingFolder, check_types, read_content, reading, restore

NOT_WHOLE = r"^resume: expected a whole checkpoint, cannot read"
TAKEN = r"^out: '.*' holds a training already; resume it, or choose another folder"


def test_a_folder_knows_its_own_checkpoints_from_those_of_another(tmp_path):
    first, second = TrainingFolder(tmp_path), TrainingFolder(tmp_path)
    for _ in range(2):  # a training may go on after what it saved itself
        with first.claimed():
            first.save({"step": 1})
    with pytest.raises(ValueError, match=TAKEN), second.claimed():
        pass
    with pytest.raises(ValueError, match=TAKEN):
        TrainingFolder(tmp_path)


def test_a_resumed_training_is_refused_when_another_one_went_on_from_the_same_checkpoint(tmp_path):
    TrainingFolder(tmp_path).save({"step": 1})
    first, second = (TrainingFolder(tmp_path, resume=True) for _ in range(2))
    with first.claimed():
        first.save({"step": 2})
    with pytest.raises(ValueError, match=TAKEN), second.claimed():
        pass
    assert read_content(tmp_path) == {"step": 2}


def test_a_folder_that_was_removed_may_be_written_anew(tmp_path):
    folder = TrainingFolder(tmp_path / "out")
    folder.save({"step": 1})
    (tmp_path / "out" / FILE).unlink()
    with folder.claimed():
        folder.save({"step": 2})
    assert read_content(tmp_path / "out") == {"step": 2}


def test_only_the_first_process_claims(tmp_path):
    folder = TrainingFolder(tmp_path)
    with folder.claimed():
        with folder.claimed(first=False):
            pass
        with pytest.raises(ValueError, match="is being trained into by process"), folder.claimed():
            pass


def test_a_folder_that_somebody_trains_into_is_left_as_it_is(tmp_path):
    with claim(tmp_path):
        before = sorted(tmp_path.iterdir())
        with pytest.raises(ValueError, match=f"by process {os.getpid()} on "), TrainingFolder(tmp_path).claimed():
            pass
        assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", r"the file is empty"),
        (b"half a file", r"\w+ \w+"),
        (b"hello\n", r"it is not a file of torch"),  # torch says: 101
        (b"PK\x03\x04 but no archive", r"\w+ \w+"),
        (b"\0" * 1000, r"\w+ \w+"),
    ],
    ids=["empty", "text", "a word", "no archive", "zeros"],
)
def test_a_damaged_file_is_named_with_the_reason_in_words(tmp_path, content, reason):
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(ValueError, match=rf"^resume: expected a whole checkpoint, cannot read '.*{FILE}' \(.*{reason}"):
        read_content(tmp_path)


def test_a_file_that_ends_early_is_one_error_wherever_it_ends(tmp_path):
    TrainingFolder(tmp_path).save({"weights": {"w": torch.zeros(100)}, "step": 1})
    whole = (tmp_path / FILE).read_bytes()
    for share in range(0, 100, 5):
        (tmp_path / FILE).write_bytes(whole[: len(whole) * share // 100])
        with pytest.raises(ValueError, match=NOT_WHOLE):
            read_content(tmp_path)


@pytest.mark.parametrize("content", [7, torch.zeros(2), "text", None], ids=["number", "tensor", "text", "nothing"])
def test_a_file_of_something_else_is_refused(tmp_path, content):
    torch.save(content, tmp_path / FILE)
    with pytest.raises(ValueError, match=NOT_WHOLE):
        read_content(tmp_path)


class Code:
    """Pickled, it would make a file when it is read."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self):
        return Path.touch, (self.file,)


def test_reading_never_runs_code(tmp_path):
    torch.save({"step": Code(tmp_path / "ran")}, tmp_path / FILE)
    with pytest.raises(ValueError, match=NOT_WHOLE):
        read_content(tmp_path)
    assert not (tmp_path / "ran").exists()


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"cannot read '.*' \(no 'step' in it\)"), reading(tmp_path):
        check_types({}, 1)


def state() -> tuple[nn.Module, torch.optim.Optimizer, dict]:
    """A network and its optimiser after a step, and what a checkpoint keeps of them."""
    torch.manual_seed(0)
    network = nn.Linear(2, 3)
    optimiser = torch.optim.Adam(network.parameters())
    network(torch.ones(1, 2)).sum().backward()
    optimiser.step()
    weights = {name: value.clone() for name, value in network.state_dict().items()}
    return network, optimiser, {"weights": weights, "averaged": weights, "optimiser": optimiser.state_dict()}


def test_what_was_kept_is_restored():
    _, _, content = state()
    network = nn.Linear(2, 3)
    optimiser = torch.optim.Adam(network.parameters())
    restore(network, optimiser, content)
    assert all(torch.equal(value, content["weights"][name]) for name, value in network.state_dict().items())
    assert float(optimiser.state[network.weight]["step"]) == 1


def other_averages(content: dict) -> None:
    content["optimiser"]["state"][0]["exp_avg"] = torch.zeros(7)


def other_betas(content: dict) -> None:
    content["optimiser"]["param_groups"][0]["betas"] = "many"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: content["weights"].pop("bias"),
        lambda content: content.update(weights={"weight": torch.zeros(3, 2), "bias": torch.zeros(4)}),
        lambda content: content.update(averaged={"weight": torch.zeros(3, 2), "bias": torch.zeros(4)}),
        lambda content: content.update(averaged={"weight": torch.zeros(3, 2)}),
        lambda content: content.update(optimiser={}),
        lambda content: content["optimiser"]["param_groups"].clear(),
        other_averages,
        other_betas,
    ],
    ids=[
        "a weight less",
        "another shape",
        "another average",
        "an average less",
        "no optimiser",
        "no groups",
        "other state",
        "other betas",
    ],
)
def test_contents_that_do_not_fit_are_one_error(tmp_path, spoil):
    network, optimiser, content = state()
    content["weights"] = dict(content["weights"])
    spoil(content)
    with pytest.raises(ValueError, match=NOT_WHOLE), reading(tmp_path):
        restore(network, optimiser, content)
