"""The one place that finds ``data/``: beside the package in a clone, inside it once installed from a wheel."""

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
