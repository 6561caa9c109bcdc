"""`flow3d models` lists what is known, takes in sound files, and refuses others before it copies any."""

import zipfile

import pytest

from flow3d import assets
from flow3d.__main__ import main
from flow3d.commands import models
from flow3d.model_files import KNOWN, find, known

DETECTOR = known("face/face_detector.tflite")


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """A user's folder, and a package without its networks."""
    monkeypatch.setenv("FLOW3D_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(assets, "roots", lambda: [tmp_path / "package"])
    return tmp_path / "home" / "models"


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    """An archive of all networks, as the publisher packs them."""
    path = tmp_path_factory.mktemp("task") / "face_landmarker.task"
    with zipfile.ZipFile(path, "w") as made:
        for file in KNOWN:
            made.write(find(file), file.name)
    return path


def test_without_a_file_the_known_ones_are_listed(capsys):
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[0] for line in lines] == ["shipped"] * len(KNOWN)
    assert all(file.name in line for file, line in zip(KNOWN, lines, strict=True))


def test_what_the_package_lacks_is_copied_whole(bare, task, capsys):
    assert main(["models"]) == 0
    assert capsys.readouterr().out.count("missing: ") == len(KNOWN)
    assert main(["models", str(task)]) == 0
    assert capsys.readouterr().out.count("by its sha256; copied to") == len(KNOWN)
    assert sorted(str(place.relative_to(bare)) for place in bare.rglob("*.*")) == sorted(file.place for file in KNOWN)
    assert main(["models"]) == 0
    assert capsys.readouterr().out.count("your copy: ") == len(KNOWN)


def test_what_the_package_has_is_not_copied(tmp_path, monkeypatch, task, capsys):
    monkeypatch.setenv("FLOW3D_HOME", str(tmp_path))
    assert main(["models", str(task)]) == 0
    assert capsys.readouterr().out.count("not copied, the package has its own") == len(KNOWN)
    assert list(tmp_path.iterdir()) == []


def test_another_version_is_tried_first(tmp_path, monkeypatch, capsys):
    tried = []
    content = find(DETECTOR).read_bytes() + bytes(8)
    monkeypatch.setattr(models, "try_content", lambda file, content: tried.append((file, content)))
    monkeypatch.setenv("FLOW3D_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(assets, "roots", lambda: [tmp_path / "package"])
    (tmp_path / DETECTOR.name).write_bytes(content)
    assert main(["models", str(tmp_path / DETECTOR.name)]) == 0
    assert tried == [(DETECTOR, content)]
    assert "another version, which gives the same numbers" in capsys.readouterr().out
    assert (tmp_path / "home" / "models" / DETECTOR.place).read_bytes() == content


def test_one_bad_file_and_none_is_copied(bare, tmp_path, monkeypatch, refused):
    def fail(file, content):
        raise ValueError(f"{file.name}: expected a TFLite network")

    monkeypatch.setattr(models, "try_content", fail)
    for file in KNOWN[:2]:
        (tmp_path / file.name).write_bytes(find_shipped(file))
    (tmp_path / KNOWN[2].name).write_bytes(b"damaged")
    assert refused("models", tmp_path) == f"FILE: {KNOWN[2].name}: expected a TFLite network"
    assert not bare.exists()


def find_shipped(file) -> bytes:
    return (assets.PACKAGE.parent / "data" / "models" / file.place).read_bytes()


@pytest.mark.parametrize(
    ("name", "message"),
    [("none.task", "FILE: expected a file or a folder, found none at"), ("words.txt", "FILE: expected one of face_de")],
)
def test_what_holds_none_is_refused_by_the_argument(tmp_path, refused, name, message):
    (tmp_path / "words.txt").write_text("words")
    assert refused("models", tmp_path / name).startswith(message)


def test_a_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch, task, refused):
    monkeypatch.setattr(assets, "roots", lambda: [tmp_path / "package"])
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("FLOW3D_HOME", str(tmp_path / "file"))
    assert str(tmp_path / "file") in refused("models", task)
