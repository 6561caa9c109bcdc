"""Equations 2 to 9 against numbers worked out by hand, and where their gradients may and may not go."""

import math

import pytest
import torch
from torch import Tensor, nn

from flow3d.config import preset
from flow3d.training import (
    Lambdas,
    LossTerms,
    Perceptual,
    PyramidFeatures,
    check_finite,
    cyclic_warp,
    loss_3df,
    loss_3dw,
    loss_cw,
    loss_inp,
    loss_pr,
    loss_pw,
    loss_sr,
    loss_total,
)
from flow3d.warping import FeatureDecoder, FeatureEncoder, FlowNetwork
from flow3d_kernels import warp3d
from tolerances import TRAINING

TERMS = ("pw", "cw", "3dw", "3df", "inp", "pr", "sr")
PERCEPTUAL = (loss_pw, loss_3df, loss_inp, loss_pr)


class Pixels:
    """Two layers that a hand can follow: the image, and twice its first channel."""

    name, smallest = "pixels", 2

    def __call__(self, images: Tensor) -> list[Tensor]:
        return [images, 2 * images[:, :1]]


JUDGE = Perceptual(Pixels(), scales=2)


def picture(*values: float, size: int = 4) -> Tensor:
    """Three constant channels."""
    return torch.tensor(values).view(1, 3, 1, 1).expand(1, 3, size, size).clone()


def close(value: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(value, expected, rtol=TRAINING["by hand"][0], atol=0.0)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@pytest.mark.parametrize("loss", PERCEPTUAL)
def test_perceptual_losses_by_hand(loss):
    # channels differ by 0.3, 0 and 0.6: mean 0.3; twice the first: 0.6; the same again at half the size
    value = loss(picture(0.3, 0.1, -0.5), picture(0.0, 0.1, 0.1), JUDGE)
    close(value, torch.tensor(2 * (0.3 + 0.6)))


def test_half_the_size_averages_two_by_two_pixels():
    checks = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).repeat(2, 2).expand(1, 3, 4, 4)
    grey = torch.zeros(1, 3, 4, 4)
    close(loss_pw(checks, grey, JUDGE), torch.tensor(1.0 + 2.0))  # gone at half the size


def test_the_cyclic_loss_by_hand():
    i_bw, i = picture(0.5, 0.0, -0.25), picture(0.0, 0.0, 0.0)
    close(loss_cw(i_bw, i), torch.tensor(0.25))


def test_the_3d_warp_loss_by_hand():
    f_w, t_if = torch.zeros(1, 2, 1, 1, 2), torch.tensor([1.0, 3.0, 0.0, 2.0]).view(1, 2, 1, 1, 2)
    close(loss_3dw(f_w, t_if), torch.tensor(14.0 / 4))


def test_the_style_loss_by_hand():
    # Gram of a constant image: products of channels over 3; of twice the first channel alone: its square times 4
    r, t = picture(1.0, 0.5, 0.0), picture(0.0, 0.0, 0.0)
    products = (1.0 + 0.5 + 0.5 + 0.25) / 3  # sum of the matrix
    close(loss_sr(r, t, JUDGE), torch.tensor(products / 9 + 4.0))


def test_the_style_loss_does_not_see_places():
    image = noise(2, 3, 4, 4)
    elsewhere = image.flip(-1).transpose(-1, -2)
    assert loss_sr(image, elsewhere, JUDGE) < TRAINING["moved pixels"][0]
    assert loss_pr(image, elsewhere, JUDGE) > 0.1


def every_loss(judge: Perceptual, one: Tensor, other: Tensor) -> dict[str, Tensor]:
    judged = dict(zip(("pw", "3df", "inp", "pr"), (loss(one, other, judge) for loss in PERCEPTUAL), strict=True))
    volumes = [x[:, :, None].expand(-1, -1, 2, -1, -1) for x in (one, other)]
    return judged | {
        "cw": loss_cw(one, other),
        "3dw": loss_3dw(volumes[0], volumes[1]),
        "sr": loss_sr(one, other, judge),
    }


@pytest.mark.parametrize("judge", [JUDGE, Perceptual(PyramidFeatures())], ids=["pixels", "pyramid"])
def test_identical_is_zero_and_the_order_does_not_matter(judge):
    one, other = noise(2, 3, 16, 16), noise(2, 3, 16, 16, seed=1)
    assert sorted(every_loss(judge, one, other)) == sorted(TERMS)
    assert all(value == 0 for value in every_loss(judge, one, one).values())
    there, back = every_loss(judge, one, other), every_loss(judge, other, one)
    for name in TERMS:
        assert there[name] > 0
        assert torch.equal(there[name], back[name])


