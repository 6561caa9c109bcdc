"""A photograph re-posed: no change is no change, far away nothing moves, and the face goes where it is told."""

import pytest
import torch

from flow3d.morphable import Coefficients
from flow3d.preprocessing import ASTRONAUT_EXPRESSION, Portrait, astronaut, crop_portrait, fit_head
from tolerances import PHOTOGRAPH


@pytest.fixture(scope="module")
def portrait() -> Portrait:
    image, points = crop_portrait(*astronaut(), 128)
    return Portrait(image, fit_head(points, expression=ASTRONAUT_EXPRESSION))


def test_no_change_leaves_every_pixel(portrait):
    assert portrait.flow(portrait.coefficients()).abs().max() < PHOTOGRAPH["no change, flow"][0]
    assert (portrait.change() - portrait.image).abs().max() < PHOTOGRAPH["no change, colour"][0]


def test_the_depth_of_the_nose_is_the_smallest(portrait):
    depth = portrait.depth[0]
    y, x = divmod(int(depth.argmin()), depth.shape[1])
    _, points = crop_portrait(*astronaut(), 128)
    assert abs(x - points.nose_tip[0]) < 6
    assert abs(y - points.nose_tip[1]) < 6
    assert torch.isinf(depth[portrait.silhouette[0] == 0]).all()


def test_the_flow_ends_smoothly(portrait):
    flow = portrait.flow(portrait.coefficients(yaw=0.3))
    assert torch.isfinite(flow).all()
    assert flow[0].abs().max() > 5
    for edge in (flow[:2, :, 0], flow[:2, :, -1]):
        assert edge.abs().max() < 0.2 * flow[:2].abs().max()
    shown = portrait.fit.surface(portrait.coefficients(yaw=0.3), portrait.size).hit
    outside = ~shown[:, 1:] & ~shown[:, :-1]
    steps = (flow[0, :, 1:] - flow[0, :, :-1]).abs()
    assert steps[outside].quantile(0.99) < 1.0


def test_a_turn_to_the_right_moves_the_nose_to_the_right(portrait):
    flow = portrait.flow(portrait.coefficients(yaw=0.3))
    x, y = (round(v) for v in crop_portrait(*astronaut(), 128)[1].nose_tip)
    assert flow[0, y, x + 8] < -5  # backward: what is seen here came from the left


def test_an_expression_moves_its_own_place_only(portrait):
    flow = portrait.flow(portrait.coefficients(jaw_open=0.8)).norm(dim=0)
    _, points = crop_portrait(*astronaut(), 128)
    eyes = round((points.left_eye[1] + points.right_eye[1]) / 2)
    assert flow[:eyes].max() < 0.3
    assert flow[round(points.mouth_left[1]) :].max() > 4


def test_the_inside_of_an_opened_mouth_is_painted(portrait):
    with_paint, without = (portrait.change(jaw_open=1.0, paint_mouth=p) for p in (True, False))
    changed = (with_paint - without).abs().amax(0) > 0.1
    assert changed.sum() > 20
    assert with_paint[:, changed].mean() < without[:, changed].mean()  # a mouth is dark


def test_an_image_that_is_none_is_refused(portrait):
    with pytest.raises(ValueError, match="image: expected finite"):
        Portrait(torch.full((3, 16, 16), torch.nan), portrait.fit)
    with pytest.raises(ValueError, match="'yaw'"):
        portrait.change(yaww=0.1)


def test_a_driver_moves_the_photograph_frame_by_frame(portrait):
    still = portrait.fit.coefficients.replace(pitch=0.0, yaw=-0.2, roll=0.0).values
    moves = torch.cat([still, still, still])
    moves[1, 65] += 0.2  # yaw
    moves[2, 0] = 0.8  # jaw_open
    frames = list(portrait.drive(Coefficients(moves)))
    # the photograph's own expression, and no turn yet
    assert (frames[0] - portrait.image).abs().max() < PHOTOGRAPH["no change, colour"][0]
    torch.testing.assert_close(frames[1], portrait.change(yaw=0.2))
    torch.testing.assert_close(frames[2], portrait.change(jaw_open=0.8))
