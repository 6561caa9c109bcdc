"""Each rival is a whole method: shapes, gradients, what it guarantees without motion, and that it learns.

Tests: registry, base, blocks, train, bilayer, dagan, facevid2vid, fomm, pirenderer, x2face.
"""

import dataclasses
import os
import signal

import numpy as np
import pytest
import torch

from flow3d.config import preset
from flow3d.datasets.cache import FrameCache
from flow3d.datasets.cache_build import build_cache
from flow3d.experiments.ablations import Budget
from flow3d.experiments.rivals import ABSENT, RIVALS, rival
from flow3d.experiments.rivals.base import Request, check_request
from flow3d.experiments.rivals.bilayer import BiLayer
from flow3d.experiments.rivals.blocks import bumps, in_pixels, peaks, positions
from flow3d.experiments.rivals.facevid2vid import FaceVid2Vid
from flow3d.experiments.rivals.fomm import inverse
from flow3d.experiments.rivals.train import drawn, flow_loss, losses, train
from flow3d.morphable import Person
from flow3d.renderer import FlowRenderer
from flow3d.training.config import training
from flow3d.training.perceptual import perceptual
from flow3d.training.steps import region_weight
from tolerances import MORPHABLE
from tolerances import RIVALS as TOLERANCES


@pytest.fixture(scope="module")
def drawing(frames):
    return drawn(frames, training("micro", "extended", 1), 0)


def request_of(batch, still: bool = False) -> Request:
    if still:
        return Request(batch.source, batch.source_window, batch.source, batch.source_window)
    return Request(batch.source, batch.source_window, batch.target, batch.target_window)


@pytest.mark.parametrize("name", RIVALS)
def test_a_rival_paints_whole_frames_with_about_as_many_parameters_as_ours(name, drawing):
    torch.manual_seed(0)
    for size in ("micro", "tiny"):
        ours = sum(p.numel() for p in FlowRenderer(preset(size, "extended")).parameters())
        assert 0.7 < sum(p.numel() for p in rival(name, size).parameters()) / ours < 1.3
    network = rival(name, "micro")
    picture, motion = network(request_of(drawing[0]))
    assert picture.shape == drawing[0].target.shape
    assert picture.abs().max() <= 1
    assert (motion.flow is None) == isinstance(network, BiLayer)
    if motion.flow is not None:
        assert motion.flow.shape == (8, 2, 32, 32)


@pytest.mark.parametrize("name", RIVALS)
def test_gradients_reach_every_parameter(name, drawing):
    torch.manual_seed(0)
    network, config = rival(name, "micro"), training("micro", "extended", 2)
    for parameter in network.parameters():  # layers that start at zero let nothing through
        parameter.data += 0.02 * torch.randn_like(parameter)
    terms = losses(network, *drawing, config, 0, perceptual("pyramid"))
    torch.stack(list(terms.values())).sum().backward()
    # a constant before an instance norm, or before a softmax over places, changes nothing
    deaf = [n for n, p in network.named_parameters() if p.grad is None or (not n.endswith("bias") and not p.grad.any())]
    assert not deaf


@pytest.mark.parametrize("name", [name for name, kind in RIVALS.items() if kind is not BiLayer])
def test_a_source_that_drives_itself_stays_as_it_is(name, drawing):
    torch.manual_seed(0)
    network = rival(name, "micro").eval()
    with torch.no_grad():
        picture, motion = network(request_of(drawing[0], still=True))
    assert motion.flow is not None
    assert motion.flow.abs().max() < TOLERANCES["still flow"][0]
    if name in ("PIRenderer", "X2Face"):  # their flow starts at zero; nothing keeps it there
        assert (picture - drawing[0].source).abs().max() < TOLERANCES["still picture"][0]


def test_a_rival_without_our_help_paints_from_nothing(drawing):
    torch.manual_seed(0)
    request = request_of(drawing[0])
    helped, alone = (rival("FOMM", "micro", residual) for residual in (True, False))
    alone.load_state_dict(helped.state_dict())
    assert not alone(request)[0].any()  # its last layer starts at zero
    assert helped(request)[0].std() > 0.1


@pytest.mark.parametrize("name", RIVALS)
def test_thirty_steps_lower_the_loss(name, frames):
    torch.manual_seed(0)
    network, config, judge = rival(name, "micro"), training("micro", "extended", 1), perceptual("pyramid")
    pictures = drawn(frames, config.replace(batch=2), 0)
    optimiser = torch.optim.Adam(network.parameters(), lr=config.learning_rate)
    totals: list[float] = []
    for _ in range(30):
        terms = losses(network, *pictures, config, 0, judge)  # step 0: of a method with a flow, the flow alone
        assert ("painted" in terms) == isinstance(network, BiLayer)
        total = torch.stack(list(terms.values())).sum()
        optimiser.zero_grad()
        total.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), config.largest_norm)
        optimiser.step()
        totals.append(float(total.detach()))
    assert np.mean(totals[-3:]) < TOLERANCES["thirty steps"][0] * np.mean(totals[:3])


