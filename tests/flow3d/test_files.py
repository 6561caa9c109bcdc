"""Writing files whole, and claiming a folder: against other processes, against this one, and never for ever."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flow3d.files import CLAIM, STALE, claim, write_whole

HOLDER = """
import sys, time
from flow3d.files import claim
with claim(sys.argv[1]):
    print("held", flush=True)
    time.sleep(600)
"""


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path):
    for content in (b"old", b"new"):
        write_whole(tmp_path / "file", content)
        assert (tmp_path / "file").read_bytes() == content
        assert names(tmp_path) == {"file"}


def test_a_new_file_has_the_permissions_of_any_other(tmp_path):
    write_whole(tmp_path / "ours", b"")
    (tmp_path / "plain").write_bytes(b"")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_the_content_is_on_the_disk_before_the_name_is(tmp_path, monkeypatch):
    done = []
    real_sync, real_replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda file: (done.append("sync"), real_sync(file)))
    monkeypatch.setattr(os, "replace", lambda a, b: (done.append("replace"), real_replace(a, b)))
    write_whole(tmp_path / "file", b"content")
    assert done == ["sync", "replace", "sync"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_file_alone(tmp_path, monkeypatch, call):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    write_whole(tmp_path / "file", b"old")
    monkeypatch.setattr(os, call, full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(tmp_path / "file", b"new")
    assert names(tmp_path) == {"file"}
    assert (tmp_path / "file").read_bytes() == b"old"


def test_a_file_in_no_folder_is_refused_by_name(tmp_path):
    with pytest.raises(FileNotFoundError, match="path: expected a file in an existing folder, got"):
        write_whole(tmp_path / "none" / "file", b"")


def test_a_claim_makes_its_folder_and_leaves_nothing_in_it(tmp_path):
    folder = tmp_path / "a" / "b"
    with claim(folder):
        assert names(folder) == {CLAIM}
    assert names(folder) == set()


def test_a_second_claim_in_this_process_is_refused_until_the_first_ends(tmp_path):
    with claim(tmp_path):
        before = (tmp_path / CLAIM).read_bytes()
        with (
            pytest.raises(ValueError, match=rf"^out: '.*' is being trained into by process {os.getpid()} on "),
            claim(tmp_path),
        ):
            pass
        assert (tmp_path / CLAIM).read_bytes() == before
        with (
            pytest.raises(ValueError, match=r"^folder: .* is being rendered into by process"),
            claim(tmp_path, "folder", "rendered into"),
        ):
            pass
    with claim(tmp_path):
        pass


def test_an_error_in_the_block_frees_the_folder(tmp_path):
    with pytest.raises(FloatingPointError), claim(tmp_path):
        raise FloatingPointError
    with claim(tmp_path):
        pass


@pytest.mark.skipif(os.name != "posix", reason="kills a process by a signal")
def test_another_process_is_named_and_its_claim_ends_with_it(tmp_path):
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(ValueError, match=f"by process {other.pid} on "), claim(tmp_path):
            pass
        other.send_signal(signal.SIGKILL)
    assert names(tmp_path) == {CLAIM}  # what a killed process leaves holds nothing
    with claim(tmp_path):
        assert str(os.getpid()) in (tmp_path / CLAIM).read_text()


def test_a_claim_that_was_just_given_up_is_not_mistaken_for_a_free_one(tmp_path, monkeypatch):
    """Opened before its holder removes the file, locked afterwards: the lock would lie on a file that is gone."""
    path, opened = tmp_path / CLAIM, []
    real = Path.open

    def late(self: Path, *arguments: object, **options: object) -> object:
        file = real(self, *arguments, **options)  # ty: ignore[no-matching-overload]
        if not opened:
            path.unlink()
        opened.append(file)
        return file

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", late)
        with claim(tmp_path):
            assert len(opened) == 2
            assert names(tmp_path) == {CLAIM}


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_file_in_the_folder_s_place_is_refused_by_name(tmp_path, place):
    (tmp_path / "file").write_bytes(b"")
    with (
        pytest.raises(OSError, match=r"^out: expected a folder that can be written, got '.*file.*' \("),
        claim(tmp_path / place),
    ):
        pass


def test_where_nothing_can_be_locked_the_block_runs_with_a_warning(tmp_path, monkeypatch):
    def refuses(file: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("flow3d.files._lock", refuses)
    with pytest.warns(UserWarning, match=r"no lock on .* a second training is not noticed"), claim(tmp_path):
        pass


def test_a_claim_removes_what_died_long_ago_in_the_middle_of_a_file(tmp_path):
    for name, age in ((".old.part", 2 * STALE), (".new.part", 0.0)):
        (tmp_path / name).write_bytes(b"half")
        then = time.time() - age
        os.utime(tmp_path / name, (then, then))
    with claim(tmp_path):
        assert names(tmp_path) == {CLAIM, ".new.part"}
