"""NAME=VALUE on a command line is what the field says it is, and what does not fit is one line."""

import pytest

from flow3d import preset
from flow3d.__main__ import main
from flow3d.commands.settings import changed
from flow3d.training.checkpoint import read_checkpoint
from flow3d.training.config import training


def test_words_become_what_their_fields_are():
    plain = training("micro", "extended")
    config = changed(plain, "--set", ["rate_linear=false", "region_weights=none", "lambda_pw=3", "steps=20_000"])
    assert config == plain.replace(rate_linear=False, region_weights=None, lambda_pw=3.0, steps=20_000)
    assert config.rate_linear is False
    assert config.rate(12_000) == training("micro", "extended").replace(steps=20_000, rate_linear=False).rate(12_000)
    described = changed(preset("micro"), "--model", ["unet=(8, 8, 8)", "separate=No"])
    assert described == preset("micro").replace(unet=(8, 8, 8), separate=False)


def test_the_last_of_two_settings_holds():
    assert changed(training("micro"), "--set", ["steps=5", "steps=6"]).steps == 6


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("rate_linear=maybe", "--set rate_linear: expected true or false, got 'maybe'"),
        ("learning_rate=abc", "--set learning_rate: expected a finite number above 0, got 'abc'"),
        ("clip=inf", "--set clip: expected none, or a finite number above 0, got 'inf'"),
        ("lambda_pw=nan", "--set lambda_pw: expected a finite weight of at least 0, got 'nan'"),
        ("batch=2.0", "--set batch: expected a whole number from 1 to 65,536, got '2.0'"),
        ("batch=3", "--set batch: expected an even number, for both directions of a pair, got 3"),
        ("seed=1.5", "--set seed: expected a whole number from 0"),
        (f"seed={2**70}", "--set seed: expected a whole number from 0"),
        ("ema=None", "--set ema: expected a share from 0 to 1, got 'None'"),
        ("region_weights=16", "--set region_weights: expected none, or 2 values with commas between them"),
        ("rate_warmup=-5", "--set rate_warmup: expected a whole number from 0"),
        ("steps=1e1", "--set steps: expected a whole number from 1"),
        ("flow_wight=1", "--set flow_wight: expected a field of TrainingConfig; the nearest is 'flow_weight'"),
        ("lambdas=1", "--set lambdas: expected the fields of Lambdas by their own names, got '1'"),
        ("flow_warmup=0.5", "--set flow_weight: expected more than 0 where flow_warmup trains the flow alone"),
        ("phase=2", "--set phase: expected --phase instead"),
        ("steps", "--set: expected NAME=VALUE, got 'steps'"),
        ("", "--set: expected NAME=VALUE, got ''"),
        ("=3", "--set '': expected a field of TrainingConfig"),
    ],
    ids=lambda value: value.partition("=")[0] if "--" not in value else None,
)
def test_a_setting_that_does_not_fit_names_option_and_field(setting, message):
    with pytest.raises(ValueError, match="expected") as caught:
        changed(training("micro"), "--set", [setting])
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    folder = tmp_path_factory.mktemp("frames") / "data"
    sizes = ("--identities", "1", "--frames", "2", "--clips", "1", "--size", "32", "--workers", "1")
    assert main(["cache", "--out", str(folder), *sizes]) == 0
    return folder


def train(frames, out, *options: str) -> int:
    fixed = ("--preset", "micro", "--data", str(frames), "--steps", "1", "--batch", "2")
    return main(["train", *fixed, "--out", str(out), *options])


def test_the_command_trains_with_the_switch_that_was_set(frames, tmp_path):
    assert train(frames, tmp_path / "out", "--set", "rate_linear=false", "--set", "target_detach=off") == 0
    config = read_checkpoint(tmp_path / "out").training
    assert (config.rate_linear, config.target_detach) == (False, False)


@pytest.mark.parametrize(
    ("option", "setting"),
    [("--set", "learning_rate=fast"), ("--set", "seed=1.5"), ("--model", "unet=16"), ("--model", "motion=1e3")],
    ids=" ".join,
)
def test_the_command_refuses_in_one_line_and_writes_nothing(frames, tmp_path, capsys, option, setting):
    assert train(frames, tmp_path / "out", option, setting) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"error: {option} {setting.partition('=')[0]}: expected ")
    assert not (tmp_path / "out").exists()
