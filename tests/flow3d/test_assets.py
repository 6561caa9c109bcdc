"""Shipped data is found from a clone and from a wheel, and the package imports on a bare server."""

import hashlib
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from flow3d import assets

REPOSITORY = Path(__file__).resolve().parents[2]

# What a bare GPU server lacks; flow3d.teach alone may ask for it.
BARE = """
import importlib, pkgutil, sys
BLOCKED = {"matplotlib", "ipywidgets", "IPython", "jupyterlab", "skimage", "scipy", "PIL", "beartype", "pytest"}

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"{name} is blocked: a bare server lacks it", name=name)

sys.meta_path.insert(0, Blocker())
import flow3d
assert flow3d.__file__.startswith(sys.argv[1]), flow3d.__file__
for found in pkgutil.walk_packages(flow3d.__path__, "flow3d.", onerror=lambda name: None):
    if not found.name.startswith("flow3d.teach"):
        importlib.import_module(found.name)
from flow3d import assets
readme = assets.path("README.md")
assert str(readme).startswith(sys.argv[1]), readme
print(readme.read_text().splitlines()[0])
"""


def test_data_is_found_in_the_clone():
    assert assets.path("README.md") == REPOSITORY / "data" / "README.md"


def test_a_missing_file_is_named_with_the_places_searched():
    with pytest.raises(FileNotFoundError, match=r"clips/no_such\.npz.*looked for .*data"):
        assets.path("clips/no_such.npz")


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../pyproject.toml", "clips/../../README.md"])
def test_names_outside_data_are_refused(name):
    with pytest.raises(ValueError, match="name must be a path below data/"):
        assets.path(name)


def test_a_stranger_beside_an_installed_package_is_ignored(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "README.md").write_text("another project's data")
    monkeypatch.setattr(assets, "PACKAGE", tmp_path / "flow3d")
    with pytest.raises(FileNotFoundError):
        assets.path("README.md")


@pytest.mark.parametrize(
    ("platform", "named", "ending"),
    [
        ("linux", {"XDG_DATA_HOME": "/there"}, "/there/flow3d"),
        ("linux", {}, ".local/share/flow3d"),
        ("darwin", {}, "Library/Application Support/flow3d"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/flow3d"),
        ("win32", {}, "AppData/Local/flow3d"),
        ("linux", {"FLOW3D_HOME": "/mine", "XDG_DATA_HOME": "/there"}, "/mine"),
    ],
)
def test_the_users_folder_is_where_the_system_has_it(monkeypatch, platform, named, ending):
    for name in ("FLOW3D_HOME", "XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in named.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    assert assets.user_folder().as_posix().endswith(ending)


@pytest.fixture(scope="module")
def wheel_folder(tmp_path_factory):
    """The wheel's content, unpacked as pip would."""
    pytest.importorskip("hatchling", reason="hatchling builds the wheel; it comes with the test extra")
    out = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    done = subprocess.run(build, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = out.glob("flow3d-*.whl")
    zipfile.ZipFile(wheel).extractall(out / "site")
    return out / "site"


def test_the_wheel_holds_both_packages_and_the_data(wheel_folder):
    names = ("flow3d/__init__.py", "flow3d_kernels/__init__.py", "flow3d/data/README.md")
    for name in (*names, "flow3d_kernels/cpp_kernels/warp.cpp", "flow3d_kernels/cpp_kernels/common.hpp"):
        assert (wheel_folder / name).is_file(), name
    assert not (wheel_folder / "kernels").exists()


def test_the_wheel_imports_on_a_bare_server_and_reads_its_data(wheel_folder, tmp_path):
    script = f"import sys; sys.path.insert(0, {str(wheel_folder)!r})\n{BARE}"
    run = [sys.executable, "-c", script, str(wheel_folder)]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == (REPOSITORY / "data" / "README.md").read_text().splitlines()[0]


def test_every_shipped_file_has_a_row_with_its_hash():
    folder = REPOSITORY / "data"
    rows = re.findall(r"(?m)^\| *`([^`]+)` *\|.*\| *`?([0-9a-f]{64})`? *\|$", (folder / "README.md").read_text())
    shipped = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {"README.md"}
    assert {name for name, _ in rows} == shipped
    for name, digest in rows:
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest, name


def test_a_checkout_stays_small():
    """What git tracks: every reader downloads it, and the history keeps each version."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("no git checkout")
    files = [REPOSITORY / name for name in listed.stdout.split("\0") if name]
    assert sum(file.stat().st_size for file in files if file.is_file()) < 60 * 2**20
