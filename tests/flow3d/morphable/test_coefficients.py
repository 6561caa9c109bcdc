"""The 73 numbers have names, refuse nonsense, and come back from a file as they went in.

Tests: coefficient_files.
"""

import json
import os
import zipfile
from typing import cast

import numpy as np
import pytest
import torch

from flow3d.fields import show
from flow3d.morphable import EXPRESSIONS, Coefficients, talking_head
from flow3d.morphable.coefficients import NAMES, SLICES, one_frame
from flow3d.sizes import COEFFICIENT_COUNT


def test_the_slices_share_out_the_73_names():
    assert len(NAMES) == len(set(NAMES)) == COEFFICIENT_COUNT == 73
    assert [k for part in SLICES.values() for k in range(COEFFICIENT_COUNT)[part]] == list(range(COEFFICIENT_COUNT))
    assert NAMES[: len(EXPRESSIONS)] == EXPRESSIONS
    assert len(EXPRESSIONS) >= 20


@pytest.mark.parametrize(
    ("name", "part", "column"),
    [("jaw_open", "expression", 0), ("gaze_x", "expression", 10), ("gaze_y", "expression", 11),
     ("pitch", "rotation", 0), ("yaw", "rotation", 1), ("roll", "rotation", 2), ("translation_z", "translation", 2),
     ("crop_scale", "crop", 0), ("crop_y", "crop", 2)],
)  # fmt: skip
def test_a_name_means_one_column(name, part, column):
    values = Coefficients.neutral(2).replace(**{name: 0.5})
    torch.testing.assert_close(values[name], torch.tensor([0.5, 0.5]))
    assert (getattr(values, part)[:, column] == 0.5).all()
    assert int((values.values != Coefficients.neutral(2).values).sum()) == 2


def test_the_rest_pose_is_zero_but_for_the_crops_scale():
    neutral = Coefficients.neutral(3)
    assert len(neutral) == 3
    assert neutral.values.sum() == 3
    assert (neutral["crop_scale"] == 1).all()


def test_replace_returns_a_copy_and_takes_a_track():
    before = Coefficients.neutral(3)
    after = before.replace(smile=torch.tensor([0.0, 0.5, 1.0]))
    assert (before["smile"] == 0).all()
    assert after["smile"].tolist() == [0.0, 0.5, 1.0]
    assert after.frame(-1)[NAMES.index("smile")] == 1


@pytest.mark.parametrize(("typed", "meant"), [("blnk_left", "blink_left"), ("smyle", "smile"), ("yaww", "yaw")])
def test_an_unknown_name_is_told_the_nearest(typed, meant):
    with pytest.raises(ValueError, match=f"got '{typed}'; the nearest is '{meant}'"):
        Coefficients.neutral().replace(**{typed: 1.0})
    with pytest.raises(ValueError, match=meant):
        Coefficients.neutral()[typed]


@pytest.mark.usefixtures("no_shape_checks")
@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        (torch.zeros(2, 72), ValueError, r"values: expected shape \(N, 73\), got \(2, 72\)"),
        (torch.zeros(73), ValueError, r"values: expected shape \(N, 73\), got \(73,\)"),
        (torch.zeros(0, 73), ValueError, "values: expected at least one frame, got none"),
        (torch.zeros(2, 73).index_fill(1, torch.tensor([65]), torch.nan), ValueError, "values: .* got nan in 'yaw'"),
        (torch.full((1, 73), torch.inf), ValueError, "values: expected finite numbers, got inf in 'jaw_open'"),
        (torch.zeros(2, 73, dtype=torch.int64), TypeError, "values: .* got torch.int64"),
        ([0.0] * 73, TypeError, "values: expected a tensor of 73 floating-point coefficients, got list"),
    ],
)
def test_bad_values_are_named(values, error, message):
    with pytest.raises(error, match=message):
        Coefficients(values)


@pytest.mark.usefixtures("no_shape_checks")
@pytest.mark.parametrize(
    ("frames", "error", "message"),
    [(0, ValueError, "frames: expected 1 or more, got 0"), (2.0, TypeError, "frames: expected an integer, got 2.0"),
     (True, TypeError, "frames: expected an integer, got True")],
)  # fmt: skip
def test_bad_frame_counts_are_named(frames, error, message):
    with pytest.raises(error, match=message):
        Coefficients.neutral(frames)


@pytest.mark.usefixtures("no_shape_checks")
def test_bad_arguments_of_the_methods_are_named():
    three, zero = Coefficients.neutral(3), cast("str", 0)
    with pytest.raises(ValueError, match=r"smile: expected a number or 3 of them, got shape \(2,\)"):
        three.replace(smile=torch.zeros(2))
    with pytest.raises(ValueError, match="got nan in 'smile'"):
        three.replace(smile=float("nan"))
    with pytest.raises(ValueError, match="number: expected a frame from 0 to 2, got 3"):
        three.frame(3)
    with pytest.raises(TypeError, match="coefficient: expected a name, got 0"):
        three[zero]
    with pytest.raises(ValueError, match="coefficients: expected one frame, got 3"):
        one_frame(three)


