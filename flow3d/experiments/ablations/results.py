"""Results of trained variants and methods as files: measured once, then read again."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...evaluation.scores.catalogue import from_labels, to_labels
from ...files import write_whole

Numbers = dict[str, float]  # by the key of a score in flow3d.evaluation.scores.catalogue
Result = dict[str, Any]  # "seed", "seconds", "numbers", "settings"; and "leg", the variant's name, or "method"


def result_path(folder: Path, name: str, seed: int) -> Path:
    """The file of a variant's or method's numbers, one for each seed."""
    return folder / f"{re.sub(r'[^a-z0-9]+', '_', name.lower()).strip('_')}_{seed}.json"


def stored(result: Mapping[str, Any]) -> Result:
    """A result as files keep it: each number under its score's label."""
    return {**result, "numbers": to_labels(result["numbers"])}


def restored(result: Mapping[str, Any]) -> Result:
    """A result from a file: each number under its score's key.

    Raises:
        ValueError: a label that no score has.
    """
    return {**result, "numbers": from_labels(result["numbers"])}


def read_result(path: Path) -> Result:
    """Read one result."""
    return restored(json.loads(path.read_text(encoding="utf-8")))


def write_json(path: str | os.PathLike[str], content: Mapping[str, Any] | Sequence[Any]) -> None:
    """Write stored results as people read them, whole or not at all."""
    write_whole(path, (json.dumps(content, indent=1) + "\n").encode())


def read_or_run(
    path: Path, settings: Mapping[str, Any], run: Callable[[], Result], say: Callable[[str], None]
) -> Result:
    """Read the result in ``path``; where there is none, ``run``, add the settings, write it there and ``say`` so.

    Raises:
        ValueError: the file holds a result of other settings.
    """
    if path.is_file():
        result = read_result(path)
        if result["settings"] != settings:
            raise ValueError(f"out: expected results of {settings}, got {result['settings']} in {path.name!r}")
        return result
    result = run() | {"settings": dict(settings)}
    write_json(path, stored(result))
    say(f"{result.get('method') or result['leg']}, seed {result['seed']}: {result['seconds']} s")
    return result
