"""A pair is two frames of one clip with the true answer, the same bytes wherever it is made."""

import dataclasses
import hashlib
import math
import subprocess
import sys
from functools import cache

import numpy as np
import pytest
import torch

from flow3d.datasets import Pair, make_clip, make_pair
from flow3d.datasets.pairs import (
    APART,
    BLOCK,
    CLIP_FRAMES,
    driver_of,
    make_expression_pair,
    person_of,
    seen_person,
    two_frames,
)
from flow3d.morphable import PARTS, Coefficients, exact_flow, talking_head
from flow3d.morphable.coefficients import POSE
from flow3d.morphable.volume import VolumeGrid
from flow3d.morphable.volume_flow import rays_of, surface_flow, volume_truth
from tolerances import MORPHABLE

FIELDS = {
    "source": (3, 64, 64), "target": (3, 64, 64), "driving": (3, 64, 64), "source_alpha": (1, 64, 64),
    "target_alpha": (1, 64, 64), "background": (3, 64, 64), "source_window": (73, 27), "driving_window": (73, 27),
    "flow": (3, 64, 64), "visible": (1, 64, 64), "labels": (1, 64, 64), "source_foreground": (3, 64, 64),
    "source_depth": (1, 64, 64),
}  # fmt: skip


@cache
def pair(seed: int, cross: bool = False) -> Pair:
    return make_pair(seed, cross=cross)


def tensors(pair: Pair) -> dict[str, torch.Tensor]:
    return {f.name: v for f in dataclasses.fields(pair) if isinstance(v := getattr(pair, f.name), torch.Tensor)}


def digest(pair: Pair) -> str:
    return hashlib.sha256(b"".join(v.contiguous().numpy().tobytes() for v in tensors(pair).values())).hexdigest()


@pytest.mark.parametrize("cross", [False, True])
def test_fields_shapes_types_and_ranges(cross):
    values = tensors(pair(1, cross))
    assert {name: tuple(v.shape) for name, v in values.items()} == FIELDS
    for name, value in values.items():
        assert value.device.type == "cpu"
        assert value.dtype == (torch.int64 if name == "labels" else torch.float32)
        assert torch.isfinite(value).all() or name == "source_depth"
    for name in ("source", "target", "driving", "background"):
        assert -1 <= values[name].min() < values[name].max() <= 1
    for name in ("source_alpha", "target_alpha", "visible"):
        assert 0 == values[name].min() < values[name].max() == 1
    nothing = torch.isinf(values["source_depth"])  # where no surface is, there is no depth
    assert (values["source_alpha"][nothing] < 1).all()
    assert (values["source_alpha"][~nothing] > 0).all()


def test_a_seed_is_the_same_bytes_here_and_in_a_fresh_process():
    assert digest(make_pair(7, 32)) == digest(make_pair(np.int64(7), 32))
    assert digest(make_pair(7, 32)) != digest(make_pair(8, 32))
    program = (
        "import dataclasses, hashlib, torch; from flow3d.datasets import make_pair; torch.set_num_threads(1);"
        "p = make_pair(7, 32); v = (getattr(p, f.name) for f in dataclasses.fields(p));"
        "t = (x.contiguous().numpy().tobytes() for x in v if isinstance(x, torch.Tensor));"
        "print(hashlib.sha256(b''.join(t)).hexdigest())"
    )
    fresh = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert fresh.stdout.strip() == digest(make_pair(7, 32))


def test_writing_into_a_pair_leaves_the_next_one_alone():
    before = digest(make_pair(9, 32))
    for value in tensors(make_pair(9, 32)).values():
        value.zero_()
    assert digest(make_pair(9, 32)) == before


def test_in_self_id_the_driving_frame_is_the_target():
    assert torch.equal(pair(2).driving, pair(2).target)
    assert not torch.equal(pair(2).source, pair(2).target)


def test_a_pair_is_two_frames_of_the_seeds_clip():
    motion = talking_head(CLIP_FRAMES, 11)
    first, second = two_frames(11, motion["yaw"])
    assert abs(first - second) >= APART
    made, clip = make_pair(11, 32), make_clip(11, max(first, second) + 1, 32)
    assert torch.equal(made.source, clip.frames[first])
    assert torch.equal(made.target, clip.frames[second])
    assert torch.equal(made.background, clip.background)
    assert made.yaw_difference == pytest.approx(math.degrees(abs(motion["yaw"][first] - motion["yaw"][second])))


@pytest.mark.parametrize("cross", [False, True])
def test_the_middle_of_a_window_is_the_frames_coefficients(cross):
    motion = talking_head(CLIP_FRAMES, 12)
    moves = talking_head(CLIP_FRAMES, driver_of(12)) if cross else motion
    first, second = two_frames(12, motion["yaw"])
    made = pair(12, cross)
    assert torch.equal(made.source_window, motion.windows()[first])
    assert torch.equal(made.driving_window, moves.windows()[second])
    assert torch.equal(made.source_window[:, 13], motion.frame(first))
    again = person_of(12).render(Coefficients(made.driving_window[:, 13][None]), 64)
    assert torch.equal(again.image, made.target)


