"""Read the notebooks as data: the tests here look at them without running them."""

import ast
import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
PATHS = sorted(FOLDER.glob("[0-9][0-9]_*.ipynb"))


@dataclass(frozen=True)
class Lesson:
    """One notebook: its text and code cells, in order."""

    path: Path
    cells: tuple[dict, ...]

    @property
    def number(self) -> str:
        return self.path.name[:2]

    def texts(self, kind: str) -> list[str]:
        return ["".join(cell["source"]) for cell in self.cells if cell["cell_type"] == kind]

    @property
    def markdown(self) -> list[str]:
        return self.texts("markdown")

    @property
    def code(self) -> list[str]:
        return self.texts("code")


@cache
def read(path: Path) -> Lesson:
    return Lesson(path, tuple(json.loads(path.read_text(encoding="utf-8"))["cells"]))


def words(markdown: str) -> int:
    """Count what a reader reads: prose and formulas, without the addresses of links and pictures or HTML tags."""
    visible = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", markdown)
    visible = re.sub(r"<[^>]+>", " ", visible)
    return len(re.findall(r"\S*\w\S*", visible))


def checks_in(code: str) -> list[tuple[str, str | None]]:
    """Return (exercise name, name of the learner's function) for every call of ``checks.check`` in a cell."""
    found = []
    for node in ast.walk(ast.parse(plain(code))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("checks.check", "check") and len(node.args) == 2:
            name, answer = node.args
            if isinstance(name, ast.Constant):
                found.append((str(name.value), answer.id if isinstance(answer, ast.Name) else None))
    return found


def stub_in(code: str, function: str | None) -> ast.FunctionDef | None:
    """Return the definition of the learner's function in a cell."""
    for node in ast.walk(ast.parse(plain(code))):
        if isinstance(node, ast.FunctionDef) and node.name == function:
            return node
    return None


def is_unsolved(stub: ast.FunctionDef) -> bool:
    """Return whether the body is a docstring, if anything, and ``raise NotImplementedError``."""
    body = stub.body[1:] if ast.get_docstring(stub) is not None else stub.body
    return len(body) == 1 and isinstance(body[0], ast.Raise) and "NotImplementedError" in ast.unparse(body[0])


def plain(code: str) -> str:
    """Return the code without lines that only IPython understands."""
    return "\n".join("" if line.lstrip().startswith(("%", "!")) else line for line in code.splitlines())
