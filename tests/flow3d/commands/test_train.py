"""The command line, from rendering frames to a resumed training."""

import json
import subprocess
import sys

import pytest
import torch

from flow3d import FlowRenderer
from flow3d.__main__ import main
from flow3d.datasets.cache_build import build_cache
from flow3d.training.checkpoint import read_checkpoint
from flow3d.training.perceptual import VGG19Features


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    folder = tmp_path_factory.mktemp("frames") / "data"
    assert (
        main(["cache", "--out", str(folder), "--identities", "2", "--frames", "6", "--size", "32", "--workers", "1"])
        == 0
    )
    return folder


def train(frames, out, *options: str) -> int:
    return main(["train", "--preset", "micro", "--data", str(frames), "--out", str(out), *options])


def test_train_and_resume(frames, tmp_path, capsys):
    held_out = build_cache(tmp_path / "held_out", 1, 2, 32, seed=1_000_000)
    assert held_out.identities == 1
    extended = ("--recipe", "extended", "--held-out", str(tmp_path / "held_out"))
    assert train(frames, tmp_path / "out", *extended, "--batch", "2", "--steps", "3", "--set", "hard_pairs=1.0") == 0
    assert "finished at step 3 of 3" in capsys.readouterr().out
    assert train(frames, tmp_path / "out", *extended, "--resume", "--steps", "5") == 0
    found = read_checkpoint(tmp_path / "out")
    assert (found.step, found.training.batch, found.training.hard_pairs) == (5, 2, 1.0)
    following = ("--phase", "2", "--start", str(tmp_path / "out"), "--steps", "1")
    assert train(frames, tmp_path / "two", "--recipe", "extended", *following) == 0


def test_a_switch_of_the_renderer_is_trained_and_resumed(frames, tmp_path, capsys):
    untold = ("--recipe", "extended", "--batch", "2", "--model", "pose_flow=False", "--model", "norm_safe=False")
    assert train(frames, tmp_path / "out", *untold, "--steps", "2") == 0
    assert train(frames, tmp_path / "out", "--recipe", "extended", "--resume", "--steps", "3") == 0
    assert not FlowRenderer.from_pretrained(tmp_path / "out" / "weights").config.pose_flow
    after = ("--phase", "2", "--start", str(tmp_path / "out"), "--steps", "1")
    assert train(frames, tmp_path / "two", *untold, *after) == 0
    assert train(frames, tmp_path / "three", "--recipe", "extended", *after) == 2
    assert "start: expected weights of" in capsys.readouterr().err
    assert train(frames, tmp_path / "four", "--model", "pose_flaw=True") == 2
    assert "pose_flaw: expected a field of RendererConfig; the nearest is 'pose_flow'" in capsys.readouterr().err


@pytest.fixture(scope="module")
def vgg(tmp_path_factory):
    """A file of random numbers in the shapes of torchvision's VGG-19, up to the last layer that is looked at."""
    state, inputs, place = {}, 3, 0
    for outputs in VGG19Features.CHANNELS:
        if outputs:
            state[f"features.{place}.weight"] = 0.05 * torch.randn(outputs, inputs, 3, 3)
            state[f"features.{place}.bias"] = torch.zeros(outputs)
            inputs = outputs
        place += 2 if outputs else 1  # a convolution and its ReLU, or a pooling
    file = tmp_path_factory.mktemp("vgg") / "vgg19.pth"
    torch.save(state, file)
    return file


