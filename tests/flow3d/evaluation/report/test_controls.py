"""Controls that must fail, do; for a method that does not look at its driver they cannot, and that shows too."""

import pytest

from flow3d.evaluation.measure.pair_rows import measure_pairs
from flow3d.evaluation.report.controls import control_table, shuffled


def test_shuffling_destroys_a_perfect_score(pairs, oracle, copy):
    rows = measure_pairs(oracle, pairs)
    table = {line.what: line for line in control_table(oracle, copy, pairs, rows, 1)}
    assert table["driving shuffled between pairs: output"].estimate.value < 20
    assert table["driving shuffled between pairs: output"].beside == "the method itself 106.02 dB"
    assert table["untrained renderer: output"].estimate.value < 25
    for what in ("visible person", "eyes and mouth", "eyes and mouth, best affine map removed"):
        assert table[f"driving shuffled between pairs: flow, {what}, pooled"].estimate.value > 0.6
        assert table[f"untrained renderer: flow, {what}, pooled"].estimate.value == pytest.approx(1)
    assert table["untrained renderer: jaw: correlation"].estimate.value == 0


def test_shuffling_does_nothing_to_a_method_that_ignores_its_driver(pairs, copy):
    own = [row["psnr output"] for row in measure_pairs(copy, pairs).values()]
    assert [row["psnr output"] for row in shuffled(copy, pairs)] == own
