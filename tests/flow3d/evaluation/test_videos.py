"""A folder of one's own videos, measured: which scores there are, which not and why, and what is refused."""

import csv
import json

import torch

from flow3d.__main__ import main
from flow3d.datasets import make_clip
from flow3d.preprocessing.images import write_image


def write_clip(folder, frames) -> None:
    folder.mkdir(parents=True)
    for k, frame in enumerate(frames):
        write_image(folder / f"{k:03d}.png", frame)


def evaluate(weights, videos, out, *options: str) -> int:
    named = ("--weights", str(weights), "--videos", str(videos), "--out", str(out))
    return main(["evaluate", *named, *options])


def test_clips_are_measured_and_what_was_skipped_is_named_and_counted(micro, tmp_path, capsys):
    videos = tmp_path / "videos"
    frames = make_clip(1_000_002, 6, 64).frames
    write_clip(videos / "one", frames)
    write_clip(videos / "two", frames[:3].flip(0))
    write_clip(videos / "alone", torch.zeros(1, 3, 32, 32))
    write_clip(videos / "wall", torch.full((2, 3, 32, 32), 0.3))
    for out in ("a", "b"):
        assert evaluate(micro, videos, tmp_path / out) == 0
    said = capsys.readouterr()
    assert "warning: The renderer's weights, the regressor" in said.err
    for name in ("videos.json", "videos_frames.csv", "videos.md"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    text = (tmp_path / "a" / "videos.md").read_text()
    assert "2 clips used, 2 skipped" in text
    assert "alone (expected two frames or more, got 1" in text
    assert "wall (no face found in 2 of its frames)" in text
    assert "errors of the flow (no exact flow is known)" in text
    content = json.loads((tmp_path / "a" / "videos.json").read_text())
    (table,) = content["tables"].values()
    names = [line["what"] for line in table]
    assert names == [
        "PSNR, whole frame", "SSIM, whole frame", "AKD (478 detected landmarks)", "AED (52 detected scores)",
        "frames without a face", "AED (scorer, 5 coefficients)", "APD rot (scorer)", "APD rot + trans (scorer)",
        "pose distance (scorer)", "CSIM (heads)",
        "Fréchet distance over head features", "jitter beside the true clip", "second differences, output / truth",
    ]  # fmt: skip
    assert set(content["settings"]["skipped"]) == {"alone", "wall"}
    rows = list(csv.DictReader((tmp_path / "a" / "videos_frames.csv").read_text().splitlines()))
    assert [(row["clip"], row["frame"]) for row in rows[:6]] == [*(("one", str(k)) for k in range(1, 6)), ("two", "1")]
    assert rows[0]["jitter output"]
    assert not rows[-1]["jitter output"]  # a clip of three frames
    assert "csim stranger" not in rows[0]


def test_folders_without_a_usable_clip_are_refused(micro, tmp_path, capsys):
    assert evaluate(micro, tmp_path / "nowhere", tmp_path / "out") == 2
    assert "error: --videos: expected a folder of videos, found none" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert evaluate(micro, tmp_path / "empty", tmp_path / "out") == 2
    assert "error: --videos: expected .mp4" in capsys.readouterr().err
    write_clip(tmp_path / "videos" / "mixed", [torch.zeros(3, 32, 32), torch.zeros(3, 48, 48)])
    assert evaluate(micro, tmp_path / "videos", tmp_path / "out") == 2
    said = capsys.readouterr().err
    assert "error: --videos: expected one clip that can be used, got none: mixed (expected images of one size" in said
    assert evaluate(micro, tmp_path / "videos", tmp_path / "out", "--protocol", "cross") == 2
    assert "error: --videos: expected no --list, and no --protocol but self" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
