"""The command line, from rendering frames to a resumed training."""

import subprocess
import sys

import pytest

from flow3d import FlowRenderer
from flow3d.__main__ import main
from flow3d.datasets.cache_build import build_cache
from flow3d.training.checkpoint import read_checkpoint


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
    told = ("--recipe", "extended", "--batch", "2", "--model", "pose_flow=True", "--model", "matte_residual=True")
    assert train(frames, tmp_path / "out", *told, "--steps", "2") == 0
    assert train(frames, tmp_path / "out", "--recipe", "extended", "--resume", "--steps", "3") == 0
    assert FlowRenderer.from_pretrained(tmp_path / "out" / "weights").config.pose_flow
    after = ("--phase", "2", "--start", str(tmp_path / "out"), "--steps", "1")
    assert train(frames, tmp_path / "two", *told, *after) == 0
    assert train(frames, tmp_path / "three", "--recipe", "extended", *after) == 2
    assert "start: expected weights of" in capsys.readouterr().err
    assert train(frames, tmp_path / "four", "--model", "pose_flaw=True") == 2
    assert "pose_flaw: expected a field of RendererConfig; the nearest is 'pose_flow'" in capsys.readouterr().err


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
