"""The command line, from rendering frames to a resumed training."""

import subprocess
import sys

import pytest
import torch

from flow3d import FlowRenderer
from flow3d.__main__ import main
from flow3d.datasets.cache import build_cache
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
    threads = torch.get_num_threads()
    try:
        return main([
            "train", "--preset", "micro", "--data", str(frames), "--out", str(out), "--threads", "1", *options,
        ])  # fmt: skip
    finally:
        torch.set_num_threads(threads)


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


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--preset", "huge"), "--preset: invalid choice: 'huge'"),
        (("--recipe", "loose"), "--recipe: invalid choice: 'loose'"),
        (("--phase", "3"), "--phase: invalid choice: 3"),
    ],
)
def test_unknown_choices_are_refused_by_name(frames, tmp_path, capsys, options, message):
    with pytest.raises(SystemExit, match="2"):
        train(frames, tmp_path, *options)
    assert message in capsys.readouterr().err


def test_bad_input_is_one_line_and_code_two(frames, tmp_path, capsys):
    assert train(tmp_path / "nowhere", tmp_path) == 2
    assert "error: folder: expected a finished cache" in capsys.readouterr().err
    assert train(frames, tmp_path, "--resume") == 2
    assert "error: resume: expected checkpoint.pt" in capsys.readouterr().err
    assert train(frames, tmp_path, "--set", "rgb_los=1") == 2
    assert "the nearest is 'rgb_loss'" in capsys.readouterr().err
    assert train(frames, tmp_path, "--features", "vgg20") == 2
    assert "error: features:" in capsys.readouterr().err
    assert train(frames, tmp_path, "--threads", "0") == 2
    assert "error: threads: expected at least 1" in capsys.readouterr().err
    assert train(frames, tmp_path / "out", "--steps", "1") == 0
    assert main(["train", "--preset", "tiny", "--data", str(frames), "--out", str(tmp_path / "out"), "--resume"]) == 2
    assert "error: resume: expected a checkpoint of preset tiny, got one of preset micro" in capsys.readouterr().err


def test_the_module_runs_and_the_package_needs_no_accelerate():
    program = (
        "import sys; sys.modules['accelerate'] = None; import flow3d, flow3d.training, flow3d.__main__ as m;"
        "import flow3d.training.trainer; m.parser()"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
