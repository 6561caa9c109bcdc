"""Imports only run down: the rooms of the house in order, and no circle of files."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# From the ground up. A room may import the rooms before it; within a room files may import each other, in no circle.
ROOMS = (
    "ground", "morphable", "perception", "preprocessing", "warping", "synthesis", "datasets", "stages", "renderer",
    "export", "training",
    "evaluation.scores", "evaluation.pairs", "evaluation.measure", "evaluation.report", "evaluation",
    "experiments.ablations", "experiments.rivals", "teach", "commands", "__main__",
)  # fmt: skip
GROUND = (
    "assets", "checks", "config", "field_kinds", "fields", "files", "model_files", "opencv", "provenance", "sizes",
    "threads", "weights",
)  # fmt: skip
Sources = Mapping[str, str]  # module -> its text; a package's __init__ ends in ".__init__"
Edge = tuple[str, str]


def package(name: str, folder: Path) -> dict[str, str]:
    """The text of every module below a folder."""
    files = {file.relative_to(folder).with_suffix("").parts: file for file in folder.rglob("*.py")}
    return {".".join((name, *parts)): file.read_text(encoding="utf-8") for parts, file in files.items()}


SOURCES = package("flow3d", ROOT / "flow3d")


def room_of(module: str) -> str:
    """The room that a module of flow3d stands in."""
    parts = module.split(".")[1:]
    if parts[0] in GROUND:
        return "ground"
    inner = ".".join(parts[:2])
    return inner if inner in ROOMS and len(parts) > 2 else parts[0]


def named(module: str, text: str) -> Iterator[tuple[str, str]]:
    """Every (module, name) that a text imports, wherever in it: in functions and for type checkers too."""
    parents = module.split(".")[:-1]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = parents[: len(parents) - node.level + 1] if node.level else []
            base = ".".join([*start, *([node.module] if node.module else [])])
            yield from ((base, alias.name) for alias in node.names)


def resolved(base: str, name: str, sources: Sources) -> str | None:
    """The module that ``from base import name`` reads: a module, or whence a package's __init__ has the name."""
    if not name and f"{base}.__init__" in sources:
        return f"{base}.__init__"
    if f"{base}.{name}" in sources:
        return f"{base}.{name}"
    if f"{base}.{name}.__init__" in sources:
        return f"{base}.{name}.__init__"
    if base in sources:
        return base
    init = f"{base}.__init__"
    if init not in sources:
        return None  # not of this package
    for inner, handed in named(init, sources[init]):
        if handed == name:
            return resolved(inner, name, sources)
    return init


def edges(sources: Sources) -> set[Edge]:
    """Who imports whom, file by file; an __init__ counts as the files that it hands names on from."""
    found = set()
    for module, text in sources.items():
        if module.endswith("__init__"):
            continue
        for base, name in named(module, text):
            target = resolved(base, name, sources)
            if target is not None and target != module:
                found.add((module, target))
    return found


def climbs(sources: Sources) -> list[str]:
    """Every import that goes up, in words."""
    floor = {room: number for number, room in enumerate(ROOMS)}
    return sorted(f"{a} imports {b}" for a, b in edges(sources) if floor[room_of(b)] > floor[room_of(a)])


def circle(pairs: set[Edge]) -> list[str]:
    """One circle of files, or none."""
    after: dict[str, list[str]] = {}
    for a, b in sorted(pairs):
        after.setdefault(a, []).append(b)
    done: set[str] = set()

    def walk(module: str, path: list[str]) -> list[str]:
        if module in path:
            return [*path[path.index(module) :], module]
        if module in done:
            return []
        for target in after.get(module, ()):
            if found := walk(target, [*path, module]):
                return found
        done.add(module)
        return []

    for module in list(after):
        if found := walk(module, []):
            return found
    return []


def planted(module: str, line: str) -> dict[str, str]:
    return SOURCES | {module: f"{SOURCES[module]}\n\n{line}\n"}


def test_every_file_stands_in_a_room():
    homeless = {m for m in SOURCES if not m.endswith("__init__") and room_of(m) not in ROOMS}
    assert not homeless


def test_imports_only_run_down():
    assert climbs(SOURCES) == []


def test_there_is_no_circle_of_files():
    assert circle(edges(SOURCES)) == []


def test_an_init_only_hands_names_on():
    """Nothing is computed where a reader expects a list of names."""
    allowed = (ast.Import, ast.ImportFrom, ast.Expr, ast.Assign)
    for module, text in SOURCES.items():
        if module.endswith("__init__"):
            assert all(isinstance(node, allowed) for node in ast.parse(text).body), module


def test_the_kernels_know_nothing_of_faces():
    kernels = package("kernels", ROOT / "kernels")
    faces = {m for m, text in kernels.items() for base, _ in named(m, text) if base.split(".")[0] == "flow3d"}
    assert not faces


@pytest.mark.parametrize(
    ("line", "climb"),
    [
        ("from ..evaluation.scores.metrics import psnr", "flow3d.evaluation.scores.metrics"),
        ("from flow3d import evaluation", "flow3d.evaluation.__init__"),
        ("def late():\n    from ..evaluation import evaluate", "flow3d.evaluation.evaluate"),
        ("if TYPE_CHECKING:\n    from flow3d.commands import train", "flow3d.commands.train"),
        ("import flow3d.teach.film", "flow3d.teach.film"),
    ],
)
def test_a_planted_climb_is_found(line, climb):
    assert f"flow3d.training.steps imports {climb}" in climbs(planted("flow3d.training.steps", line))


def test_a_planted_circle_is_found():
    """Downwards in no room: both files stand in one."""
    sources = planted("flow3d.warping.adain", "if TYPE_CHECKING:\n    from .stage import WarpingStage")
    assert climbs(sources) == []
    assert "flow3d.warping.adain" in circle(edges(sources))
