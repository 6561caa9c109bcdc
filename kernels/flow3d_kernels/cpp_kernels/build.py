"""The shared library: built by the compiler that is there, kept in the user's cache folder, loaded once.

What is kept goes by the name of all that it depends on: sources, compiler, options, processor. It is written under
another name and moved into place, so that nobody ever finds half of it.
"""

import ctypes
import hashlib
import os
import pathlib
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache

HERE = pathlib.Path(__file__).parent
HEADERS = ("common.hpp", "warp_tile.hpp", "warp_corners.hpp", "adain_walk.hpp")
# adain.cpp is written in vectors as it stands: over it a higher level takes thrice as long and gains nothing.
SOURCES = {"warp.cpp": "-O3", "adain.cpp": "-O2"}
# No option changes what a NaN does, or in which order a sum is taken.
OPTIONS = ("-std=c++17", "-fPIC", "-pthread", "-fvisibility=hidden", "-fno-math-errno", "-fno-trapping-math")
NATIVE = "-march=native"  # left out where the compiler does not know it
COMPILERS = ("g++", "clang++", "c++")
SECONDS = 600  # that a compiler may take on a busy machine


@cache
def library() -> ctypes.CDLL:
    """The library, built if nobody has yet; in a folder of this process where the user's cache cannot hold it.

    Raises:
        RuntimeError: there is no compiler, or it fails.
    """
    command = compiler()
    name = library_name(command)
    folder = cache_folder()
    if folder is not None:
        try:
            if not is_ours(folder / name):
                build(command, folder / name)
            return ctypes.CDLL(str(folder / name))
        except OSError:  # the disk takes no files, or runs none
            pass
    with tempfile.TemporaryDirectory(prefix="flow3d-kernels-", ignore_cleanup_errors=True) as own:
        target = pathlib.Path(own) / name
        build(command, target)
        try:
            return ctypes.CDLL(str(target))  # what is loaded needs its file no longer
        except OSError as error:
            raise fault(
                f"the library was built in {own} and cannot be loaded ({error}): let TMPDIR name another"
            ) from None


def compiler() -> list[str]:
    """The command that compiles C++: CXX, which may hold options too, or the first of COMPILERS.

    Raises:
        RuntimeError: there is none.
    """
    named = shlex.split(os.environ.get("CXX", ""))
    for command in ([named] if named else []) + [[name] for name in COMPILERS]:
        if shutil.which(command[0]):
            return command
    looked_for = ", ".join((f"{shlex.join(named)} (CXX)" if named else "CXX (not set)", *COMPILERS))
    raise fault(f"expected a C++ compiler, found none of {looked_for}: install one, or name it in CXX")


def library_name(command: Sequence[str]) -> str:
    """The file name of what a compiler makes of the sources here, on this machine."""
    version = subprocess.run([*command, "--version"], capture_output=True, text=True, timeout=SECONDS, check=False)
    texts = [(HERE / name).read_text(encoding="utf-8") for name in (*SOURCES, *HEADERS)]
    parts = [*command, version.stdout, processor(), *OPTIONS, NATIVE, *SOURCES.values(), *texts]
    return f"{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:32]}.so"


def processor() -> str:
    """What code for this machine depends on: Linux lists what the processor can do, others name it."""
    info = pathlib.Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    abilities = (line for line in lines if line.lower().startswith(("flags", "features")))
    return " ".join((sys.platform, platform.machine(), next(abilities, platform.processor())))


def cache_folder() -> pathlib.Path | None:
    """The user's own folder for such files; None where there is none that only they can write to."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    folder = pathlib.Path(base if os.path.isabs(base) else os.path.expanduser("~/.cache")) / "flow3d_kernels"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if is_ours(folder) else None


def is_ours(path: pathlib.Path) -> bool:
    """Whether a path is there, belongs to this user, and can be written to by nobody else: code is loaded from it."""
    if not path.exists():
        return False
    found = path.stat()
    return not hasattr(os, "getuid") or (found.st_uid == os.getuid() and not found.st_mode & 0o022)


def build(command: Sequence[str], target: pathlib.Path) -> None:
    """Compile the sources side by side, link them, and move the library into place.

    Raises:
        OSError: the folder of ``target`` takes no files.
        RuntimeError: the compiler fails; the message ends with what it said.
    """
    with tempfile.TemporaryDirectory(prefix="flow3d-kernels-") as folder:
        made, said = f"{folder}/library", ""
        for options in ((*OPTIONS, NATIVE), OPTIONS):
            compiling = [
                [*command, *options, level, "-c", str(HERE / name), "-o", f"{folder}/{name}.o"]
                for name, level in SOURCES.items()
            ]
            linking = [*command, *options, "-shared", *(f"{folder}/{name}.o" for name in SOURCES), "-o", made]
            with ThreadPoolExecutor(len(compiling)) as side_by_side:
                said = "".join(side_by_side.map(complaint, compiling)) or complaint(linking)
            if not said:
                return moved(made, target)
    raise fault(f"{shlex.join(command)} fails on {', '.join(SOURCES)} in {HERE}: name another compiler in CXX", said)


def moved(made: str, target: pathlib.Path) -> None:
    """Bring a file into its folder under another name, then give it its own."""
    partial = target.with_name(f"{target.stem}.{os.getpid()}")
    try:
        shutil.copyfile(made, partial)
        partial.chmod(0o700)
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)


def complaint(command: Sequence[str]) -> str:
    """Run a compiler and return what it said where it failed; nothing where it did not."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    return (done.stderr or f"exit code {done.returncode}") if done.returncode else ""


def fault(what: str, said: str = "") -> RuntimeError:
    """The error where C++ was asked for and cannot be had."""
    text = f'backend "cpp": {what}; or ask for another backend, such as use_backend("torch")'
    return RuntimeError(f"{text}. It said:\n{said[-2000:]}" if said else text)