def test_losses_look_through_a_file_of_vgg19(frames, vgg, tmp_path, refused):
    small = ("--batch", "2", "--steps", "1")
    assert train(frames, tmp_path / "out", *small, "--vgg", str(vgg)) == 0
    about = json.loads((tmp_path / "out" / "training.json").read_text())
    assert about["features"] == "vgg19"
    assert about["judge"].startswith("VGG-19 (weights ")
    assert train(frames, tmp_path / "out", "--resume", "--steps", "2", "--vgg", str(vgg)) == 0
    assert read_checkpoint(tmp_path / "out").step == 2
    state = torch.load(vgg, weights_only=True)
    torch.save(state | {"features.5.weight": torch.zeros(128, 64, 1, 1)}, tmp_path / "other.pth")
    (tmp_path / "torn.pth").write_bytes(vgg.read_bytes()[:1000])
    fixed, out = ("train", "--preset", "micro", "--data", frames), tmp_path / "refused"
    for options, message in (
        (
            ("--vgg", tmp_path / "other.pth"),
            "--vgg: expected VGG-19's features.5.weight of shape (128, 64, 3, 3), got (128, 64, 1, 1)",
        ),
        (("--vgg", tmp_path / "torn.pth"), "--vgg: expected a whole state dict, cannot read"),
        (("--vgg", tmp_path / "none.pth"), "--vgg: expected torchvision's vgg19 state dict, got no file at"),
        (("--vgg", vgg, "--features", "head"), "--vgg: expected features 'vgg19' beside it, got 'head'"),
        (("--vgg", vgg, "--set", "features=pyramid"), "--vgg: expected features 'vgg19' beside it, got 'pyramid'"),
    ):
        assert refused(*fixed, "--out", out, *options).startswith(message)
        assert not out.exists()


def test_vgg19_without_a_file_names_the_option(frames, tmp_path, refused, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    words = ("train", "--preset", "micro", "--data", frames, "--out", tmp_path / "out", "--features", "vgg19")
    assert refused(*words).startswith("--vgg: expected torchvision's vgg19 state dict, got no file at")


def test_bad_input_is_one_line_that_names_the_option(frames, tmp_path, refused):
    fixed, out = ("train", "--preset", "micro", "--data", frames), tmp_path / "out"
    for options, message in (
        (("--preset", "huge"), "--preset: expected micro, tiny, small or paper, got 'huge'"),
        (("--recipe", "loose"), "--recipe: expected strict or extended, got 'loose'"),
        (("--phase", "3"), "--phase: expected 1 or 2, got '3'"),
        (("--threads", "0"), "--threads: expected a whole number of 1 or more, got '0'"),
        (("--minutes", "nan"), "--minutes: expected a positive number, got 'nan'"),
        (("--seed", 2**70), f"--seed: expected a whole number from 0 to {2**63 - 1}"),
        (("--data", tmp_path / "none"), "--data: expected a finished cache at"),
        (("--held-out", tmp_path / "none"), "--held-out: expected a finished cache at"),
        (("--held-out", frames), "--held-out: expected seeds from 1,000,000"),
        (("--start", tmp_path / "none"), "--start: "),
        (("--resume",), "--resume: expected checkpoint.pt in"),
        (("--features", "vgg20"), "--features: "),
        (("--set", "rgb_los=1"), "--set rgb_los: "),
        (("--recipe", "extended", "--preset", "tiny"), "--data: expected 64 px for preset tiny"),
    ):
        assert refused(*fixed, "--out", out, *options).startswith(message)
        assert not out.exists()
    (tmp_path / "file").write_text("mine")
    assert refused(*fixed, "--out", tmp_path / "file").startswith("--out: expected a folder, got the file")


def test_a_training_is_not_begun_anew_or_gone_on_as_another(frames, tmp_path, refused):
    assert train(frames, tmp_path / "out", "--steps", "1") == 0
    fixed = ("train", "--data", frames, "--out", tmp_path / "out")
    assert refused(*fixed, "--preset", "micro").startswith("--out: ")
    message = "--resume: expected a checkpoint of preset tiny, got one of preset micro"
    assert refused(*fixed, "--preset", "tiny", "--resume") == message


def test_the_module_runs_and_the_package_needs_no_accelerate():
    program = (
        "import sys; sys.modules['accelerate'] = None; import flow3d, flow3d.training, flow3d.__main__ as m;"
        "import flow3d.training.trainer; m.parser()"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