def test_means_do_not_grow_with_batch_or_size():
    small, large = (every_loss(JUDGE, picture(0.3, 0.1, -0.5, size=s), picture(0.0, 0.1, 0.1, size=s)) for s in (4, 16))
    for name in TERMS:
        close(small[name], large[name])


@pytest.mark.parametrize("name", ["pw", "3df", "inp", "pr", "sr"])
def test_gradients_reach_the_picture_and_never_the_target(name):
    one, other = noise(1, 3, 8, 8).requires_grad_(), noise(1, 3, 8, 8, seed=1).requires_grad_()
    for target in (other, JUDGE.pyramid(other)):
        loss = loss_sr if name == "sr" else dict(zip(("pw", "3df", "inp", "pr"), PERCEPTUAL, strict=True))[name]
        (gradient,) = torch.autograd.grad(loss(one, target, JUDGE), one)
        assert gradient.abs().sum() > 0
        value = loss(one.detach(), target, JUDGE)
        assert not value.requires_grad


def test_the_target_volume_is_detached_where_told_so():
    f_w, t_if = torch.zeros(1, 1, 1, 1, 2, requires_grad=True), torch.ones(1, 1, 1, 1, 2, requires_grad=True)
    loss_3dw(f_w, t_if, target_detach=True).backward()
    assert f_w.grad is not None
    assert f_w.grad.flatten().tolist() == [-1.0, -1.0]
    assert t_if.grad is None
    loss_3dw(f_w, t_if).backward()
    assert t_if.grad is not None
    assert t_if.grad.flatten().tolist() == [1.0, 1.0]


class Stage:
    """A 3D warping stage whose encoder and decoder are the identity: a picture is a volume of one slice.

    The motion vector is the flow itself, in pixels: (dx, dy).
    """

    def __call__(self, image: Tensor, z: Tensor) -> Tensor:
        volume = image[:, :, None]  # (B, 3, 1, H, W)
        flow = torch.cat([z, torch.zeros(len(z), 1)], 1).view(-1, 3, 1, 1, 1).expand(-1, -1, 1, *image.shape[-2:])
        return warp3d(volume, flow.contiguous())[:, :, 0]


def test_the_cyclic_loss_is_zero_without_motion_and_positive_for_another_ones_way_back():
    image = noise(2, 3, 8, 8)
    image[..., [0, 1, -2, -1]] = image[..., [0, -1], :] = -1.0  # a black margin, so that a shift loses nothing
    stage, still = Stage(), torch.zeros(2, 2)
    assert loss_cw(cyclic_warp(stage, stage(image, still), still), image) == 0
    there = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    w = stage(image, there)
    assert loss_cw(w, image) > 0.05
    assert loss_cw(cyclic_warp(stage, w, -there), image) == 0  # the way back undoes the way there
    assert loss_cw(cyclic_warp(stage, w, -there.flip(0)), image) > 0.05  # the two images' ways back exchanged


@pytest.mark.parametrize("detach", [False, True])
def test_the_cyclic_loss_reaches_the_first_flow_unless_detached(detach):
    there, back = torch.full((1, 2), 0.3, requires_grad=True), torch.full((1, 2), -0.2, requires_grad=True)
    image, stage = noise(1, 3, 8, 8), Stage()
    loss_cw(cyclic_warp(stage, stage(image, there), back, cyclic_detach=detach), image).backward()
    assert back.grad is not None
    assert back.grad.abs().sum() > 0
    assert (there.grad is None) == detach


def test_the_cyclic_loss_of_the_real_networks_trains_both_passes():
    torch.manual_seed(0)
    config = preset("micro")
    encoder, network, decoder = FeatureEncoder(config), FlowNetwork(config), FeatureDecoder(config)
    gradients = []
    for detach in (False, True):
        image, zs = noise(2, 3, 32, 32), noise(2, 2, config.motion)
        flows: list[Tensor] = []

        def stage(source: Tensor, z: Tensor, flows: list[Tensor] = flows) -> Tensor:
            flow = network(network.lift(source), z)
            flow.retain_grad()
            flows.append(flow)
            return decoder(warp3d(encoder(source), flow))

        loss_cw(cyclic_warp(stage, stage(image, zs[0]), zs[1], cyclic_detach=detach), image).backward()
        gradients.append([flow.grad is not None and bool(flow.grad.abs().sum() > 0) for flow in flows])
    assert gradients == [[True, True], [False, True]]


