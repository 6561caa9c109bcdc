"""The one place that finds ``data/``: beside the package in a clone, inside it once installed from a wheel."""

import os
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def roots() -> list[Path]:
    """Return the folders that may hold the shipped data, the likeliest first.

    The folder beside the package counts only in a clone (known by its pyproject.toml): beside an installed package it
    would be some other project's ``site-packages/data``.
    """
    clone = PACKAGE.parent
    return [PACKAGE / "data", *([clone / "data"] if (clone / "pyproject.toml").is_file() else [])]


def path(name: str) -> Path:
    """Return the path of a shipped file or folder, such as ``path("weights/tiny.safetensors")``.

    Args:
        name: where it lies below ``data/``, with forward slashes.

    Raises:
        ValueError: ``name`` is empty, absolute or climbs out of ``data/``.
        FileNotFoundError: no such file; the message says what was sought and where.
    """
    relative = Path(name)
    if not name or relative.is_absolute() or ".." in relative.parts:
        raise ValueError(f"name must be a path below data/, such as 'clips/example.npz'; got {name!r}")
    for root in roots():
        if (root / relative).exists():
            return root / relative
    looked = ", ".join(str(root / relative) for root in roots())
    raise FileNotFoundError(f"shipped data {name!r} not found; looked for {looked}")


def user_folder() -> Path:
    """The folder for files that a user gives to the package, as the system has it; it may not exist yet.

    The environment variable ``FLOW3D_HOME`` names another one.
    """
    if given := os.environ.get("FLOW3D_HOME"):
        return Path(given).expanduser()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "flow3d"
