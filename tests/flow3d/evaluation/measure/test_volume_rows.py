"""Numbers of a 3D flow: 1, 1 and 0 for the truth, and none of it for a 2D flow, no flow, or another pose's."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from flow3d.datasets import Pair
from flow3d.evaluation.measure.method import Reenacted
from flow3d.evaluation.measure.pair_rows import Row, measure_pairs
from flow3d.evaluation.measure.volume_rows import SLICES, correlation, depth_row, deviation, volume_row
from flow3d.evaluation.scores.statistics import ratio
from flow3d.morphable.volume import VolumeGrid
from flow3d.morphable.volume_flow import volume_truth
from flow3d.sizes import RADIUS

DEPTHS = VolumeGrid(slices=4).depths()


def exact(pair: Pair) -> Tensor:
    return pair.volume_truth(DEPTHS).flow[0]


def copied(pair: Pair) -> Tensor:
    """The visible surface's flow in every slice: all that a 2D flow knows."""
    flat = functional.avg_pool2d(pair.flow[None, :2], 2)[0] / 2
    return torch.cat([flat, torch.zeros_like(flat[:1])])[:, None].expand(-1, 4, -1, -1)


def backward(pair: Pair) -> Tensor:
    """The truth of a head that turns the other way."""
    source, target = (window[64:, RADIUS][None] for window in (pair.source_window, pair.driving_window))
    return volume_truth(pair.surfaces, target, source, DEPTHS).rigid[0]


def error(rows: list[Row], name: str) -> float:
    return ratio([row[f"{name} error"] for row in rows], [row[f"{name} zero"] for row in rows]).value


@pytest.fixture(scope="module")
def rows(pairs) -> dict[str, list[Row]]:
    kinds = {
        "exact": exact, "copied": copied, "zero": lambda p: 0 * exact(p), "backward": backward,
        "half": lambda p: 0.5 * exact(p), "rigid": lambda p: p.volume_truth(DEPTHS).rigid[0],
    }  # fmt: skip
    return {name: [volume_row(flow(p).contiguous(), p) for p in pairs.values()] for name, flow in kinds.items()}


def test_the_exact_flow_is_as_three_dimensional_as_the_truth(rows):
    assert deviation(rows["exact"]).value == pytest.approx(1)
    assert correlation(rows["exact"], "slices").value == pytest.approx(1)
    assert correlation(rows["exact"], "dz").value == pytest.approx(1)
    assert error(rows["exact"], "voxel") == error(rows["exact"], "beyond") == 0
    assert all(row["psnr lifted"] == row["psnr lifted exact"] for row in rows["exact"])


def test_half_the_flow_has_half_the_deviation_half_the_error_and_the_same_correlation(rows):
    assert deviation(rows["half"]).value == pytest.approx(0.5)
    assert correlation(rows["half"], "slices").value == pytest.approx(1)
    assert correlation(rows["half"], "dz").value == pytest.approx(1)
    assert error(rows["half"], "voxel") == pytest.approx(0.5)


def test_no_flow_has_no_deviation_and_the_whole_error(rows):
    assert deviation(rows["zero"]).value == 0
    assert math.isnan(correlation(rows["zero"], "slices").value)
    assert math.isnan(correlation(rows["zero"], "dz").value)
    assert error(rows["zero"], "voxel") == 1


def test_a_2d_flow_in_every_slice_fails(rows):
    assert deviation(rows["copied"]).value < 0.1
    assert not abs(correlation(rows["copied"], "dz").value) > 0
    assert error(rows["copied"], "voxel") > 0.5


def test_another_pose_fails_in_everything(rows):
    assert correlation(rows["backward"], "slices").value < 0
    assert correlation(rows["backward"], "dz").value < 0
    assert error(rows["backward"], "voxel") > 1.2
    lifted, right = (np.mean([row[name] for row in rows["backward"]]) for name in ("psnr lifted", "psnr lifted exact"))
    assert lifted < right - 2


def test_the_rigid_motion_alone_leaves_all_that_is_beyond_it(rows):
    assert 0.8 < deviation(rows["rigid"]).value < 1.25
    assert correlation(rows["rigid"], "slices").value > 0.9
    assert error(rows["rigid"], "beyond") == pytest.approx(1)
    assert 0 < error(rows["rigid"], "voxel") < 0.5


def test_the_lifted_picture_is_better_by_the_exact_flow_than_by_none(rows):
    """The exact flow moves what is lifted to where the target shows it; no flow leaves the source's picture."""
    right, still = (np.mean([row["psnr lifted"] for row in rows[name]]) for name in ("exact", "zero"))
    assert right > still + 2
    assert len(DEPTHS) < SLICES


def test_sums_of_pairs_make_the_numbers_of_all_their_voxels(pairs, rows):
    own, true, heads = [], [], []
    for pair in pairs.values():
        truth = pair.volume_truth(DEPTHS)
        head = truth.head[0]
        several = head.sum(0) >= 2
        for flow, into in ((copied(pair) + 0.3 * exact(pair), own), (truth.flow[0], true)):
            rays = [flow[:2, :, y, x][:, head[:, y, x]] for y, x in several.nonzero().tolist()]
            into.append(torch.cat([(ray - ray.mean(1, keepdim=True)).flatten() for ray in rays]))
        heads.append(truth.flow[0, 2][head])
    mixed = [volume_row((copied(pair) + 0.3 * exact(pair)).contiguous(), pair) for pair in pairs.values()]
    one, other = torch.cat(own).double(), torch.cat(true).double()
    assert deviation(mixed).value == pytest.approx(float((one.square().sum() / other.square().sum()).sqrt()))
    pooled = float(torch.corrcoef(torch.stack([one, other]))[0, 1])
    assert correlation(mixed, "slices").value == pytest.approx(pooled)
    assert correlation(mixed, "slices").count == len(pairs)
    assert sum(row["dz count"] for row in mixed) == len(torch.cat(heads))


def test_a_method_without_a_volume_has_no_such_numbers(pairs, oracle):
    pair = next(iter(pairs.values()))
    assert depth_row(pair, Reenacted(pair.target[None], pair.target_alpha[None])) == {}
    flow = exact(pair)[None].contiguous()
    made = Reenacted(pair.target[None], pair.target_alpha[None], volume=flow)
    assert depth_row(pair, made) == volume_row(flow[0], pair)
    plain, more = (measure_pairs(oracle, pairs, *extra) for extra in ((), (lambda p, r: {"own": p.yaw_difference},)))
    for seed, row in more.items():
        assert set(row) - set(plain[seed]) == {"own"}
        assert row["own"] == pairs[seed].yaw_difference


@pytest.mark.parametrize("shape", [(1, 16, 16), (4, 32, 32)], ids=["one slice", "another grid"])
def test_a_flow_whose_truth_is_not_known_has_no_row(pairs, shape):
    pair = next(iter(pairs.values()))
    assert depth_row(pair, Reenacted(pair.source[None], volume=torch.zeros(1, 3, *shape))) == {}