@pytest.mark.parametrize("kind", ["json", "npz"])
def test_a_file_gives_back_every_bit(kind, tmp_path):
    motion, path = talking_head(7, seed=1), tmp_path / f"clip.{kind}"
    getattr(motion, f"to_{kind}")(path)
    assert torch.equal(getattr(Coefficients, f"from_{kind}")(path).values, motion.values)
    assert os.listdir(tmp_path) == [path.name]


def test_names_left_out_of_a_file_are_neutral(tmp_path):
    path = tmp_path / "smile.json"
    path.write_text('{"frames": [{"smile": 1, "yaw": -0.25}, {}]}')
    expected = Coefficients.neutral(2).replace(smile=torch.tensor([1.0, 0.0]), yaw=torch.tensor([-0.25, 0.0]))
    assert torch.equal(Coefficients.from_json(path).values, expected.values)
    np.savez(tmp_path / "smile.npz", values=np.array([[1.0, -0.25], [0, 0]]), names=np.array(["smile", "yaw"]))
    assert torch.equal(Coefficients.from_npz(tmp_path / "smile.npz").values, expected.values)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "expected a JSON file"),
        ("[]", "expected an object, got list"),
        ("{}", "list 'frames' of at least one frame"),
        ("[" * 10**5, "expected a JSON file"),
        ('{"frames": [{"yaw": 1' + "0" * 400 + "}]}", "expected a number for 'yaw' in frame 0"),
        ('{"frames": [{"yaw": 1e39}]}', "expected a number for 'yaw' in frame 0"),
        ('{"frames": [{"self": 1}]}', "expected one of the 73 names, got 'self'"),
        ('{"frames": []}', "list 'frames' of at least one frame"),
        ('{"frames": [3]}', "names and numbers in frame 0"),
        ('{"frames": [{}, {"yaw": "left"}]}', "expected a number for 'yaw' in frame 1"),
        ('{"frames": [{"yaw": NaN}]}', "got nan in 'yaw'"),
        ('{"frames": [{"yow": 1}]}', "nearest is 'yaw'"),
    ],
    ids=show,
)
def test_a_broken_json_is_refused(content, message, tmp_path):
    path = tmp_path / "broken.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=message):
        Coefficients.from_json(path)


def test_a_broken_npz_is_refused(tmp_path):
    whole = tmp_path / "whole.npz"
    talking_head(30, seed=1).to_npz(whole)
    content = whole.read_bytes()
    broken = {
        "empty": b"",
        "text": b"smile 1",
        "cut": content[: len(content) // 2],
        "hole": content[:100] + bytes(400) + content[500:],
    }
    for name, data in broken.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ValueError, match="path: expected an npz of coefficients"):
            Coefficients.from_npz(tmp_path / name)
    for values, names, message in (
        (np.zeros((0, 1)), ["yaw"], "expected values of shape"),
        (np.zeros((2, 2)), ["yaw"], "expected values of shape"),
        (np.zeros((2, 2)), ["yaw", "yaw"], "every name once"),
        (np.full((2, 1), "x"), ["yaw"], "expected an npz"),
        (np.zeros((2, 1)), ["yow"], "nearest is 'yaw'"),
    ):
        np.savez(tmp_path / "odd.npz", values=values, names=np.array(names))
        with pytest.raises(ValueError, match=message):
            Coefficients.from_npz(tmp_path / "odd.npz")
    np.save(tmp_path / "array.npy", np.zeros(3))
    with pytest.raises(ValueError, match="expected an npz"):
        Coefficients.from_npz(tmp_path / "array.npy")


def test_an_archive_that_unpacks_without_end_is_refused_before_it_does(tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("values.npy", "names.npy"):
            archive.writestr(name, bytes(2**27 + 1))
    with pytest.raises(ValueError, match="it unpacks to more than 268,435,456 bytes"):
        Coefficients.from_npz(tmp_path / "bomb.npz")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_refused_instead_of_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for read in (Coefficients.from_json, Coefficients.from_npz):
        for path in (tmp_path / "pipe", tmp_path):
            with pytest.raises(ValueError, match="path: expected a file of at most"):
                read(path)


def test_a_missing_file_or_folder_is_named(tmp_path):
    for read in (Coefficients.from_json, Coefficients.from_npz):
        with pytest.raises(FileNotFoundError, match=r"nowhere\.file"):
            read(tmp_path / "nowhere.file")
    with pytest.raises(FileNotFoundError, match="path: expected a file in an existing folder"):
        Coefficients.neutral().to_json(tmp_path / "nowhere" / "a.json")


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "clip.json"
    Coefficients.neutral().to_json(path)
    before = path.read_bytes()

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        Coefficients.neutral(5).to_json(path)
    assert path.read_bytes() == before
    assert json.loads(before) == {"frames": [{}]}
    assert os.listdir(tmp_path) == ["clip.json"]
