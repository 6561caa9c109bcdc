"""Another light leaves a pair true, and observed inputs change what is given, never the answer."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import Tensor

from flow3d.datasets.batch import Batch
from flow3d.evaluation.measure.rates import random_batch
from flow3d.training.augment import observe, relight
from flow3d.warping import warp_pixels
from tolerances import ABLATIONS, TRAINING

LIT = ("source", "target", "source_foreground", "target_foreground")
OBSERVED = ("source_window", "target_window", "source_alpha")
STRENGTH = 0.4


@pytest.fixture(scope="module")
def batch(data) -> Batch:
    return data.batch(*data.draw(np.random.default_rng(1), 4))


def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def changed(before: Batch, after: Batch) -> set[str]:
    names = [field.name for field in dataclasses.fields(Batch) if field.name != "surfaces"]
    assert after.surfaces is before.surfaces
    return {name for name in names if not torch.equal(getattr(before, name), getattr(after, name))}


def gains(before: Tensor, after: Tensor) -> Tensor:
    """By how much each picture's colours are stretched, (B, 3, 1, 1)."""
    spans = [image.amax((2, 3), keepdim=True) - image.amin((2, 3), keepdim=True) for image in (after, before)]
    return spans[0] / spans[1]


def test_another_light_is_the_same_in_both_frames(batch):
    """What the exact flow brings from the lit source is as far from the lit target as before, in the new light."""
    lit = relight(batch, rng(), STRENGTH)
    assert changed(batch, lit) == set(LIT)
    gain = gains(batch.source, lit.source)
    assert gain.min() < 1 - STRENGTH / 8
    limit = TRAINING["relit"][0]
    torch.testing.assert_close(gains(batch.target, lit.target), gain, rtol=0, atol=limit)
    apart = [warp_pixels(each.source, each.flow[:, :2]) - each.target for each in (batch, lit)]
    seen = batch.seen[:, None].expand(-1, 3, -1, -1)
    torch.testing.assert_close(apart[1][seen], (gain * apart[0])[seen], rtol=0, atol=limit)
    other = gains(batch.source, relight(batch, np.random.default_rng(4), STRENGTH).source)
    differ = ((other - gain).abs().amax((1, 2, 3)) > STRENGTH / 4)[:, None, None, None] & seen
    assert differ.any()
    assert (apart[1] - other * apart[0])[differ].abs().max() > 100 * limit  # the control: another pair's light


def test_the_lit_person_is_that_of_the_lit_picture(batch):
    lit = relight(batch, rng(), STRENGTH)
    for side in ("source", "target"):
        alpha = getattr(batch, f"{side}_alpha").expand(-1, 3, -1, -1)
        whole, person = getattr(lit, side), getattr(lit, f"{side}_foreground")
        limit = TRAINING["relit"][0]
        torch.testing.assert_close(person[alpha == 1], whole[alpha == 1], rtol=0, atol=limit)
        assert torch.equal(person[alpha == 0], torch.full_like(person[alpha == 0], -1.0))
        behind = [getattr(each, side) - getattr(each, f"{side}_foreground") for each in (batch, lit)]
        gain = gains(batch.source, lit.source)
        black = (whole - gain * (getattr(batch, side) + 1) + 1).mean((2, 3), keepdim=True)  # the light of black, twice
        torch.testing.assert_close(behind[1], gain * behind[0] + black * (1 - alpha), rtol=0, atol=limit)


@pytest.mark.parametrize("strength", [0.4, 1.0])
def test_colours_stay_colours_and_half_of_the_pairs_keep_their_light(strength):
    many = random_batch(16, 256, "cpu")
    lit = relight(many, rng(), strength)
    for name in ("source", "target"):
        image = getattr(lit, name)
        assert -1 - TRAINING["relit"][0] <= image.min()
        assert image.max() <= 1 + TRAINING["relit"][0]
    kept = ((lit.source - many.source).abs().amax((1, 2, 3)) < TRAINING["relit"][0]).float().mean()
    assert 0.4 < kept < 0.6
    gain = gains(many.source, lit.source)
    assert gain.min() >= 1 - strength - TRAINING["relit"][0]
    assert (gain.amax(1) - gain.amin(1)).max() > 0.05 * strength  # colours differ: a tint
    again = relight(many, rng(), strength)
    assert torch.equal(again.source, lit.source)


def test_a_share_of_the_pairs_is_observed(batch, errors):
    assert observe(batch, rng(), 0.0, errors) is batch
    every = observe(batch, rng(), 1.0, errors)
    assert changed(batch, every) == set(OBSERVED)  # the answer, the exact poses and the surfaces stay
    for name in OBSERVED:
        assert not any(torch.equal(*each) for each in zip(getattr(batch, name), getattr(every, name), strict=True))
    assert torch.equal(every.source_alpha, observe(batch, rng(), 1.0, errors).source_alpha)
    many = random_batch(16, 256, "cpu")
    some = observe(many, rng(), 0.3, errors)
    windows, mattes = (
        (getattr(some, name) != getattr(many, name)).flatten(1).any(1) for name in ("source_window", "source_alpha")
    )
    assert torch.equal(windows, mattes)
    assert 0.2 < windows.float().mean() < 0.4


def test_a_found_matte_strays_at_its_edge_alone(batch, errors):
    matte = observe(batch, rng(), 1.0, errors).source_alpha
    assert matte.min() >= 0
    assert matte.max() <= 1
    apart = (matte - batch.source_alpha).abs()
    for value, pool in ((0.0, 1.0), (1.0, -1.0)):  # far from any edge, nothing changes
        spread = pool * torch.nn.functional.max_pool2d(pool * batch.source_alpha, 9, 1, 4)
        far = spread == value
        assert far.any()
        assert not apart[far].any()
    assert 0.005 < apart.mean() < 0.1
    assert (matte > 0.5).float().mean() == pytest.approx(
        float((batch.source_alpha > 0.5).float().mean()), rel=TRAINING["strayed area"][0]
    )


def test_observed_windows_hold_the_bank_s_errors(batch, errors):
    every = observe(batch, rng(), 1.0, errors)
    known = errors.errors.unfold(1, 27, 1).flatten(0, 1)
    for name in ("source_window", "target_window"):
        for error in getattr(every, name) - getattr(batch, name):
            assert (known - error).abs().amax((1, 2)).min() < ABLATIONS["carried error"][0]