def test_the_same_seed_trains_the_same_weights(frames):
    made = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        network, _ = train(rival("DaGAN", "micro"), frames, Budget("micro", 2, 1, 1, 1, 1), seed)
        made.append(torch.cat([p.flatten() for p in network.parameters()]))
    assert torch.equal(made[0], made[1])
    assert not torch.equal(made[0], made[2])


def test_the_exact_flow_has_no_loss_but_the_wrong_way_has(drawing):
    batch = drawing[0]
    weight = region_weight(batch, (16.0, 12.0))
    assert weight is not None
    exact, zero, wrong = (
        float(flow_loss(s * batch.flow[:, :2], batch, weight)) for s in (1, 0, -1)
    )  # fmt: skip
    assert exact < 0.1 * zero < zero < wrong


def test_places_and_pixels_agree():
    logits = torch.full((1, 1, 16, 16), -9.0)
    logits[..., 5, 9] = 9.0
    maps, points = peaks(logits)
    assert torch.allclose(maps.sum((2, 3)), torch.ones(1, 1))
    assert torch.allclose(points[0, 0], torch.tensor([(2 * 9 - 15) / 16, (2 * 5 - 15) / 16]))
    assert torch.equal(positions(4, 16, 16)[1, 5, 9], torch.tensor([3 / 16, -5 / 16, -0.25]))
    assert bumps(points, (16, 16), 0.01)[0, 0].argmax() == 5 * 16 + 9
    flow = in_pixels(torch.full((1, 2, 16, 16), 0.25), 32)
    assert torch.allclose(flow, torch.full((1, 2, 32, 32), 4.0))  # a quarter of half of 32


def test_inverses():
    matrices = torch.randn(5, 2, 2, generator=torch.Generator().manual_seed(0)) * 0.1 + torch.eye(2)
    expected = torch.eye(2).expand(5, 2, 2)
    torch.testing.assert_close(inverse(matrices) @ matrices, expected, rtol=0, atol=TOLERANCES["inverse"][0])
    assert torch.isfinite(inverse(torch.zeros(1, 2, 2))).all()


def test_face_vid2vid_moves_points_as_the_camera_does():
    """A point in the plane of the head's centre, moved and cropped but not turned: no perspective is missed."""
    torch.manual_seed(0)
    network = FaceVid2Vid(FaceVid2Vid.widths["micro"])
    person = Person.random(3)
    window = torch.zeros(1, 73, 27)
    window[:, 67], window[:, 68] = 0.1, -0.05  # translation
    window[:, 70], window[:, 71], window[:, 72] = 1.1, 6.0, -4.0  # crop
    unit = 2 * person.camera.pixels_per_unit(1)
    point = torch.tensor([0.3, -0.2, 0.0]).expand(1, network.count, 3)
    place = network.posed(point * unit, window)[0]
    seen, _ = person.camera.project(torch.tensor([[0.4, -0.25, 0.0]]), window[0, 70:73, 13], 32)
    torch.testing.assert_close(place[0, 0, :2] * 16 + 15.5, seen[0], rtol=0, atol=MORPHABLE["pixels"][0])


def test_bad_input_is_named(frames, drawing, tmp_path, no_shape_checks):
    with pytest.raises(ValueError, match=r"method: expected one of .*FOMM.*, got 'none'"):
        rival("none", "micro")
    with pytest.raises(ValueError, match="preset: expected one of micro, tiny, got 'paper'"):
        rival("FOMM", "paper")
    for name in ABSENT:
        with pytest.raises(ValueError, match=f"method: {name} is absent: .*StyleGAN2"):
            rival(name, "micro")
    request = request_of(drawing[0])
    with pytest.raises(ValueError, match="source: expected 8 x 3 x 64 x 64"):
        check_request(request, 64)
    with pytest.raises(ValueError, match="windows: expected finite numbers"):
        check_request(dataclasses.replace(request, driving_window=request.driving_window * float("nan")), 32)
    with pytest.raises(ValueError, match="data: expected 64 px for preset tiny, got 32"):
        train(rival("FOMM", "tiny"), frames, Budget("tiny", 1, 1, 1, 1, 1), 0)
    published = build_cache(tmp_path / "published", 1, 6, 32, seed=1_000_000, clips=3)
    with pytest.raises(ValueError, match="data: expected seeds below 1,000,000"):
        train(rival("FOMM", "micro"), published, Budget("micro", 1, 1, 1, 1, 1), 0)


def test_a_loss_that_is_not_finite_stops(frames: FrameCache):
    network = rival("X2Face", "micro")
    next(network.parameters()).data.fill_(float("nan"))
    with pytest.raises(FloatingPointError, match="flow = nan"):
        train(network, frames, Budget("micro", 1, 1, 1, 1, 1), 0)


def test_ctrl_c_ends_a_training_and_keeps_nothing(frames: FrameCache):
    seen = []

    def watch(step: int, terms: dict[str, float]) -> None:
        seen.append(step)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(rival("FOMM", "micro"), frames, Budget("micro", 3, 1, 1, 1, 1), 0, watch)
    assert seen == [1]
