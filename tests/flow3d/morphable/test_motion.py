"""Motion is seeded, bounded, causal in its length, and turns the head as much as pairs need."""

import math

import numpy as np
import pytest
import torch

from flow3d.morphable import EXPRESSIONS, Coefficients, making_faces, talking_head
from flow3d.morphable.coefficients import index
from flow3d.morphable.motion import FACES, MAX_YAW


def test_a_seed_is_one_motion():
    assert torch.equal(talking_head(60, seed=5).values, talking_head(60, seed=5).values)
    assert not torch.equal(talking_head(60, seed=5).values, talking_head(60, seed=6).values)
    assert torch.equal(talking_head(60, seed=np.int64(5)).values, talking_head(60, seed=5).values)


@pytest.mark.parametrize("frames", [1, 2, 13, 50, 99, 161])
def test_more_frames_continue_fewer(frames):
    for seed in range(8):
        assert torch.equal(talking_head(frames, seed).values, talking_head(200, seed).values[:frames])


@pytest.mark.parametrize("seed", range(12))
def test_every_coefficient_stays_within_its_limits(seed):
    motion = talking_head(200, seed)
    assert isinstance(motion, Coefficients)
    assert motion["yaw"].abs().max() <= MAX_YAW
    assert motion["pitch"].abs().max() < 0.4
    assert motion["roll"].abs().max() < 0.3
    assert motion.translation.abs().max() < 0.4
    assert 0.96 <= motion["crop_scale"].min() <= motion["crop_scale"].max() <= 1.04
    for name in ("blink_left", "blink_right"):
        assert 0 <= motion[name].min() <= motion[name].max() <= 1
    for name in ("gaze_x", "gaze_y"):
        assert motion[name].abs().max() <= 1
    for name in set(EXPRESSIONS) - {"gaze_x", "gaze_y", "jaw_side", "mouth_side"}:
        assert 0 <= motion[name].min() <= motion[name].max() <= 1.1


def test_it_moves_smoothly_and_uses_every_expression():
    used = torch.zeros(64)
    for seed in range(20):
        motion = talking_head(150, seed)
        assert motion["yaw"].diff().abs().max() < math.radians(8)
        used = used.maximum(motion.expression.abs().amax(0))
    assert (used > 0.05).all()


def test_eyes_close_now_and_then_and_stay_open_mostly():
    closed = torch.cat([talking_head(250, seed)["blink_right"] for seed in range(20)])
    assert 0.05 < (closed > 0.9).float().mean() < 0.35
    assert (closed == 0).float().mean() > 0.4


@pytest.mark.usefixtures("no_shape_checks")
@pytest.mark.parametrize(
    ("frames", "seed", "error", "message"),
    [
        (0, 1, ValueError, "frames: expected 1 or more, got 0"),
        (2.5, 1, TypeError, "frames: expected an integer, got 2.5"),
        (10, -1, ValueError, "seed: expected 0 or more, got -1"),
        (10, "one", TypeError, "seed: expected an integer, got 'one'"),
    ],
)
def test_bad_input_is_named(frames, seed, error, message):
    with pytest.raises(error, match=message):
        talking_head(frames, seed)


@pytest.mark.parametrize("seed", range(6))
def test_faces_are_broad_and_the_head_keeps_still(seed):
    made = making_faces(120, seed)
    assert torch.equal(made.values, making_faces(120, seed).values)
    assert np.ptp(made.values[:, index("yaw")].numpy()) < 0.25  # 0.08 times a track of size 1.5 at most, both ways
    bounds = {name: (least, most) for names, least, most, _ in FACES for name in names}
    for name, (least, most) in bounds.items():
        track = made.values[:, index(name)]
        assert least <= float(track.min())
        assert float(track.max()) <= most
    assert float(made.values.diff(dim=0)[:, :20].abs().max()) < 0.9  # a face takes at least two frames to make


def test_faces_go_further_than_talk():
    columns = [index(name) for name in ("smile", "pucker", "brow_up")]
    spread = [
        np.mean([np.ptp(motion(60, s).values[:, columns].numpy(), axis=0) for s in range(40)], axis=0)
        for motion in (making_faces, talking_head)
    ]
    assert (spread[0] > 1.2 * spread[1]).all(), spread


@pytest.mark.parametrize("frames", [0, -3])
def test_faces_name_bad_input(frames):
    with pytest.raises(ValueError, match="frames: expected"):
        making_faces(frames, 0)
