"""A plate is painted once per source, knows neither person nor motion, and every frame's background is cut from it.

Tests: flow3d.renderer.
"""

import pytest
import torch
from torch import Tensor

from flow3d import FlowRenderer, preset
from flow3d.datasets import make_pair
from flow3d.morphable import talking_head
from flow3d.stages import Prepared, Projected
from tolerances import NETWORKS

PAIR = make_pair(44, size=32)
CONFIG = preset("micro", "extended")
ONE_STEP = NETWORKS["constant"][0]


@pytest.fixture(scope="module", params=[True, False], ids=["plate", "frame by frame"])
def either(request) -> FlowRenderer:
    torch.manual_seed(0)
    return FlowRenderer(CONFIG.replace(background_plate=request.param)).eval()


@pytest.fixture(scope="module")
def renderer() -> FlowRenderer:
    torch.manual_seed(0)
    return FlowRenderer(CONFIG).eval()


def prepared(renderer: FlowRenderer, source: Tensor = PAIR.source, window: Tensor = PAIR.source_window) -> Prepared:
    with torch.no_grad():
        return renderer.prepare(source, PAIR.source_alpha, window)


def plate_of(ready: Prepared) -> Tensor:
    assert ready.plate is not None
    return ready.plate


def finished(renderer: FlowRenderer, ready: Prepared, alpha: Tensor, window: Tensor = PAIR.driving_window) -> Tensor:
    """The frame of a grey person with this matte, (3, S, S)."""
    person = Projected((alpha * 1.2 - 1).expand(-1, 3, -1, -1), alpha)  # grey .2 on black
    with torch.no_grad():
        z = renderer.mapping(window[None])
        return renderer.finish(ready, z, renderer.warping(ready.encoded, z, ready.motion), person).output[0]


def square(left: int, right: int) -> Tensor:
    alpha = torch.zeros(1, 1, 32, 32)
    alpha[..., 12:24, left:right] = 1
    return alpha


def test_it_is_painted_once_whatever_is_driven(either):
    calls = []
    hook = either.inpainter.network.register_forward_hook(lambda *_: calls.append(1))
    try:
        frames = either.reenact(
            PAIR.source, talking_head(5, 1), alpha=PAIR.source_alpha, source_window=PAIR.source_window, batch=2
        )
        assert len(list(frames)) == 5
    finally:
        hook.remove()
    assert len(calls) == (1 if either.config.background_plate else 3)  # three batches of two


def test_it_depends_on_no_motion_and_on_nothing_of_the_person(renderer):
    plate = plate_of(prepared(renderer))
    assert torch.equal(plate, plate_of(prepared(renderer, window=PAIR.driving_window)))
    ready = prepared(renderer)
    hidden = ready.hidden[0].expand(3, -1, -1) == 1
    other = torch.where(hidden, -PAIR.source, PAIR.source)
    assert (other - PAIR.source).abs().mean() > 0.1
    assert torch.equal(plate, plate_of(prepared(renderer, source=other)))
    beside = torch.where(hidden, PAIR.source, 0.5 * PAIR.source)
    assert not torch.equal(plate, plate_of(prepared(renderer, source=beside)))


def test_two_frames_share_every_pixel_that_neither_person_covers(either):
    ready = prepared(either)
    one, other = square(6, 18), square(14, 26)
    windows = PAIR.driving_window, PAIR.source_window
    frames = [finished(either, ready, alpha, w) for alpha, w in zip((one, other), windows, strict=True)]
    free = ((one == 0) & (other == 0))[0].expand(3, -1, -1)
    shown = free & (ready.hidden[0] == 0)  # what the source shows stays in either way
    torch.testing.assert_close(frames[0][shown], PAIR.source[shown], rtol=0, atol=ONE_STEP)
    hole = free & (ready.hidden[0] == 1)
    assert hole.float().mean() > 0.1
    flicker = (frames[0] - frames[1])[hole].abs().max()
    assert (flicker == 0) == either.config.background_plate
    if either.config.background_plate:
        torch.testing.assert_close(frames[0][hole], plate_of(ready)[0][hole], rtol=0, atol=ONE_STEP)


def test_the_motion_changes_no_frame_of_the_same_person(either):
    ready, alpha = prepared(either), square(8, 20)
    frames = [finished(either, ready, alpha, w) for w in (PAIR.driving_window, PAIR.source_window)]
    assert torch.equal(*frames) == either.config.background_plate


def test_a_soft_edge_lies_over_the_plate(renderer):
    ready, alpha = prepared(renderer), 0.25 * square(8, 20)
    frame, plate = finished(renderer, ready, alpha), plate_of(ready)[0]
    where = (alpha[0] > 0).expand(3, -1, -1) & (ready.hidden[0] == 1)
    expected = 0.25 * 0.2 + 0.75 * plate
    torch.testing.assert_close(frame[where], expected[where], rtol=0, atol=NETWORKS["over a plate"][0])


@pytest.mark.parametrize("without", ["paste_person", "paste_known_background"])
def test_it_needs_what_it_is_pasted_by(without):
    with pytest.raises(ValueError, match="background_plate: expected False without separate, paste_person and paste_"):
        CONFIG.replace(**{without: False})
