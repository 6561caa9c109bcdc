"""Networks that others trained: which files are known, where they lie, and how a user's copy of one is taken in."""

from __future__ import annotations

import hashlib
import os
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from . import assets
from .files import write_whole

FOLDER = "models"  # below data/, and below the user's folder
LARGEST = 2**24  # bytes of one network
LARGEST_ARCHIVE = 2**28  # bytes of a file that holds several
MOST_MEMBERS = 10_000  # files in such an archive, or in a folder
ARCHIVES = (".task", ".zip", ".whl")


@dataclass(frozen=True)
class ModelFile:
    """A file that is known.

    Attributes:
        place: where it lies below ``models/``, with forward slashes.
        purpose: what it does, in a few words.
        sha256: of the version that the package was measured with.
        source: where its publisher has it.
    """

    place: str
    purpose: str
    sha256: str
    source: str

    @property
    def name(self) -> str:
        """Its own name, as the publisher gave it."""
        return PurePosixPath(self.place).name


_TASK = "member of face_landmarker.task, float16, version 1"
KNOWN = tuple(
    ModelFile(*row)
    for row in (
        (
            "face/face_detector.tflite", "finds faces",
            "b4578f35940bf5a1a655214a1cce5cab13eba73c1297cd78e1a04c2380b0152f", _TASK,
        ),
        (
            "face/face_landmarks_detector.tflite", "finds 478 points of a face",
            "c7d54204ce0448474c7f3fa9af494787c0965cbdd6f20fc72867e43046bd43d5", _TASK,
        ),
        (
            "face/face_blendshapes.tflite", "scores 52 expressions by the points",
            "4f36dded049db18d76048567439b2a7f58f1daabc00d78bfe8f3ad396a2d2082", _TASK,
        ),
        (
            "face/geometry_pipeline_metadata_landmarks.binarypb", "the canonical face",
            "bdbcda96dfcb7da883da124aaa2c55dee49770d934f0fcc71747f8c21bdc75b4", _TASK,
        ),
        (
            "matte/selfie_segmentation.tflite", "finds the person's matte",
            "8d13b7fae74af625c641226813616a2117bd6bca19eb3b75574621fc08557f27",
            "member of the npm package @mediapipe/selfie_segmentation 0.1.1675465747",
        ),
    )
)  # fmt: skip


def known(place: str) -> ModelFile:
    """The row of a file; an unknown ``place`` raises ValueError."""
    for file in KNOWN:
        if file.place == place:
            return file
    raise ValueError(f"place: expected one of {', '.join(file.place for file in KNOWN)}, got {place!r}")


def shipped(file: ModelFile) -> Path | None:
    """The file that came with the package, if it did."""
    places = (root / FOLDER / file.place for root in assets.roots())
    return next((place for place in places if place.is_file()), None)


def users(file: ModelFile) -> Path:
    """Where the user's copy lies, or would lie."""
    return assets.user_folder() / FOLDER / file.place


def find(file: ModelFile) -> Path:
    """The shipped file, or else the user's copy: numbers do not depend on who computes them where both are there.

    Raises:
        FileNotFoundError: neither is there; the message says how to take one in.
    """
    place = shipped(file) or users(file)
    if not place.is_file():
        raise FileNotFoundError(
            f"{file.name}: expected this file ({file.purpose}) among the shipped data or at {str(place)!r}, found "
            f"neither; `flow3d models FILE` takes your copy ({file.source})"
        )
    return place


def read(file: ModelFile) -> bytes:
    """The content of what :func:`find` finds.

    Raises:
        FileNotFoundError: as there.
        ValueError: the shipped file was changed, so that its sha256 is another one.
        OSError: it cannot be read.
    """
    place = find(file)
    content = place.read_bytes()
    if place == shipped(file) and not is_measured(file, content):
        raise ValueError(f"{file.name}: expected the file that was shipped, got another content at {str(place)!r}")
    return content


def is_measured(file: ModelFile, content: bytes) -> bool:
    """Whether a content is the version that the package was measured with."""
    return hashlib.sha256(content).hexdigest() == file.sha256


def install(file: ModelFile, content: bytes) -> Path:
    """Write a content as the user's copy, whole or not at all, and return its place.

    Raises:
        OSError: no room, or no permission; an older copy is still there.
    """
    place = users(file)
    place.parent.mkdir(parents=True, exist_ok=True)
    write_whole(place, content)
    return place


def contents(path: str | os.PathLike[str]) -> Iterator[tuple[ModelFile, bytes]]:
    """Every known file in a file, an archive, or a folder of such, with its bytes.

    A file is recognised by its name. Only known names are looked up in an archive, and where a content is written
    follows from the table alone: no member's path is used.

    Raises:
        FileNotFoundError: nothing is there.
        ValueError: something is larger than a network can be, or an archive is damaged.
        OSError: a file cannot be read.
    """
    place = Path(path)
    if place.is_dir():
        inner = sorted(entry for entry in place.iterdir() if entry.is_file())
        if len(inner) > MOST_MEMBERS:
            raise ValueError(f"path: expected a folder of at most {MOST_MEMBERS} files, got {len(inner)}")
        for entry in inner:
            if entry.suffix.lower() in ARCHIVES or any(entry.name == file.name for file in KNOWN):
                yield from contents(entry)
    elif not place.is_file():
        raise FileNotFoundError(f"path: expected a file or a folder, found none at {os.fspath(path)!r}")
    elif place.suffix.lower() in ARCHIVES:
        yield from _members(place)
    else:
        for file in (file for file in KNOWN if file.name == place.name):
            _check_length(place.stat().st_size, LARGEST, place.name)
            yield file, place.read_bytes()


def _members(path: Path) -> Iterator[tuple[ModelFile, bytes]]:
    """The known members of an archive, wherever in it they lie."""
    _check_length(path.stat().st_size, LARGEST_ARCHIVE, path.name)
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if len(members) > MOST_MEMBERS:
                raise ValueError(f"path: expected at most {MOST_MEMBERS} members, got {len(members)} in {path.name!r}")
            for file in KNOWN:
                for member in (each for each in members if PurePosixPath(each.filename).name == file.name):
                    _check_length(member.file_size, LARGEST, member.filename)
                    with archive.open(member) as stream:
                        content = stream.read(LARGEST + 1)  # the length that the archive states may be wrong
                    _check_length(len(content), LARGEST, member.filename)
                    yield file, content
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:  # or encrypted
        raise ValueError(f"path: expected a whole zip archive, got {path.name!r} ({error})") from error


def _check_length(length: int, most: int, name: str) -> None:
    if length > most:
        raise ValueError(f"path: expected at most {most:,} bytes, got {length:,} in {name!r}")
