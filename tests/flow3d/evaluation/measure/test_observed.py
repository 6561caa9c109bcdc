"""What a user has is given alone and together, and is what the pair shows."""

import math

import pytest
import torch
from torch import Tensor

from flow3d.datasets import make_pair
from flow3d.evaluation.measure.method import Reenacted
from flow3d.evaluation.measure.observed import NAMES, observed_rows
from flow3d.evaluation.scores.metrics import psnr
from flow3d.morphable.coefficients import index
from flow3d.sizes import RADIUS
from tolerances import REGRESSOR

SEED = 1_000_000


@pytest.mark.parametrize("cross", [False, True])
def test_windows_and_mattes_are_observed_alone_and_together(pairs, cross):
    pair, given = (make_pair(SEED, 32, True) if cross else pairs[SEED]), []

    def method(source: Tensor, alpha: Tensor, window: Tensor, windows: Tensor) -> Reenacted:
        given.append((alpha, window, windows[0]))
        return Reenacted((source if len(given) % 2 else pair.target)[None])

    (row,) = observed_rows(method, {SEED: pair, SEED + 1: pair}, cross, [SEED])
    assert list(row) == ["copy", *NAMES]
    assert row["exact"] == row["observed mattes"] == row["copy"]  # the first and the third give the source back
    assert row["observed windows"] == row["observed"] == psnr(pair.target, pair.target)
    exact, windows, mattes, both = given
    assert torch.equal(exact[0], pair.source_alpha)
    assert torch.equal(windows[0], pair.source_alpha)
    assert torch.equal(mattes[0], both[0])
    assert not torch.equal(mattes[0], pair.source_alpha)
    for k, whole in ((1, pair.source_window), (2, pair.driving_window)):
        assert torch.equal(exact[k], whole)
        assert torch.equal(mattes[k], whole)
        assert torch.equal(windows[k], both[k])
        assert not torch.equal(windows[k], whole)
        apart = float(windows[k][index("yaw"), RADIUS] - whole[index("yaw"), RADIUS])
        assert abs(math.degrees(apart)) < 2 * REGRESSOR["yaw, degrees"][0]
    assert (windows[1] == windows[1][:, :1]).all()  # one picture of the source
    assert windows[2][:64].std(1).max() > 0.02  # 27 frames of the driver