def test_the_total_is_the_papers_weighted_sum():
    raw = {name: torch.tensor(0.1 * (k + 1), requires_grad=True) for k, name in enumerate(TERMS)}
    terms = loss_total(raw, judge=JUDGE)
    by_hand = 2.5 * 0.1 + 2.5 * 0.2 + 100 * 0.3 + 100 * 0.4 + 2.5 * 0.5 + 4 * 0.6 + 1000 * 0.7
    close(terms.total, torch.tensor(by_hand))
    terms.total.backward()
    assert {name: value.grad.item() for name, value in raw.items() if value.grad is not None} == Lambdas().by_term()
    assert terms.judge == "pixels, 2 scales at most"


def test_raw_and_weighted_terms_stay_apart():
    terms = loss_total({"cw": torch.tensor(2.0), "3dw": torch.tensor(0.5)}, Lambdas(lambda_3dw=10.0))
    assert terms.numbers() == {
        "raw/cw": 2.0, "raw/3dw": 0.5, "weighted/cw": 5.0, "weighted/3dw": 5.0, "total": 10.0,
    }  # fmt: skip
    assert terms.judge is None


def test_half_precision_terms_are_summed_in_float32():
    terms = loss_total({"sr": torch.tensor(100.0, dtype=torch.float16)}, judge="any")
    assert terms.total.dtype == torch.float32
    assert terms.total == 100_000  # beyond float16


def test_a_term_of_our_own_brings_its_weight():
    raw = {"cw": torch.tensor(1.0), "alpha": torch.tensor(3.0)}
    assert loss_total(raw, extensions={"alpha": 0.5}).total == 2.5 + 1.5
    with pytest.raises(ValueError, match=r"raw: no weight for the term 'alpha'; the nearest is"):
        loss_total(raw)
    with pytest.raises(ValueError, match="extensions: cw belongs to the paper"):
        loss_total(raw, extensions={"alpha": 0.5, "cw": 1.0})


def test_a_total_needs_terms_and_the_name_of_the_features():
    with pytest.raises(ValueError, match="raw: expected at least one term"):
        loss_total({})
    with pytest.raises(ValueError, match="judge: expected the feature network of pw, sr"):
        loss_total({"pw": torch.tensor(1.0), "cw": torch.tensor(1.0), "sr": torch.tensor(1.0)})


@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf])
def test_a_lambda_is_a_finite_weight(value):
    with pytest.raises(ValueError, match="lambda_sr: expected a finite weight of at least 0, got"):
        Lambdas(lambda_sr=value)


def test_a_nan_names_its_terms():
    raw = {"pw": torch.tensor(1.0), "3dw": torch.tensor(math.nan), "sr": torch.tensor(math.inf)}
    for terms in (raw, loss_total(raw, judge="any")):
        with pytest.raises(FloatingPointError, match=r"expected finite terms, got 3dw = nan, sr = inf"):
            check_finite(terms)
    check_finite({"pw": torch.tensor(1.0)})
    check_finite({})


def test_a_total_beyond_float32_is_named_too():
    terms = loss_total({"3dw": torch.tensor(3e37)})
    assert isinstance(terms, LossTerms)
    with pytest.raises(FloatingPointError, match="got total = inf"):
        check_finite(terms)


@pytest.mark.usefixtures("no_shape_checks")
def test_shapes_that_would_broadcast_are_refused():
    with pytest.raises(ValueError, match=r"i_bw: expected the shape of i, \(2, 3, 4, 4\), got \(1, 3, 4, 4\)"):
        loss_cw(noise(1, 3, 4, 4), noise(2, 3, 4, 4))
    with pytest.raises(ValueError, match="f_w: expected the shape of t_if"):
        loss_3dw(noise(1, 3, 2, 4, 4), noise(2, 3, 2, 4, 4))
    with pytest.raises(ValueError, match="target: expected feature maps of the shapes"):
        loss_pw(noise(1, 3, 4, 4), noise(2, 3, 4, 4), JUDGE)


def test_a_step_down_the_gradient_lowers_every_loss():
    torch.manual_seed(0)
    target, judge = noise(1, 3, 16, 16), Perceptual(PyramidFeatures())
    for name in TERMS:
        image = nn.Parameter(noise(1, 3, 16, 16, seed=1))
        before = every_loss(judge, image, target)[name]
        before.backward()
        assert image.grad is not None
        with torch.no_grad():
            image -= 0.01 * image.grad / image.grad.abs().max()
            assert every_loss(judge, image, target)[name] < before
