"""The table of a flow's depth: what its lines hold, and none for a method without a 3D flow."""

import pytest

from flow3d.evaluation.measure.volume_rows import volume_row
from flow3d.evaluation.report.volume_table import volume_table
from flow3d.morphable.volume import VolumeGrid

DEPTHS = VolumeGrid(slices=4).depths()


@pytest.fixture(scope="module")
def rows(pairs):
    """Of the exact flow, and of half of it."""
    flows = {seed: pair.volume_truth(DEPTHS).flow[0] for seed, pair in pairs.items()}
    return [[volume_row(share * flows[seed], pair) for seed, pair in pairs.items()] for share in (1.0, 0.5)]


def test_every_line_has_its_number(rows):
    exact, half = rows
    table = volume_table(half, exact)
    values = [line.estimate.value for line in table]
    assert values[:6] == pytest.approx([0.5, 1, 1, 0.5, values[4], 0])
    assert values[4] > 0  # half of the rigid motion is missing
    assert [line.number(line.estimate.value) for line in table[:4]] == ["50.0", "1.000", "1.000", "50.0"]
    assert table[5].what == "one pose, two expressions: rigid motion taken away"
    lifted = table[6]
    assert lifted.unit == "dB"
    assert lifted.beside == f"exact flow {sum(r['psnr lifted exact'] for r in half) / len(half):.2f} dB"
    assert lifted.estimate.value < volume_table(exact, exact)[6].estimate.value


def test_a_method_without_a_3d_flow_has_no_table():
    assert volume_table([{"psnr output": 1.0}], [{}]) == []
