"""The C++ library is found, built, kept and loaded, or one error says what is lacking.

Tests: cpp_kernels.build, _dispatch.
"""

import logging
import os
import shutil
import stat

import pytest
import torch

from flow3d_kernels import Backend, _dispatch, backend, use_backend, warp3d
from flow3d_kernels.cpp_kernels import build

pytestmark = pytest.mark.skipif(os.name != "posix", reason="scripts stand for compilers")


@pytest.fixture(autouse=True)
def fresh():
    """What was found is remembered; forget it before and after."""
    for forget in (build.library, _dispatch._chosen, _dispatch._say_once):
        forget.cache_clear()
    yield
    for forget in (build.library, _dispatch._chosen, _dispatch._say_once):
        forget.cache_clear()


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """``tools(name, script)``: an executable in the only folder of PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    shell = shutil.which("sh")
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("CXX", raising=False)

    def add(name, script=""):
        (folder / name).write_text(f"#!{shell}\n{script}\n")
        (folder / name).chmod(0o755)

    return add


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "flow3d_kernels"


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """A library that the compiler here has made."""
    try:
        command = build.compiler()
    except RuntimeError as error:
        pytest.skip(str(error))
    target = tmp_path_factory.mktemp("built") / "library.so"
    build.build(command, target)
    return target


@pytest.fixture
def builds(built, monkeypatch):
    """Where libraries were built; each is a copy of one that the compiler made, which takes no time."""
    targets = []
    monkeypatch.setattr(build, "build", lambda command, target: targets.append(target) or shutil.copy(built, target))
    return targets


def test_the_first_compiler_is_taken_and_cxx_before_it(tools, monkeypatch):
    tools("c++")
    assert build.compiler() == ["c++"]
    tools("clang++")
    assert build.compiler() == ["clang++"]
    tools("g++")
    assert build.compiler() == ["g++"]
    tools("wrapper")
    monkeypatch.setenv("CXX", "wrapper g++ '-D A'")
    assert build.compiler() == ["wrapper", "g++", "-D A"]
    monkeypatch.setenv("CXX", "absent")
    assert build.compiler() == ["g++"]


@pytest.mark.parametrize(("named", "looked_for"), [("", "CXX (not set)"), ("icpx -O3", "icpx -O3 (CXX)")])
def test_without_a_compiler_one_error_says_what_to_do(named, looked_for, tools, monkeypatch):
    monkeypatch.setenv("CXX", named)
    volume, flow = torch.zeros(1, 2, 3, 4, 5), torch.zeros(1, 3, 3, 4, 5)
    message = (
        f'backend "cpp": expected a C++ compiler, found none of {looked_for}, g++, clang++, c++: '
        'install one, or name it in CXX; or ask for another backend, such as use_backend("torch")'
    )
    for ask in (lambda: backend(volume), lambda: warp3d(volume, flow)):
        with use_backend("cpp"), pytest.raises(RuntimeError) as caught:
            ask()
        assert str(caught.value) == message
    assert backend(volume).name == "torch"
    assert torch.equal(warp3d(volume, flow), volume)


def test_a_compiler_that_fails_is_quoted_and_leaves_nothing(tools, cache):
    tools("g++", '[ "$1" = --version ] || { echo "no such header" >&2; exit 1; }')
    with (
        use_backend("cpp"),
        pytest.raises(RuntimeError, match=r'backend "cpp": g\+\+ fails on warp.cpp, adain.cpp in') as e,
    ):
        backend(torch.zeros(1))
    assert "no such header" in str(e.value)
    assert list(cache.iterdir()) == []


def test_a_compiler_that_is_killed_leaves_nothing_half_written(tools, cache):
    tools("g++", 'for last; do :; done; [ "$1" = --version ] || { echo half > "$last"; kill -9 $$; }')
    with pytest.raises(RuntimeError, match="exit code -9"):
        build.library()
    assert list(cache.iterdir()) == []


def test_an_interrupted_move_leaves_nothing_half_written(built, tmp_path, monkeypatch):
    def interrupted(source, target):
        raise KeyboardInterrupt

    monkeypatch.setattr(build.os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build.moved(str(built), tmp_path / "library.so")
    assert list(tmp_path.iterdir()) == []


def test_an_option_that_the_compiler_does_not_know_is_left_out(tools, tmp_path, monkeypatch):
    script = 'for last; do case "$last" in -march=*) echo "unknown" >&2; exit 1;; esac; done; echo made > "$last"'
    tools("g++", script)
    build.build(["g++"], tmp_path / "library.so")
    assert (tmp_path / "library.so").read_text() == "made\n"


def test_what_is_built_is_kept_and_belongs_to_its_user(cache, builds):
    first = build.library()
    build.library.cache_clear()
    again = build.library()
    assert len(builds) == 1
    assert first._name == again._name == str(builds[0])
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700


def test_the_compiler_makes_a_file_that_only_its_user_can_change(built):
    assert stat.S_IMODE(built.stat().st_mode) == 0o700
    assert [path.name for path in built.parent.iterdir()] == ["library.so"]


def test_the_name_tells_all_that_the_library_depends_on(tools, tmp_path, monkeypatch):
    tools("g++", "echo one")
    tools("c++", "echo two")
    names = [build.library_name(["g++"]), build.library_name(["c++"])]
    tools("g++", "echo two")
    names.append(build.library_name(["g++"]))
    for name, value in (("OPTIONS", ()), ("NATIVE", ""), ("SOURCES", {"warp.cpp": "-O1"}), ("processor", str)):
        with monkeypatch.context() as changed:
            changed.setattr(build, name, value)
            names.append(build.library_name(["g++"]))
    shutil.copytree(build.HERE, tmp_path / "copy")
    monkeypatch.setattr(build, "HERE", tmp_path / "copy")
    assert build.library_name(["g++"]) == names[2]
    for file in (*build.SOURCES, *build.HEADERS):
        with (tmp_path / "copy" / file).open("a") as source:
            source.write("// more\n")
        names.append(build.library_name(["g++"]))
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("mode", [0o720, 0o702])
def test_what_others_can_write_to_is_not_loaded(mode, cache, builds):
    cache.mkdir(parents=True, mode=0o700)
    library = cache / build.library_name(build.compiler())
    library.write_text("planted")
    library.chmod(mode)
    build.library()
    assert builds == [library]
    library.chmod(0o700)
    cache.chmod(mode | 0o500)
    build.library.cache_clear()
    build.library()
    assert builds[1].parent.parent != cache.parent
    assert not builds[1].exists()


def test_without_a_cache_folder_a_temporary_one_serves(tmp_path, builds, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with use_backend("cpp"):
        assert torch.equal(warp3d(torch.ones(1, 1, 2, 2, 2), torch.zeros(1, 3, 2, 2, 2)), torch.ones(1, 1, 2, 2, 2))
    assert len(builds) == 1
    assert not builds[0].parent.exists()


def test_a_library_that_cannot_be_loaded_is_an_error(cache, monkeypatch):
    monkeypatch.setattr(build, "compiler", lambda: ["true"])
    monkeypatch.setattr(build, "build", lambda command, target: target.write_text("no library"))
    with pytest.raises(RuntimeError, match=r'backend "cpp": the library was built in .* and cannot be loaded'):
        build.library()


def test_it_works_where_it_is_asked_for_and_nowhere_else(cache, builds, monkeypatch, caplog):
    tensor = torch.zeros(1)
    assert backend(tensor).name == "torch"
    with use_backend("cpp"):
        assert backend(tensor) == Backend("cpp", 'use_backend("cpp") asks for C++.')
    assert backend(tensor).name == "torch"
    monkeypatch.setenv("FLOW3D_BACKEND", "cpp")
    assert backend(tensor) == Backend("cpp", "FLOW3D_BACKEND=cpp asks for C++.")
    with caplog.at_level(logging.WARNING, logger="flow3d_kernels"):
        answers = {backend(tensor.to("meta")).name for _ in range(3)}
    assert answers == {"torch"}
    assert [text for text in caplog.messages if "C++" in text] == [backend(tensor.to("meta")).reason]
