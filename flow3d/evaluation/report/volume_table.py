"""The table that says how three-dimensional a flow is."""

from __future__ import annotations

from collections.abc import Sequence

from ..measure.pair_rows import Row
from ..measure.volume_rows import correlation, deviation
from ..scores.statistics import mean, ratio
from .table import Line, Table, column


def volume_table(rows: Sequence[Row], expressions: Sequence[Row]) -> Table:
    """Depth of the flow on ``rows``, the self-ID pairs, and on pairs of one pose and two expressions.

    Empty for a method without a 3D flow.
    """
    if not any("slices count" in row for row in rows):
        return []
    shared = "rays with two or more voxels of the head"
    table = [
        Line("deviation between slices over the truth's", deviation(rows), "%", shared),
        Line("correlation of the slices' deviations with the true ones", correlation(rows, "slices"), "", shared),
        Line("correlation of dz with the true one", correlation(rows, "dz"), "", "voxels of the head"),
        _errors("3D end-point error over the zero flow's", rows, "voxel"),
        _errors("the same, rigid motion taken away", rows, "beyond"),
        _errors("one pose, two expressions: rigid motion taken away", expressions, "beyond"),
    ]
    exact = mean(column(rows, "psnr lifted exact"))
    lifted = mean(column(rows, "psnr lifted"))
    table.append(Line("source lifted, warped, seen from the front", lifted, "dB", f"exact flow {exact.value:.2f} dB"))
    return table


def _errors(what: str, rows: Sequence[Row], name: str) -> Line:
    return Line(what, ratio(column(rows, f"{name} error"), column(rows, f"{name} zero")), "%", "occupied voxels")
