"""Tiles by record: a file that a benchmark on a card wrote, read once, and ignored on any other card or version."""

import json
import logging
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch

VARIABLE = "FLOW3D_TILES"
BESIDE = Path(__file__).with_name("tiles.json")  # read where the variable names no other file

_log = logging.getLogger("flow3d_kernels")


@cache
def recorded_tiles(card: str) -> Mapping[str, Mapping[str, Any]]:
    """The entries for a card: "kernel layout dtype" -> voxels (or the brick's z, y, x), channels, warps.

    Empty where there is no file; where it is of another card or version, or cannot be used, the log says so once.
    """
    import triton  # only its version is wanted, so the table of tiles can be read without it

    path = Path(os.environ.get(VARIABLE) or BESIDE)
    if not path.is_file() and VARIABLE not in os.environ:
        return {}
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        here = {"card": card, "torch": torch.__version__, "triton": triton.__version__}
        for name, expected in here.items():
            if record[name] != expected:
                return _ignored(path, f"{name}: expected {expected}, got {record[name]}")
        for entry, tile in record["tiles"].items():
            _check(entry, tile)
        return record["tiles"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return _ignored(path, f"{type(error).__name__}: {error}")


def _ignored(path: Path, reason: str) -> Mapping[str, Mapping[str, Any]]:
    _log.warning("%s is ignored, and the tiles of the table are used: %s", path, reason)
    return {}


def _check(entry: str, tile: Mapping[str, Any]) -> None:
    """Refuse what no kernel could be launched with.

    Raises:
        ValueError: a number is no power of two, or a brick has not three sides.
    """
    voxels = tile["voxels"]
    numbers = [*(voxels if isinstance(voxels, list) else [voxels]), tile["channels"], tile["warps"]]
    if not all(isinstance(number, int) and number > 0 and number & (number - 1) == 0 for number in numbers):
        raise ValueError(f"{entry}: expected powers of two, got {dict(tile)}")
    if isinstance(voxels, list) and len(voxels) != 3:
        raise ValueError(f"{entry}: expected voxels as a number or [z, y, x], got {voxels}")
