"""The last two levels on the way up have no norm behind which a scale could hide, wherever else the motion enters."""

import pytest
import torch

from flow3d.config import preset
from flow3d.synthesis import TransUNet
from flow3d.synthesis.transunet import inpainter, refiner
from flow3d.warping.adain import AdaINConv2d, DemodulatedConv2d
from tolerances import NETWORKS

CONFIG = preset("micro", "extended").replace(unet=(8, 12, 16, 16))  # three levels up


def kinds(network: TransUNet, side: str) -> list[set[type]]:
    """The kinds of layers of each level of a side, from the first that is passed."""
    return [{type(layer) for layer in level.layers} for level in getattr(network, side)]


@pytest.mark.parametrize("where", ["decoder", "encoder", "both"])
def test_the_last_two_levels_are_demodulated_and_no_other(where):
    config = CONFIG.replace(adain_in=where)
    plain, normed = {torch.nn.Sequential}, {AdaINConv2d}
    down, up = (normed if where in (side, "both") else plain for side in ("encoder", "decoder"))
    for make in (refiner, inpainter):
        network = make(config)
        assert kinds(network, "down") == [down] * 4
        assert kinds(network, "up") == [up, {DemodulatedConv2d}, {DemodulatedConv2d}]
        assert kinds(make(config.replace(norm_safe=False)), "up") == [up] * 3


def test_strict_has_a_norm_on_every_level():
    assert kinds(refiner(preset("micro")), "up") == [{AdaINConv2d}] * 2


def test_fewer_levels_are_all_demodulated():
    assert kinds(refiner(CONFIG.replace(unet=(8, 12))), "up") == [{DemodulatedConv2d}]


def test_the_motion_enters_by_the_last_levels_too():
    torch.manual_seed(0)
    network = refiner(CONFIG.replace(adain_in="encoder"))
    for layer in network.down.modules():
        if isinstance(layer, AdaINConv2d):  # the encoder no longer listens
            torch.nn.init.zeros_(layer.adain.scale_and_bias.weight)
    x = torch.rand(1, 9, 32, 32)
    z = torch.randn(2, 1, CONFIG.z_length)
    with torch.no_grad():
        assert not torch.allclose(network(x, z[0]), network(x, z[1]))


def test_a_change_of_strength_reaches_the_output():
    """Four times the last level's input from below is four times its output; behind a norm it would be the same."""
    torch.manual_seed(0)
    x, z = torch.randn(1, 20, 16, 16), torch.randn(1, CONFIG.z_length)
    with torch.no_grad():
        safe, normed = (refiner(CONFIG.replace(norm_safe=on)).up[-1] for on in (True, False))
        assert torch.equal(safe(4 * x, z), 4 * safe(x, z))
        torch.testing.assert_close(normed(4 * x, z), normed(x, z), rtol=0, atol=NETWORKS["norm of four times"][0])
