"""Weights are found where their name says, loaded only if they fit, and saved as a whole or not at all."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional

from flow3d import FlowRenderer, preset
from flow3d.evaluation.scores.backbones import load_backbones
from flow3d.perception import CoefficientRegressor, IdentityEmbedding, RegressorConfig
from flow3d.perception.identity import IdentityConfig
from flow3d.training.perceptual import HeadFeatures
from flow3d.weights import find_folder, shipped, shipped_names

SMALL = RegressorConfig("mine", channels=(4, 4, 4, 4, 4), blocks=(0, 0, 0, 0, 0), hidden=8)
NAMES = ("identity", "regressor", "scorer", "tiny")


@pytest.fixture
def crowded(tmp_path, monkeypatch) -> Path:
    """A current folder that holds a folder of every shipped name: one empty, the others with other weights."""
    for name in NAMES[1:]:
        CoefficientRegressor(SMALL).save_pretrained(tmp_path / name)
    (tmp_path / NAMES[0]).mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_shipped_names_are_known():
    assert shipped_names() == list(NAMES)


def test_a_bare_name_means_shipped_weights_whatever_the_current_folder_holds(crowded):
    for name in NAMES:
        assert find_folder(name)[0] == shipped(name)
    assert FlowRenderer.from_pretrained("tiny").config.name == "tiny"
    assert CoefficientRegressor.from_pretrained("scorer").config.name == "scorer"


def test_what_the_package_calls_its_own_is_never_looked_up_in_the_current_folder(crowded):
    assert CoefficientRegressor.from_pretrained().config.name == "regressor"
    assert IdentityEmbedding.from_pretrained().config.name == "identity"
    assert "regressor regressor" in HeadFeatures().name
    backbones = load_backbones()
    assert (backbones.scorer.config.purpose, backbones.identity.config.name) == ("scoring", "identity")


def test_a_package_without_its_weights_takes_nobody_else_s(crowded, monkeypatch, tmp_path):
    monkeypatch.setattr("flow3d.assets.roots", lambda: [tmp_path / "gone"])
    for load in (CoefficientRegressor.from_pretrained, IdentityEmbedding.from_pretrained, load_backbones):
        with pytest.raises(FileNotFoundError, match="shipped data 'weights/"):
            load()


@pytest.mark.parametrize("place", ["./tiny", Path("tiny"), "sub/../tiny"], ids=repr)
def test_a_path_is_a_folder(crowded, place):
    (crowded / "sub").mkdir()
    assert CoefficientRegressor.from_pretrained(place).config == SMALL


def test_a_bare_name_that_is_not_shipped_is_a_folder_with_a_configuration(crowded):
    CoefficientRegressor(SMALL).save_pretrained(crowded / "my_weights")
    assert CoefficientRegressor.from_pretrained("my_weights").config == SMALL


@pytest.mark.parametrize("place", ["nobody", "runs/nobody", "", "sub", "tiny.", "\0"], ids=repr)
def test_a_miss_names_both_meanings(tmp_path, monkeypatch, place):
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError) as caught:
        FlowRenderer.from_pretrained(place)
    names = ", ".join(NAMES)
    expected = f"expected the name of shipped weights ({names}) or a folder that holds config.json, got {place!r}"
    assert str(caught.value) == f"name_or_folder: {expected}"


@pytest.mark.usefixtures("no_shape_checks")
@pytest.mark.parametrize("place", [None, 5, b"tiny"], ids=repr)
def test_neither_a_name_nor_a_path_is_refused(place):
    with pytest.raises(TypeError, match="name_or_folder: expected a name or a path, got"):
        find_folder(place)


HOSTILE = [
    ({"motion": 2048, "unet": [2048] * 5}, r"mapping\.safetensors: expected first\.weight of shape \(2048, 73, 7\)"),
    ({"motion": 10**9}, r"in config\.json of '.*', motion: expected a whole number from 1 to 2,048, got 1000000000"),
    ({"decoder_blocks": 10**6}, r"in config\.json of '.*', decoder_blocks: expected a whole number from 0 to 32"),
    ({"size": 2**30}, r"in config\.json of '.*', size: expected a whole number from 16 to 2,048"),
]


@pytest.mark.parametrize(("changes", "message"), HOSTILE, ids=lambda value: ", ".join(value) if value is dict else None)
def test_a_configuration_that_asks_for_more_than_its_files_hold_builds_nothing(tmp_path, changes, message, monkeypatch):
    folder = FlowRenderer(preset("micro")).save_pretrained(tmp_path)
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    largest = 0
    plain = torch.nn.init.kaiming_uniform_

    def seen(tensor: torch.Tensor, *arguments, **options) -> torch.Tensor:
        nonlocal largest
        largest = max(largest, 0 if tensor.is_meta else tensor.numel())
        return plain(tensor, *arguments, **options)

    monkeypatch.setattr(torch.nn.init, "kaiming_uniform_", seen)
    with pytest.raises(ValueError, match=message):
        FlowRenderer.from_pretrained(folder)
    assert largest == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t | {"hidden.bias": t["hidden.bias"] * torch.nan}, "expected finite numbers in hidden.bias"),
        (lambda t: t | {"std": t["std"].double() * 1e300}, "expected finite numbers in std, got NaN or infinity"),
        (lambda t: t | {"mean": t["mean"].int()}, "expected mean of type torch.float32, got torch.int32"),
        (lambda t: t | {"mean": t["mean"][:9]}, "expected mean of shape (153,) as mine has it, got (9,)"),
        (lambda t: t | {"more": t["mean"].clone()}, "expected no tensor called 'more' in mine"),
        (lambda t: {k: v for k, v in t.items() if k != "mean"}, "expected mean of shape (153,) as mine has it, got no"),
    ],
    ids=["NaN", "beyond float32", "integers", "another shape", "one too many", "one too few"],
)
def test_tensors_that_do_not_fit_are_refused_by_name(tmp_path, change, message):
    file = CoefficientRegressor(SMALL).save_pretrained(tmp_path) / "regressor.safetensors"
    save_file(change(load_file(file)), file)
    with pytest.raises(ValueError, match=r"^regressor\.safetensors: ") as caught:
        CoefficientRegressor.from_pretrained(tmp_path)
    assert message in str(caught.value)


@pytest.mark.parametrize("recipe", ["strict", "extended"])
def test_weights_whose_kernels_are_deeper_than_their_slices_are_refused_by_name(tmp_path, recipe):
    """As renderers were saved whose kernels met padding; they hold the same function, but no file of ours any more."""
    renderer = FlowRenderer(preset("micro", recipe))
    file = renderer.save_pretrained(tmp_path) / "warping.safetensors"
    tensors, name = load_file(file), "flow_network.down.1.mix.convolution.weight"
    shape = tuple(tensors[name].shape)
    assert shape == (16, 16, 1, 3, 3)  # of one slice
    save_file(tensors | {name: functional.pad(tensors[name], (0, 0, 0, 0, 1, 1))}, file)
    message = f"warping.safetensors: expected {name} of shape {shape} as micro ({recipe}) has it, got (16, 16, 3, 3, 3)"
    with pytest.raises(ValueError, match=re.escape(message)):
        FlowRenderer.from_pretrained(tmp_path)


def test_other_floating_point_numbers_are_converted(tmp_path):
    regressor = CoefficientRegressor(SMALL)
    file = regressor.save_pretrained(tmp_path) / "regressor.safetensors"
    save_file({key: value.double() for key, value in load_file(file).items()}, file)
    loaded = CoefficientRegressor.from_pretrained(tmp_path).state_dict()
    assert all(torch.equal(value, loaded[key]) for key, value in regressor.state_dict().items())


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"\xff\xfe{", "expected text in config.json"), (b" " * (2**20 + 1), "expected at most 1,048,576 bytes")],
    ids=["no text", "endless"],
)
def test_a_configuration_that_is_no_short_text_is_refused(tmp_path, content, message):
    CoefficientRegressor(SMALL).save_pretrained(tmp_path)
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        CoefficientRegressor.from_pretrained(tmp_path)


def test_looking_at_a_configuration_draws_no_random_numbers(tmp_path):
    """Otherwise whoever loads weights between two draws would get other ones than before."""
    folder = FlowRenderer(preset("micro", "extended")).save_pretrained(tmp_path)
    torch.manual_seed(0)
    FlowRenderer(preset("micro", "extended"))
    built = torch.get_rng_state()
    torch.manual_seed(0)
    FlowRenderer.from_pretrained(folder)
    assert torch.equal(torch.get_rng_state(), built)


class Killed(BaseException):
    """What no cleanup of the program survives."""


def kill_after(count: int, patch: pytest.MonkeyPatch) -> None:
    """Let the process die at the ``count``-th change of a folder, and do nothing afterwards."""
    calls = 0

    def mortal(change):
        def changed(*arguments, **options):
            nonlocal calls
            calls += 1
            if calls > count:
                raise Killed
            return change(*arguments, **options)

        return changed

    patch.setattr(os, "replace", mortal(os.replace))
    patch.setattr(Path, "unlink", mortal(Path.unlink))
    patch.setattr(shutil, "rmtree", mortal(shutil.rmtree))


def test_a_save_that_is_killed_leaves_the_old_model_or_none_and_the_next_save_heals(tmp_path):
    models = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        models.append(IdentityEmbedding(IdentityConfig(f"save {seed}", channels=(4, 4, 4, 4), features=4)).eval())
    renderers = [FlowRenderer(preset("micro").replace(name=f"save {seed}")).eval() for seed in (0, 1)]
    outcomes = []
    for old, new in (models, renderers):
        for count in range(100):
            folder = tmp_path / f"{type(old).__name__}_{count}"
            old.save_pretrained(folder)
            with pytest.MonkeyPatch.context() as patch:
                kill_after(count, patch)
                try:
                    new.save_pretrained(folder)
                    break
                except Killed:
                    pass
            if not (folder / "config.json").exists():
                outcomes.append("none")
                with pytest.raises(FileNotFoundError, match=r"expected config\.json"):
                    type(old).from_pretrained(folder)
            else:
                loaded = type(old).from_pretrained(folder)
                same = old if loaded.config.name == "save 0" else new
                outcomes.append("old" if same is old else "new")
                states = zip(loaded.state_dict().values(), same.state_dict().values(), strict=True)
                assert all(torch.equal(a, b) for a, b in states)
            files = {path.name for path in new.save_pretrained(folder).iterdir()}
            assert type(old).from_pretrained(folder).config == new.config
            assert not any(name.startswith(".") for name in files)
        else:
            pytest.fail("the save never ended")
    assert {"old", "none", "new"} == set(outcomes)  # killed before, while and after the files took their places


def test_a_full_disk_leaves_the_old_model(tmp_path, monkeypatch):
    old, new = CoefficientRegressor(SMALL), CoefficientRegressor(SMALL)
    old.save_pretrained(tmp_path)

    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("flow3d.weights.write_whole", full)
    with pytest.raises(OSError, match="No space left"):
        new.save_pretrained(tmp_path)
    loaded = CoefficientRegressor.from_pretrained(tmp_path).state_dict()
    assert all(torch.equal(value, loaded[key]) for key, value in old.state_dict().items())
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "README.md", "regressor.safetensors"}
