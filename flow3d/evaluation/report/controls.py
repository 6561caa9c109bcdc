"""Controls that must score badly; if one scores well, the measurement is at fault."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from ..measure.edits import EXACT, OUTPUT, measure_edits
from ..measure.method import Method
from ..measure.pair_rows import Pairs, Row, measure_pair, measure_pairs, reenact_pair
from ..pairs.protocols import self_seeds
from ..scores.statistics import mean
from .quality_tables import edit_table, flow_table
from .table import Line, Table, column

CONTROLS = 50  # pairs that the controls are measured on
EDITED = 8  # identities


def shuffled(method: Method, pairs: Pairs) -> list[Row]:
    """Measure every pair with the next pair's window and the next pair's flow."""
    items = list(pairs.values())
    rows = []
    for pair, other in zip(items, items[1:] + items[:1], strict=True):
        reenacted, others = reenact_pair(method, pair, other.driving_window), reenact_pair(method, other)
        rows.append(measure_pair(pair, dataclasses.replace(reenacted, flow=others.flow)))
    return rows


def control_table(method: Method, untrained: Method, pairs: Pairs, rows: Mapping[int, Row], edits: int) -> Table:
    """The controls, on the first ``CONTROLS`` of ``pairs``, beside the method's own numbers there."""
    chosen = dict(list(pairs.items())[:CONTROLS])
    own = [rows[seed] for seed in chosen]
    controls = {"driving shuffled between pairs": shuffled(method, chosen)}
    controls["untrained renderer"] = list(measure_pairs(untrained, chosen).values())
    beside = f"the method itself {mean(column(own, 'psnr output')).value:.2f} dB"
    table = [Line(f"{n}: output", mean(column(r, "psnr output")), "dB", beside) for n, r in controls.items()]
    for name, bad in controls.items():
        for line, mine in zip(flow_table(bad), flow_table(own), strict=True):
            if line.what.endswith("pooled"):
                beside = f"the method itself {mine.text(mine.estimate.value)}"
                table.append(Line(f"{name}: flow, {line.what}", line.estimate, line.unit, beside))
    size = next(iter(chosen.values())).source.shape[-1]
    answers = measure_edits(untrained, self_seeds(min(edits, EDITED)), size)
    lines = edit_table(answers[OUTPUT], answers[EXACT], asked=False)
    likeness = [line for line in lines if line.what.endswith("correlation")]
    return table + [Line(f"untrained renderer: {line.what}", line.estimate) for line in likeness]
