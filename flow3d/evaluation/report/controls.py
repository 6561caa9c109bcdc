"""What must come out bad; where it does not, the measurement is at fault."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from ..measure.edits import EXACT, OUTPUT, measure_edits
from ..measure.method import Method
from ..measure.pair_rows import Pairs, Row, measure, measure_pair, reenact
from ..pairs.protocols import self_seeds
from ..scores.statistics import mean
from .quality_tables import edit_table, flow_table
from .table import Line, Table, column

CONTROLS = 50  # pairs that the controls are measured on
EDITED = 8  # identities


def shuffled(method: Method, pairs: Pairs) -> list[Row]:
    """Every pair driven by the next one's window, its flow the one that belongs to the next pair."""
    items = list(pairs.values())
    rows = []
    for pair, other in zip(items, items[1:] + items[:1], strict=True):
        made, strange = reenact(method, pair, other.driving_window), reenact(method, other)
        rows.append(measure_pair(pair, dataclasses.replace(made, flow=strange.flow)))
    return rows


def control_table(method: Method, untrained: Method, pairs: Pairs, rows: Mapping[int, Row], edits: int) -> Table:
    """The controls, on the first ``CONTROLS`` of ``pairs``, beside what the method itself reaches there."""
    some = dict(list(pairs.items())[:CONTROLS])
    own = [rows[seed] for seed in some]
    controls = {"driving shuffled between pairs": shuffled(method, some)}
    controls["untrained renderer"] = list(measure(untrained, some).values())
    beside = f"the method itself {mean(column(own, 'psnr output')).value:.2f} dB"
    table = [Line(f"{n}: output", mean(column(r, "psnr output")), "dB", beside) for n, r in controls.items()]
    for name, found in controls.items():
        for line, mine in zip(flow_table(found), flow_table(own), strict=True):
            if line.what.endswith("pooled"):
                beside = f"the method itself {mine.text(mine.found.value)}"
                table.append(Line(f"{name}: flow, {line.what}", line.found, line.unit, beside))
    size = next(iter(some.values())).source.shape[-1]
    answers = measure_edits(untrained, self_seeds(min(edits, EDITED)), size)
    found = edit_table(answers[OUTPUT], answers[EXACT], asked=False)
    return table + [
        Line(f"untrained renderer: {line.what}", line.found) for line in found if line.what.endswith("correlation")
    ]
