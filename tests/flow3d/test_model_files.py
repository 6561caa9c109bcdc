"""The table of networks by others: what is shipped is what it says, and archives cannot write where they like."""

import zipfile

import pytest

from flow3d import assets, model_files
from flow3d.model_files import KNOWN, contents, find, install, is_measured, known, read, shipped, users

NAMES = [file.name for file in KNOWN]


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A user's folder, and a package without its networks."""
    monkeypatch.setenv("FLOW3D_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(assets, "roots", lambda: [tmp_path / "package"])
    return tmp_path / "home"


@pytest.fixture(scope="module")
def networks() -> dict[str, bytes]:
    return {file.name: find(file).read_bytes() for file in KNOWN}


@pytest.mark.parametrize("file", KNOWN, ids=NAMES)
def test_every_known_file_is_shipped_as_it_was_measured(file):
    assert shipped(file) == find(file)
    assert is_measured(file, read(file))


def test_names_are_told_apart():
    assert len(set(NAMES)) == len(KNOWN)
    assert known(KNOWN[1].place) is KNOWN[1]
    with pytest.raises(ValueError, match=r"place: expected one of face/face_detector\.tflite"):
        known("face/no_such.tflite")


def test_a_copy_lies_in_the_users_folder_and_is_found(home, networks):
    file = KNOWN[0]
    with pytest.raises(FileNotFoundError, match=r"face_detector\.tflite: .*`flow3d models FILE`"):
        find(file)
    place = install(file, networks[file.name])
    assert place == users(file) == home / "models/face/face_detector.tflite"
    assert (find(file), read(file)) == (place, networks[file.name])
    assert [entry.name for entry in place.parent.iterdir()] == [file.name]


def test_the_shipped_file_comes_before_the_users(home, networks, tmp_path):
    file = KNOWN[0]
    install(file, b"another version")
    place = tmp_path / "package" / "models" / file.place
    place.parent.mkdir(parents=True)
    place.write_bytes(networks[file.name])
    assert find(file) == place


def test_a_shipped_file_that_was_changed_is_refused(home, networks, tmp_path):
    file = KNOWN[0]
    place = tmp_path / "package" / "models" / file.place
    place.parent.mkdir(parents=True)
    place.write_bytes(networks[file.name][:-1])
    with pytest.raises(ValueError, match=r"face_detector\.tflite: expected the file that was shipped"):
        read(file)


def archive(path, members: dict[str, bytes], kind: int = zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", kind) as made:
        for name, content in members.items():
            made.writestr(name, content)
    return path


@pytest.mark.parametrize("kind", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=["stored", "deflated"])
def test_members_are_taken_by_name_wherever_they_lie(tmp_path, networks, kind):
    members = {f"folder/{name}": content for name, content in networks.items()} | {"other.txt": b"words"}
    found = dict(contents(archive(tmp_path / "some.task", members, kind)))
    assert {file.name: content for file, content in found.items()} == networks


def test_a_members_path_leads_nowhere(tmp_path, home, networks):
    path = archive(tmp_path / "bad.zip", {"../../../escaped/face_detector.tflite": networks["face_detector.tflite"]})
    ((file, content),) = contents(path)
    assert install(file, content) == home / "models/face/face_detector.tflite"
    assert not list(tmp_path.rglob("escaped"))


def test_a_folder_is_read_without_what_lies_deeper(tmp_path, networks):
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "face_blendshapes.tflite").write_bytes(b"not looked at")
    (tmp_path / "face_detector.tflite").write_bytes(networks["face_detector.tflite"])
    (tmp_path / "README.md").write_text("words")
    archive(tmp_path / "more.task", {"selfie_segmentation.tflite": b"matte"})
    assert sorted(file.name for file, _ in contents(tmp_path)) == ["face_detector.tflite", "selfie_segmentation.tflite"]


def test_a_file_of_another_name_holds_nothing(tmp_path):
    (tmp_path / "network.tflite").write_bytes(b"x")
    assert list(contents(tmp_path / "network.tflite")) == []


def test_a_missing_path_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="path: expected a file or a folder, found none at"):
        list(contents(tmp_path / "none"))


@pytest.mark.parametrize("kind", ["no archive", "cut", "changed"])
def test_a_damaged_archive_is_refused(tmp_path, networks, kind):
    path = archive(tmp_path / "some.task", {"face_detector.tflite": networks["face_detector.tflite"]})
    whole = bytearray(path.read_bytes())
    if kind == "changed":
        whole[5000] ^= 1
    path.write_bytes({"no archive": b"words", "cut": whole[:-100], "changed": whole}[kind])
    with pytest.raises(ValueError, match=r"path: expected a whole zip archive, got 'some\.task'"):
        list(contents(path))


def test_what_is_too_large_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    path = archive(tmp_path / "bomb.task", {"face_detector.tflite": bytes(10**6)}, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 10_000
    monkeypatch.setattr(model_files, "LARGEST", 10**5)
    with pytest.raises(ValueError, match="path: expected at most 100,000 bytes, got 1,000,000"):
        list(contents(path))
    (tmp_path / "face_detector.tflite").write_bytes(bytes(10**6))
    with pytest.raises(ValueError, match="path: expected at most 100,000 bytes, got 1,000,000"):
        list(contents(tmp_path / "face_detector.tflite"))
    monkeypatch.setattr(model_files, "LARGEST_ARCHIVE", 100)
    with pytest.raises(ValueError, match="path: expected at most 100 bytes"):
        list(contents(path))


def test_too_many_members_and_files_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(model_files, "MOST_MEMBERS", 2)
    path = archive(tmp_path / "many.zip", {f"{k}.txt": b"" for k in range(3)})
    with pytest.raises(ValueError, match="path: expected at most 2 members, got 3"):
        list(contents(path))
    for name in ("a", "b"):
        (tmp_path / name).write_text("")
    with pytest.raises(ValueError, match="path: expected a folder of at most 2 files, got 3"):
        list(contents(tmp_path))
