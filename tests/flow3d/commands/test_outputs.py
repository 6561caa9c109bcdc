"""A folder is tried before the work; where the work fails, nothing that is new and empty stays."""

import os
import tempfile
from pathlib import Path

import pytest

from flow3d.commands.outputs import check_place, writable


def test_folders_are_made_and_kept_when_the_work_succeeds(tmp_path):
    with writable(tmp_path / "a" / "b") as folder:
        assert os.listdir(folder) == []
    assert (tmp_path / "a" / "b").is_dir()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_new_and_empty_folders_go_when_the_work_fails(tmp_path, error):
    with pytest.raises(error), writable(tmp_path / "a" / "b"):
        raise error
    assert os.listdir(tmp_path) == []


def test_what_was_there_or_was_written_stays_when_the_work_fails(tmp_path):
    (tmp_path / "old").mkdir()

    def write_half(folder: Path) -> None:
        with writable(folder) as out:
            (out / "half.csv").write_text("1")
            raise ValueError("lost")

    with pytest.raises(ValueError, match="lost"), writable(tmp_path / "old"):
        raise ValueError("lost")
    with pytest.raises(ValueError, match="lost"):
        write_half(tmp_path / "a" / "b")
    assert (tmp_path / "old").is_dir()
    assert (tmp_path / "a" / "b" / "half.csv").is_file()


def test_what_is_no_folder_is_refused_by_the_option(tmp_path):
    (tmp_path / "file").write_text("mine")
    for name, message in (
        ("file", "--to: expected a folder, got the file '.*file'"),
        ("file/below", r"--to: expected a folder that can be written, got '.*below' \(Not a directory\)"),
    ):
        with pytest.raises(ValueError, match=message), writable(tmp_path / name, "--to"):
            pass
    with pytest.raises(ValueError, match="--out: expected a folder's name, got ''"), writable(""):
        pass
    assert os.listdir(tmp_path) == ["file"]


def test_a_folder_that_may_not_be_written_is_refused_and_not_left_behind(tmp_path, monkeypatch):
    def refuse(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    message = r"expected a folder that can be written, got '.*new' \(Permission denied\)"
    with pytest.raises(ValueError, match=f"--out: {message}"), writable(tmp_path / "new"):
        pass
    with pytest.raises(ValueError, match=r"OUT: expected a place in a folder that can be written, got .*denied\)"):
        check_place(tmp_path / "new.gif", "OUT")
    assert os.listdir(tmp_path) == []


def test_a_place_needs_a_parent(tmp_path):
    check_place(tmp_path / "new.gif", "OUT")
    assert os.listdir(tmp_path) == []
    with pytest.raises(ValueError, match=r"OUT: expected a place in an existing folder, got '.*nowhere.*gif'"):
        check_place(tmp_path / "nowhere" / "new.gif", "OUT")
