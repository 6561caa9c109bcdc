"""Projection keeps colours, the refiner means what it says, and AdaIN sits where the switch puts it.

Tests: projection, refine, inpaint, transunet.
"""

import pytest
import torch

from flow3d.config import preset
from flow3d.datasets import make_pair
from flow3d.synthesis import Inpainter, Refiner, TransUNet, cut_out, hole_of, project
from flow3d.synthesis.inpaint import spread
from flow3d.warping import Warped
from tolerances import NETWORKS

PAIR = make_pair(44, size=32)
MICRO = preset("micro")
CONSTANT = NETWORKS["constant"][0]


def batch(*tensors: torch.Tensor) -> list[torch.Tensor]:
    return [t[None] for t in tensors]


def test_a_person_put_back_where_they_were_is_the_picture():
    image, alpha = batch(PAIR.source, PAIR.source_alpha)
    whole = project(cut_out(image, alpha), alpha, image, alpha)
    solid = ((alpha == 0) | (alpha == 1)).expand_as(image)
    torch.testing.assert_close(whole[solid], image[solid])


def test_the_true_foreground_on_the_true_background_is_the_target():
    target, alpha, background = batch(PAIR.target, PAIR.target_alpha, PAIR.background)
    # the background is complete, so nothing of it is cut out; premultiplied edges must not darken twice
    person = target - (1 - alpha) * (background + 1)
    torch.testing.assert_close(project(person, alpha, background, torch.zeros_like(alpha)), target)


def test_the_hole_is_what_the_person_left():
    source, target = torch.zeros(1, 1, 1, 4), torch.zeros(1, 1, 1, 4)
    source[..., :2], target[..., 1:3] = 1, 1
    assert hole_of(source, target).flatten().tolist() == [1, 0, 0, 0]


@pytest.mark.parametrize("where", ["decoder", "encoder", "both"])
def test_motion_enters_where_the_switch_says(where):
    torch.manual_seed(0)
    network = TransUNet(6, 3, MICRO.replace(adain_in=where))
    sides = {name.split(".")[0] for name, _ in network.named_parameters() if "adain" in name}
    assert sides == {"decoder": {"up"}, "encoder": {"down"}, "both": {"down", "up"}}[where]
    x = torch.rand(2, 6, 32, 32)
    assert not torch.allclose(network(x, torch.randn(2, 16)), network(x, torch.randn(2, 16)))


def test_skips_carry_what_the_bottom_cannot():
    network = TransUNet(3, 3, MICRO)
    x = torch.rand(1, 3, 32, 32, requires_grad=True)
    out = network(x, torch.zeros(1, 16))
    (gradient,) = torch.autograd.grad(out[0, 0, 16, 16], x)
    assert gradient[0, :, 16, 16].abs().sum() > 0


def refined(recipe: str, **outputs: float):
    """What a refiner makes whose network answers the same numbers everywhere."""
    config = preset("micro", "extended" if recipe == "extended" else "strict")
    model = Refiner(config)
    channels = torch.tensor([outputs.get(name, 0.0) for name in ("r", "g", "b", "alpha", "mask")])
    count = 5 if recipe == "extended" else 3
    head = torch.nn.Conv2d(config.unet[0], count, 3, padding=1)
    head.load_state_dict({"weight": torch.zeros_like(head.weight), "bias": channels[:count]})
    assert model.network is not None
    model.network.head = head
    image = torch.full((1, 3, 32, 32), 0.5)
    pixels = torch.full((1, 3, 32, 32), -0.2) if recipe == "extended" else None
    flow, still, volume = torch.zeros(1, 3, 4, 16, 16), torch.zeros(1, 2, 32, 32), torch.zeros(1, 4, 4, 16, 16)
    warped = Warped(flow, still, volume, image, pixels)
    return model(image, warped, torch.zeros(1, config.z_length), torch.full((1, 1, 32, 32), 0.5))


def test_an_extended_refiner_starts_from_the_decoded_warp():
    made = refined("extended", alpha=10.0, mask=-10.0)
    torch.testing.assert_close(made.painted, torch.full((1, 3, 32, 32), 0.49), rtol=0, atol=CONSTANT)
    torch.testing.assert_close(made.foreground, made.painted, rtol=0, atol=CONSTANT)
    shown = refined("extended", alpha=10.0, mask=10.0)
    torch.testing.assert_close(shown.foreground, torch.full((1, 3, 32, 32), -0.2), rtol=0, atol=CONSTANT)
    assert refined("extended", alpha=-10.0).foreground.max() < -0.999  # cut out: black


def test_a_strict_refiner_paints_anew_and_has_no_matte():
    made = refined("strict", r=0.25)
    assert made.alpha is None
    assert made.mask is None
    assert made.painted is None
    expected = torch.tanh(torch.tensor([0.5, 0.0, 0.0]))
    torch.testing.assert_close(made.foreground[0, :, 5, 5], expected)


def test_a_hole_is_spread_from_what_is_known_around_it():
    known = torch.ones(1, 1, 16, 16)
    known[..., 4:12, 4:12] = 0
    left = torch.full((1, 3, 16, 16), 0.6)
    left[..., 8:] = -0.2
    filled = spread(torch.where(known > 0, left, torch.full_like(left, 9.0)), known)
    assert torch.equal(filled * known, left * known)  # what is known stays, and what the hole held counts nowhere
    assert filled.amin() >= -0.2 - CONSTANT
    assert filled.amax() <= 0.6 + CONSTANT
    inside = filled[0, 0, 4:12, 4:12]
    assert (inside[:, 0] > inside[:, -1]).all()  # lighter towards the lighter side
    plain = torch.full((1, 3, 16, 16), 0.3)
    torch.testing.assert_close(spread(plain, known), plain)
    assert torch.equal(spread(plain, torch.zeros_like(known)), torch.zeros_like(plain))


def test_an_untrained_inpainter_hands_on_the_fill():
    config = preset("micro", "extended")
    torch.manual_seed(0)
    model, z = Inpainter(config), torch.zeros(1, config.z_length)
    model.network.head.load_state_dict(
        {name: torch.zeros_like(w) for name, w in model.network.head.state_dict().items()}
    )
    wall = torch.full((1, 3, 32, 32), 0.4)
    hole = torch.zeros(1, 1, 32, 32)
    hole[..., 10:20, 10:20] = 1
    blank = wall + hole * (-1 - wall)
    torch.testing.assert_close(model(blank, hole, z, 1 - hole), wall, rtol=0, atol=NETWORKS["nearly one"][0])
    torch.testing.assert_close(model.paint(blank, hole, z, 1 - hole), 0.98 * wall)
    empty = Inpainter(config.replace(hole_fill=False))(blank, hole, z, 1 - hole)
    assert (empty - wall)[..., 12:18, 12:18].abs().mean() > 0.1  # without the fill its start has another colour
