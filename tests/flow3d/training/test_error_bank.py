"""A regressor's errors: drawn alike every time, alike from frame to frame, and added as they were made."""

import numpy as np
import pytest
import torch

from flow3d.morphable.coefficients import index
from flow3d.perception.regressor import shipped_regressor
from flow3d.sizes import WINDOW
from flow3d.training import error_bank
from flow3d.training.error_bank import ErrorBank, shipped_errors
from tolerances import ABLATIONS, REGRESSOR

FRAMES = 27


@pytest.fixture(scope="module")
def bank() -> ErrorBank:
    """The shipped regressor's errors on two persons."""
    return ErrorBank.of(shipped_regressor(), 2, FRAMES)


def test_the_same_errors_are_drawn_again_and_others_of_another_person(bank):
    assert bank.errors.shape == (2, FRAMES, 73)
    assert torch.isfinite(bank.errors).all()
    again = ErrorBank.of(shipped_regressor(), 1, FRAMES).errors
    assert torch.equal(again[0], bank.errors[0])
    assert not torch.equal(again[0], bank.errors[1])


def test_errors_of_neighbouring_frames_are_alike(bank):
    """So a window cannot average them out, as it would noise."""
    yaw, order = bank.errors[..., index("yaw")], torch.randperm(FRAMES, generator=torch.Generator().manual_seed(0))
    steps = [float((each.diff().square().mean(1) / (2 * each.var(1))).mean()) for each in (yaw, yaw[:, order])]
    assert steps[0] < 0.4  # 1 for frames that know nothing of each other
    assert steps[1] > 0.6
    assert 0.1 < float(torch.rad2deg(bank.errors[..., index("yaw")].square().mean().sqrt())) < 10


def test_windows_carry_27_errors_in_a_row_of_one_clip(errors):
    windows = torch.zeros(5, 73, WINDOW)
    observed = errors.observe(windows, np.random.default_rng(0))
    assert torch.equal(observed, errors.observe(windows, np.random.default_rng(0)))
    assert not torch.equal(observed, errors.observe(windows, np.random.default_rng(1)))
    known = errors.errors.unfold(1, WINDOW, 1).flatten(0, 1)
    assert all((known - one).abs().amax((1, 2)).min() < ABLATIONS["carried error"][0] for one in observed)
    single = errors.observe(windows, np.random.default_rng(0), one_frame=True)
    assert torch.equal(single, observed[:, :, 13:14].expand(-1, -1, WINDOW))


def test_bad_counts_are_refused_by_name(no_shape_checks):
    for counts, message in (
        ((0, 40), "identities: expected 1 or more, got 0"),
        ((1, 26), "frames: expected 27 or more, got 26"),
    ):
        with pytest.raises(ValueError, match=message):
            ErrorBank.of(shipped_regressor(), *counts)
    with pytest.raises(TypeError, match="identities: expected an integer"):
        ErrorBank.of(shipped_regressor(), 1.5)  # ty: ignore[invalid-argument-type]


def test_the_shipped_errors_are_the_shipped_regressor_s():
    shipped, fresh = shipped_errors(), ErrorBank.of(shipped_regressor(), 1)
    assert shipped is shipped_errors()
    assert shipped.errors.shape == (40, 53, 73)
    half = fresh.errors.half().float()  # as the file holds them
    torch.testing.assert_close(shipped.errors[:1], half, rtol=REGRESSOR["half"][0], atol=REGRESSOR["half"][0])


def test_damaged_errors_are_refused_by_name(tmp_path, monkeypatch):
    (tmp_path / "errors.npz").write_bytes(b"PK no more")
    monkeypatch.setattr(error_bank, "path", lambda _: tmp_path / "errors.npz")
    with pytest.raises(ValueError, match=r"errors: expected a regressor's errors in errors\.npz"):
        error_bank.shipped_errors.__wrapped__()
