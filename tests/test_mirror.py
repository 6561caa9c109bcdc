"""Who tests a module is found by its name: tests/flow3d/a/test_b.py tests flow3d/a/b.py.

What else a file tests stands at the end of its docstring, as "Tests: c, flow3d.d.e." A short name is a module beside
the one that the file is named after; in tests/kernels one of flow3d_kernels, of its triton_kernels, or of bench.
"""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
TESTS = ROOT / "tests"


def modules_below(folder: Path) -> set[str]:
    """Every module of a package, with its dotted name; an __init__ only hands names on."""
    files = (file for file in folder.rglob("*.py") if file.stem != "__init__")
    return {".".join(file.relative_to(folder.parent).with_suffix("").parts) for file in files}


MODULES = modules_below(ROOT / "flow3d") | modules_below(ROOT / "kernels" / "flow3d_kernels")
MODULES |= modules_below(ROOT / "kernels" / "bench")


def texts() -> dict[str, str]:
    """The text of every file with tests, under its path without ending, such as ``flow3d/a/test_b``."""
    files = (file for pattern in ("test_*.py", "*_cases.py") for file in TESTS.rglob(pattern))
    return {str(file.relative_to(TESTS).with_suffix("")): file.read_text(encoding="utf-8") for file in files}


def places(file: str) -> tuple[str, ...]:
    """Where a file's short names are looked up."""
    if file.startswith("kernels/"):
        return "flow3d_kernels.", "flow3d_kernels.triton_kernels.", "bench.", ""
    return file.rpartition("/")[0].replace("/", ".") + ".", ""


def listed(text: str) -> list[str]:
    """The names at the end of a file's docstring."""
    found = re.search(r"\bTests: ([\w.,\s]+)\.\s*$", ast.get_docstring(ast.parse(text)) or "")
    return re.split(r",\s+", found[1]) if found else []


def named_by(file: str, text: str, modules: Iterable[str]) -> Iterator[tuple[str, str | None]]:
    """Every name that a file says it tests, its own first, with the module of that name if there is one."""
    own = file.rpartition("/")[2].removeprefix("test_")
    for name in (own, *listed(text)):
        yield name, next((place + name for place in places(file) if place + name in modules), None)


def strangers(files: Mapping[str, str], modules: Iterable[str]) -> list[str]:
    """Files of tests that are named after no module and list none, and names in a list that are no module's."""
    found = []
    for file, text in files.items():
        (_, own), *others = named_by(file, text, modules)
        found += [f"{file} lists {name}" for name, module in others if module is None]
        if own is None and not others and file.startswith(("flow3d/", "kernels/")):
            found.append(file)
    return found


def untested(files: Mapping[str, str], modules: Iterable[str]) -> set[str]:
    """Modules that no file of tests is named after or lists."""
    return set(modules) - {module for file, text in files.items() for _, module in named_by(file, text, modules)}


def test_every_file_of_tests_names_a_module():
    assert strangers(texts(), MODULES) == []


def test_every_module_is_tested_by_name():
    assert untested(texts(), MODULES) == set()


def test_a_planted_stranger_and_an_untested_module_are_found():
    modules = {"flow3d.a.b", "flow3d.a.c", "flow3d_kernels.d", "flow3d_kernels.triton_kernels.e", "bench.f"}
    listing = '"""Words.\n\nTests: c, flow3d_kernels.d.\n"""'
    files = {"flow3d/a/test_b": listing, "kernels/test_e": "", "flow3d/test_b": ""}
    assert strangers(files, modules) == ["flow3d/test_b"]
    assert untested(files, modules) == {"bench.f"}
    files["flow3d/test_b"] = '"""Tests: bench.f, flow3d.a.gone."""'
    assert strangers(files, modules) == ["flow3d/test_b lists flow3d.a.gone"]
    assert untested(files, modules) == set()
