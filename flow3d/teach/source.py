"""Show the package's own code in a notebook, so that what is read is what runs."""

import ast
import inspect
import textwrap
from pathlib import Path
from typing import Any

from IPython.display import Markdown, display


def source_text(obj: Any, docstring: bool = True) -> str:
    """Return the source of a function, class, method or module, dedented; ``docstring=False`` leaves its docstring out.

    Raises:
        TypeError: ``obj`` is built in or has no source file.
    """
    try:
        text = textwrap.dedent(inspect.getsource(obj)).strip("\n")
    except (TypeError, OSError) as error:
        raise TypeError(f"obj: expected a function, class or module written in Python, got {obj!r}") from error
    if docstring:
        return text
    tree = ast.parse(text)
    owner = tree if inspect.ismodule(obj) else tree.body[0]
    if not isinstance(owner, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return text
    first = owner.body[0]
    if not (
        isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    ):
        return text
    lines = text.splitlines()
    kept = lines[: first.lineno - 1] + lines[first.end_lineno :]
    return "\n".join(kept).strip("\n")


def location(obj: Any) -> str:
    """Return where ``obj`` is written, as ``flow3d/warping/flow.py, line 12``."""
    target = inspect.unwrap(obj) if callable(obj) else obj
    file = Path(inspect.getsourcefile(target) or "")
    package = (getattr(target, "__module__", None) or getattr(target, "__name__", "")).partition(".")[0]
    parts = file.parts
    if package in parts:
        parts = parts[len(parts) - 1 - parts[::-1].index(package) :]
    line = 1 if inspect.ismodule(target) else inspect.getsourcelines(target)[1]
    return f"{'/'.join(parts)}, line {line}"


def show_source(*objects: Any, docstring: bool = False) -> None:
    """Display the source of each object under the file and line where it stands.

    Args:
        objects: functions, classes, methods or modules of the package.
        docstring: keep the docstrings too; they are left out by default, because the notebook has just explained them.

    Raises:
        TypeError: one of them has no Python source.
    """
    for obj in objects:
        display(Markdown(f"```python\n# {location(obj)}\n{source_text(obj, docstring)}\n```"))
