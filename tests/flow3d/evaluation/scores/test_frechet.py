"""The Fréchet distance between Gaussians that are known, and what it must refuse."""

import pytest
import torch

from flow3d.evaluation.scores.frechet import frechet_distance
from tolerances import EVALUATION

LIMIT = EVALUATION["Fréchet"][0]


def cross(*half: float) -> torch.Tensor:
    """2 F features of mean 0, whose covariance is diagonal: 2 half² / (2 F - 1)."""
    rows = torch.diag(torch.tensor(half, dtype=torch.float64))
    return torch.cat([rows, -rows])


def test_two_diagonal_gaussians_by_hand():
    a, b = cross(1.0, 2.0), cross(3.0, 1.0) + torch.tensor([0.5, -2.0])
    # variances 2/3 and 8/3 against 6 and 2/3; commuting, so the trace is that of (root - root)^2
    spread = sum((x**0.5 - y**0.5) ** 2 for x, y in ((2 / 3, 6.0), (8 / 3, 2 / 3)))
    assert frechet_distance(a, b) == pytest.approx(0.25 + 4.0 + spread, rel=LIMIT)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=LIMIT)


def test_it_is_the_formula_of_a_matrix_root():
    from scipy.linalg import sqrtm

    torch.manual_seed(0)
    a, b = torch.randn(40, 5, dtype=torch.float64), torch.randn(30, 5, dtype=torch.float64) * 1.5 + 0.3
    first, second = torch.cov(a.T).numpy(), torch.cov(b.T).numpy()
    expected = float(((a.mean(0) - b.mean(0)) ** 2).sum())
    expected += float((first + second - 2 * sqrtm(first @ second)).real.trace())
    assert frechet_distance(a, b) == pytest.approx(expected)


def test_nothing_is_as_near_as_itself():
    torch.manual_seed(0)
    a = torch.randn(6, 20)  # fewer than features
    assert frechet_distance(a, a) == pytest.approx(0, abs=LIMIT)
    assert frechet_distance(a, a.flip(0)) == pytest.approx(0, abs=LIMIT)
    assert frechet_distance(a, a + 1) == pytest.approx(20)


@pytest.mark.parametrize(
    ("b", "message"),
    [
        (torch.zeros(1, 4), "b: expected two or more rows of 4"),
        (torch.full((3, 4), torch.nan), "b: expected finite"),
    ],
)
def test_what_is_no_set_of_features_is_refused(b, message):
    with pytest.raises(ValueError, match=message):
        frechet_distance(torch.zeros(3, 4), b)
