"""A matte that starts from the source's, warped: right before anything is learned, and refused without its parts.

Tests: refine.
"""

import pytest
import torch

from flow3d import FlowRenderer, preset
from flow3d.datasets import make_pair
from flow3d.morphable import Coefficients, Person
from flow3d.synthesis.refine import NEARLY_ONE
from flow3d.warping.adain import start_at_zero
from tolerances import NETWORKS

CONFIG = preset("micro", "extended")


@pytest.fixture(scope="module")
def pair():
    return make_pair(1_000_003, 32)


def untrained(config) -> FlowRenderer:
    torch.manual_seed(0)
    renderer = FlowRenderer(config).eval()
    assert renderer.refiner.network is not None
    start_at_zero(renderer.refiner.network.head)
    return renderer


def test_before_training_a_still_head_keeps_its_matte(pair):
    renderer = untrained(CONFIG)
    with torch.no_grad():
        ready = renderer.prepare(pair.source, pair.source_alpha, pair.source_window)
        alpha = renderer.stages(ready, pair.source_window[None]).alpha[0]
    expected = pair.source_alpha.clamp(1 - NEARLY_ONE, NEARLY_ONE)
    torch.testing.assert_close(alpha, expected)
    with torch.no_grad():
        plain = untrained(CONFIG.replace(matte_residual=False))
        ready = plain.prepare(pair.source, pair.source_alpha, pair.source_window)
        grey = plain.stages(ready, pair.source_window[None]).alpha
    assert grey.std() < NETWORKS["constant"][0]


def test_told_the_pose_it_lies_where_the_person_will_be():
    person = Person.random(43)
    here, there = (Coefficients.neutral().replace(translation_x=x) for x in (-0.1, 0.1))
    source, target = person.render(here, 32), person.render(there, 32)
    renderer = untrained(CONFIG)
    with torch.no_grad():
        ready = renderer.prepare(source.image, source.alpha, here.windows()[0])
        alpha = renderer.stages(ready, there.windows()).alpha[0]
    inside = (slice(None), slice(None), slice(3, None))  # what was outside of the source's frame is not known
    before, after = ((each - target.alpha)[inside].abs().mean() for each in (source.alpha, alpha))
    assert after < 0.3 * before


def test_the_refiner_asks_for_the_sources_matte(pair):
    renderer = FlowRenderer(CONFIG).eval()
    with torch.no_grad():
        ready = renderer.prepare(pair.source, pair.source_alpha, pair.source_window)
        z = renderer.mapping(pair.driving_window[None])
        warped = renderer.warping(ready.encoded, z, ready.motion)
    with pytest.raises(ValueError, match="matte: expected the source's, which this model warps"):
        renderer.refiner(ready.encoded.foreground, warped, z)


@pytest.mark.parametrize("without", [{"refiner_alpha": False}, {"rgb_warp": False, "residual_flow": False}])
def test_without_a_matte_or_warped_pixels_it_is_refused(without):
    with pytest.raises(ValueError, match="matte_residual: expected False without refiner_alpha and rgb_warp"):
        CONFIG.replace(**without)