@pytest.mark.parametrize("seed", [3, 13])
def test_in_cross_id_another_person_drives_and_the_target_keeps_the_source(seed):
    made, alone = pair(seed, True), pair(seed)
    assert torch.equal(made.source, alone.source)
    assert torch.equal(made.background, alone.background)
    assert not torch.equal(made.driving, made.target)
    assert torch.equal(make_pair(seed, 64, cross=True).driving, made.driving)
    nobody = ((made.source_alpha == 0) & (made.target_alpha == 0)).expand(3, -1, -1)
    assert nobody.float().mean() > 0.2
    assert torch.equal(made.target[nobody], made.background[nobody])
    assert torch.equal(made.source[nobody], made.background[nobody])
    driver = person_of(driver_of(seed)).render(Coefficients(made.driving_window[:, 13][None]), 64)
    assert torch.equal(driver.image, made.driving)
    # the same person, though the pose is another's: the exact flow exists and carries most of the face
    assert made.visible[made.target_alpha == 1].mean() > 0.4


def test_the_flow_is_the_exact_flow_of_the_two_frames():
    made = pair(4)
    source, target = (
        person_of(4).render(window[:, 13].contiguous(), 64) for window in (made.source_window, made.driving_window)
    )
    flow, visible = exact_flow(target, source)
    assert torch.equal(made.flow, flow)
    assert torch.equal(made.visible, visible)
    assert torch.equal(made.labels, target.labels)
    assert not made.flow[:, made.labels[0] == 0].any()


def test_the_surfaces_are_those_of_the_two_frames():
    made = pair(4)
    source, target = (
        person_of(4).render(window[:, 13].contiguous(), 64) for window in (made.source_window, made.driving_window)
    )
    surfaces = surface_flow(rays_of(target), source.placed[None], 64)
    for name in ("depth", "head", "flow"):
        assert torch.equal(getattr(made.surfaces, name), getattr(surfaces, name))
    assert torch.equal(made.source_foreground, source.foreground)
    assert torch.equal(made.source_depth, source.depth)
    depths = VolumeGrid(slices=4).depths()
    here, there = (window[POSE, 13][None] for window in (made.source_window, made.driving_window))
    truth, expected = made.volume_truth(depths), volume_truth(surfaces, here, there, depths)
    assert torch.equal(truth.flow, expected.flow)
    assert truth.flow.shape == (1, 3, 4, 32, 32)


@pytest.mark.parametrize("seed", [1, 6])
def test_an_expression_pair_differs_in_the_expression_alone(seed):
    made, plain = make_expression_pair(seed, 32), make_pair(seed, 32)
    start, end = (window[:, 13] for window in (made.source_window, made.driving_window))
    assert torch.equal(start[POSE], end[POSE])
    assert torch.equal(end[:64], plain.driving_window[:64, 13])  # the expression that the self-ID pair has
    assert (start[:64] - end[:64]).abs().max() > 0.1
    assert torch.equal(made.source, plain.source)
    assert torch.equal(made.background, plain.background)
    assert made.yaw_difference == 0
    assert not torch.equal(made.target, made.source)
    again = person_of(seed).render(Coefficients(end[None]), 32)
    assert torch.equal(again.image, made.target)
    truth = made.volume_truth(VolumeGrid(slices=4).depths())
    assert truth.rigid.abs().max() < MORPHABLE["pixels"][0]
    assert truth.flow.abs().max() > 0.1
    body = (made.labels == PARTS["clothing"]) | (made.labels == PARTS["neck"])
    assert body.any()
    assert (made.flow[:2, body[0]].abs() < MORPHABLE["pixels"][0]).all()  # what is below the head stays


def test_bad_seeds_and_sizes_of_an_expression_pair_are_named(no_shape_checks):
    with pytest.raises(ValueError, match="seed: expected 0 or more, got -1"):
        make_expression_pair(-1)
    with pytest.raises(ValueError, match="size: expected a power of two"):
        make_expression_pair(1, 33)


@pytest.mark.parametrize("seed", [0, 5, 490_000, BLOCK - 1, BLOCK, BLOCK + 600_000, 2 * BLOCK - 1])
def test_a_driver_is_another_person_of_the_same_block(seed):
    assert driver_of(seed) != seed
    assert driver_of(seed) // BLOCK == seed // BLOCK


@pytest.mark.parametrize("start", [0, BLOCK])
def test_pairs_turn_the_head_by_15_to_25_degrees_and_often_by_more_than_35(start):
    turned = []
    for seed in range(start, start + 300):
        yaw = talking_head(CLIP_FRAMES, seed)["yaw"]
        first, second = two_frames(seed, yaw)
        turned.append(math.degrees(abs(yaw[first] - yaw[second])))
    assert 15 <= np.median(turned) <= 25
    assert np.mean(np.array(turned) > 35) >= 0.10
    assert np.mean(np.array(turned) < 5) >= 0.02  # and sometimes hardly at all


@pytest.mark.usefixtures("no_shape_checks")
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((-1,), ValueError, "seed: expected 0 or more, got -1"),
        ((1.0,), TypeError, "seed: expected an integer, got 1.0"),
        (("1",), TypeError, "seed: expected an integer, got '1'"),
        ((True,), TypeError, "seed: expected an integer, got True"),
        ((1, 100), ValueError, "size: expected a power of two from 16 to 2048, got 100"),
        ((1, 64.0), TypeError, "size: expected an integer, got 64.0"),
        ((1, 64, 1), TypeError, "cross: expected True or False, got 1"),
    ],
)
def test_bad_input_is_named(arguments, error, message):
    with pytest.raises(error, match=message):
        make_pair(*arguments)


def test_a_seen_point_is_the_person_s_and_shown_by_both_frames():
    visible = torch.tensor([[[1.0, 1.0, 0.0, 0.0, 0.6]]])
    alpha = torch.tensor([[[1.0, 0.5, 1.0, 0.0, 0.6]]])
    assert seen_person(visible, alpha).tolist() == [[True, False, False, False, True]]
    assert seen_person(visible[None], alpha[None]).shape == (1, 1, 5)
