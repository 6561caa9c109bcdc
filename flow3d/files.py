"""Writing files whole, and claiming a folder for one process."""

from __future__ import annotations

import errno
import os
import platform
import secrets
import sys
import time
import warnings
from collections.abc import Generator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

CLAIM = ".claim"  # the file that is locked in a claimed folder; hidden, and removed with the claim
PART = ".part"  # the ending of a file that is being written
STALE = 3600.0  # seconds after which such a file counts as left by a process that died
HELD = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)  # the errors of a lock that somebody else holds

if sys.platform == "win32":
    import msvcrt

    def _lock(file: FileIO) -> None:
        file.seek(1 << 30)  # a locked byte cannot be read, so it lies far behind the holder's name
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(file: FileIO) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def write_whole(path: str | os.PathLike[str], content: bytes) -> None:
    """Write ``content`` to ``path``; a reader sees the old file or the new one, never half of one.

    The content is on the disk before the name is, so that a loss of power leaves a whole file too.

    Raises:
        FileNotFoundError: the folder of ``path`` does not exist.
        OSError: no room, or no permission; the old file is still there.
    """
    target = Path(path)
    if not target.parent.is_dir():
        raise FileNotFoundError(f"path: expected a file in an existing folder, got {os.fspath(path)!r}")
    temporary = target.with_name(f".{secrets.token_hex(8)}{PART}")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
    with suppress(OSError):  # not every system lets a folder be opened
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


@contextmanager
def claim(folder: str | os.PathLike[str], argument: str = "out", doing: str = "trained into") -> Generator[None]:
    """Hold ``folder`` for the block alone; no other process, and no other block of this one, can claim it meanwhile.

    The folder is made if need be. The system frees the claim of a process that dies, so that none stays behind.

    Args:
        folder: what is claimed.
        argument, doing: words of the message: "out: 'runs/p1' is being trained into by process 7 on HOST".

    Raises:
        ValueError: somebody else holds the folder; the message names the process and its machine.
        OSError: the folder cannot be made or written.
    """
    path, name = Path(folder, CLAIM), os.fspath(folder)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = _open_locked(path)
    except OSError as error:
        reason = error.strerror or error
        raise type(error)(f"{argument}: expected a folder that can be written, got {name!r} ({reason})") from error
    if file is None:
        raise ValueError(f"{argument}: {name!r} is being {doing} by {_holder(path)}")
    try:
        with suppress(OSError):  # on a full disk the claim holds without a name
            file.truncate(0)
            file.write(f"process {os.getpid()} on {platform.node()}".encode())
        _sweep(path.parent)
        yield
    finally:
        with suppress(OSError):  # Windows removes no open file; there it stays, unlocked
            path.unlink()
        file.close()


def _open_locked(path: Path) -> FileIO | None:
    """The file, opened and locked; None where somebody else has locked it."""
    while True:
        file = path.open("a+b", buffering=0)
        try:
            _lock(file)
        except OSError as error:
            if error.errno in HELD:
                file.close()
                return None
            warnings.warn(f"no lock on {os.fspath(path)!r} ({error}); a second training is not noticed", stacklevel=4)
            return file
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        file.close()  # its last holder removed it after it was opened here


def _holder(path: Path) -> str:
    """The process that wrote a claim, for a message."""
    try:
        return path.read_text(encoding="utf-8") or "another process"
    except OSError:  # the claim has just been released
        return "another process"


def _sweep(folder: Path) -> None:
    """Remove the partial files of processes that died while they wrote."""
    for part in folder.glob(f".*{PART}"):
        with suppress(OSError):
            if time.time() - part.stat().st_mtime > STALE:
                part.unlink()
