"""Every measurement against a case computed by hand, and against a control that must come out bad."""

import math

import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from flow3d.datasets import make_pair
from flow3d.evaluation.scores.metrics import (
    affine_flow,
    bent_error,
    blur,
    end_point_error,
    gradient,
    mean_end_point_error,
    psnr,
    response,
    ssim,
    warp_image,
)
from tolerances import EVALUATION, MORPHABLE

LIMIT = EVALUATION["by hand"][0]
DECIBELS = EVALUATION["decibels"][0]
EVERYWHERE = torch.ones(6, 8, dtype=torch.bool)


def ramp(*shape: int) -> torch.Tensor:
    """Numbers that rise evenly from -1 to below 1."""
    count = int(torch.tensor(shape).prod())
    return 2 * torch.arange(float(count)).view(shape) / count - 1


def test_warping_by_a_whole_number_of_pixels_is_a_shift():
    image, flow = ramp(3, 6, 8), torch.zeros(3, 6, 8)
    limit = MORPHABLE["pixels"][0]
    torch.testing.assert_close(warp_image(image, flow), image, rtol=0, atol=limit)
    flow[0], flow[1], flow[2] = 2, -1, 5
    torch.testing.assert_close(warp_image(image, flow)[:, 1:, :6], image[:, :-1, 2:], rtol=0, atol=limit)


def test_an_affine_flow_is_found_again_and_a_bent_one_is_not():
    y, x = torch.meshgrid(torch.arange(6.0), torch.arange(8.0), indexing="ij")
    flow = torch.stack([0.1 * x - 0.2 * y + 3, 0.05 * x + 0.3 * y - 1, x * y])
    fitted = affine_flow(flow, EVERYWHERE & (x + y > 4))
    torch.testing.assert_close(fitted[:2], flow[:2], rtol=0, atol=MORPHABLE["pixels"][0])
    assert not fitted[2].any()
    flow[0] += x * x
    assert (affine_flow(flow, EVERYWHERE)[0] - flow[0]).abs().max() > 1


def test_an_affine_map_of_two_pixels_is_refused():
    where = torch.zeros(6, 8, dtype=torch.bool)
    where[0, :2] = True
    with pytest.raises(ValueError, match="where: expected at least 3 pixels, got 2"):
        affine_flow(torch.zeros(3, 6, 8), where)


def test_psnr_of_a_known_error():
    a = torch.full((3, 6, 8), -0.5)
    b = a + 0.2
    assert psnr(a, b) == psnr(a, b, EVERYWHERE) == pytest.approx(20.0, abs=DECIBELS)  # (2 / 0.2)^2 is 20 dB
    half = EVERYWHERE.clone()
    half[:, 4:] = False
    b[:, :, 4:] = 1.0  # outside `where`: it does not count
    assert psnr(a, b, half) == pytest.approx(20.0, abs=DECIBELS)


def test_psnr_is_symmetric_and_has_a_ceiling():
    a, b = ramp(3, 6, 8), ramp(3, 6, 8).flip(2)
    assert psnr(a, b, EVERYWHERE) == psnr(b, a, EVERYWHERE)
    assert psnr(a, a, EVERYWHERE) == pytest.approx(10 * math.log10(4e10), abs=DECIBELS)


def test_psnr_agrees_with_scikit_image():
    torch.manual_seed(0)
    a, b = torch.rand(2, 3, 16, 16) * 2 - 1
    expected = peak_signal_noise_ratio(a.numpy(), b.numpy(), data_range=2)
    assert psnr(a, b) == pytest.approx(expected, abs=EVALUATION["scikit-image"][0])


def test_ssim_of_two_even_pictures_is_its_luminance_term():
    dark, middle = torch.full((3, 16, 16), -0.5), torch.zeros(3, 16, 16)  # .25 and .5 of [0, 1]
    by_hand = (2 * 0.25 * 0.5 + 0.01**2) / (0.25**2 + 0.5**2 + 0.01**2)  # .2501 / .3126; structure and contrast are 1
    assert by_hand == pytest.approx(0.80006, abs=EVALUATION["four decimals"][0])
    assert ssim(dark, middle) == pytest.approx(by_hand, abs=EVALUATION["scikit-image"][0])
    on_the_wrong_scale = 0.02**2 / (0.5**2 + 0.02**2)  # means of -.5 and 0, with a range of 2
    assert ssim(dark, middle) > 100 * on_the_wrong_scale


def test_a_luminance_shift_costs_what_it_costs_on_the_scale_of_0_to_1():
    pair = make_pair(44, size=64)
    shifted = (pair.target + 0.2).clamp(-1, 1)
    unit = [(picture.double().numpy() + 1) / 2 for picture in (shifted, pair.target)]
    gaussian = {"channel_axis": 0, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    expected = structural_similarity(*unit, data_range=1, **gaussian)
    raw = structural_similarity(shifted.double().numpy(), pair.target.double().numpy(), data_range=2, **gaussian)
    limit = EVALUATION["scikit-image"][0]
    assert ssim(shifted, pair.target) == pytest.approx(expected, abs=limit)
    assert expected > raw + 0.05  # what version 0.1 reported


def test_ssim_of_one_window_by_hand():
    torch.manual_seed(0)
    a, b = (torch.rand(2, 3, 11, 11, dtype=torch.float64) * 2 - 1).float()  # one window fits, in the middle
    line = torch.exp(-0.5 * (torch.arange(-5.0, 6.0, dtype=torch.float64) / 1.5) ** 2)
    weight = torch.outer(line, line) / line.sum() ** 2
    values = []
    for x, y in zip((a.double() + 1) / 2, (b.double() + 1) / 2, strict=True):
        mean_x, mean_y = (weight * x).sum(), (weight * y).sum()
        var_x, var_y = ((weight * v * v).sum() - m * m for v, m in ((x, mean_x), (y, mean_y)))
        both = (weight * x * y).sum() - mean_x * mean_y
        light = (2 * mean_x * mean_y + 0.01**2) / (mean_x**2 + mean_y**2 + 0.01**2)
        values.append(float(light * (2 * both + 0.03**2) / (var_x + var_y + 0.03**2)))
    limit = EVALUATION["scikit-image"][0]
    assert ssim(a, b) == pytest.approx(sum(values) / 3, abs=limit)
    assert ssim(a, b) == ssim(b, a)
    assert ssim(a, a) == pytest.approx(1, abs=limit)
    with pytest.raises(ValueError, match="a: expected pictures of at least 11 px"):
        ssim(a[:, :10], b[:, :10])


def test_a_mismatched_answer_scores_lower():
    pairs = [make_pair(seed, size=32) for seed in (44, 45)]
    right, wrong = pairs[0].target, pairs[1].target
    soft = blur(right, 0.7)
    assert psnr(soft, right) > psnr(soft, wrong) + 3
    assert ssim(soft, right) > ssim(soft, wrong) + 0.3


def test_a_blur_spreads_a_point_as_a_gaussian_and_keeps_what_is_even():
    point = torch.zeros(1, 21, 21)
    point[0, 10, 10] = 1
    weights = [math.exp(-0.5 * (k / 1.5) ** 2) for k in range(-6, 7)]
    spread = blur(point, 1.5)
    assert float(spread.sum()) == pytest.approx(1, abs=LIMIT)
    assert float(spread[0, 10, 12]) == pytest.approx(weights[6] * weights[8] / sum(weights) ** 2, abs=LIMIT)
    assert torch.equal(spread, spread.transpose(1, 2))
    torch.testing.assert_close(blur(torch.full((3, 9, 9), 0.3), 2.0), torch.full((3, 9, 9), 0.3), rtol=0, atol=LIMIT)
    with pytest.raises(ValueError, match="sigma: expected a positive number"):
        blur(point, 0.0)


def test_the_gradient_of_a_plane_and_what_lies_beyond_the_region():
    y, x = torch.meshgrid(torch.arange(6.0), torch.arange(8.0), indexing="ij")
    plane = (0.03 * x + 0.04 * y).expand(3, 6, 8).clone()
    assert gradient(plane, EVERYWHERE) == pytest.approx(0.05, abs=LIMIT)
    left = x < 4
    plane[:, :, 4:] = 1.0  # a cliff at the region's edge
    assert gradient(plane, left) == pytest.approx(0.05, abs=LIMIT)
    assert gradient(plane, EVERYWHERE) > 0.1
    assert gradient(plane, torch.zeros_like(left)) == 0.0


def test_a_blurred_picture_is_less_sharp():
    pair = make_pair(44, size=32)
    face = pair.target_alpha[0] > 0.5
    assert gradient(blur(pair.target, 1.0), face) < 0.75 * gradient(pair.target, face)


def test_end_point_errors_are_summed_and_leave_depth_out():
    truth, flow = torch.zeros(3, 6, 8), torch.zeros(3, 6, 8)
    truth[0], truth[1], flow[0], flow[2] = 3, 4, 3, 7
    half = EVERYWHERE.clone()
    half[:, 4:] = False
    assert end_point_error(flow, truth, half) == pytest.approx((4 * 24, 5 * 24))
    assert end_point_error(truth, truth, half)[0] == 0
    assert end_point_error(flow[:2], truth, half) == end_point_error(flow, truth, half)


def test_a_mean_end_point_error_pools_the_pixels_of_all_pairs():
    truths, flows, where = torch.zeros(2, 3, 6, 8), torch.zeros(2, 2, 6, 8), torch.zeros(2, 6, 8, dtype=torch.bool)
    flows[0, 0], flows[1, 1] = 1, 5
    where[0, :3], where[1, 0, 0] = True, True
    assert mean_end_point_error(flows, truths, where) == pytest.approx((24 * 1 + 5) / 25)
    with pytest.raises(ValueError, match="where: expected at least one pixel"):
        mean_end_point_error(flows, truths, where & False)


def test_what_is_bent_counts_and_what_is_affine_does_not():
    y, x = torch.meshgrid(torch.arange(6.0), torch.arange(8.0), indexing="ij")
    affine, bump = torch.stack([0.1 * x + y, 2 - 0.3 * y, 0 * x]), torch.zeros(3, 6, 8)
    bump[0] = (x - 3.5) ** 2 - 5.25  # orthogonal to every affine map: 21 / 4 is the mean of the squares
    truth, where = affine + bump, EVERYWHERE & (x < 2)
    left = float(bump[0, where].abs().sum())

    def share(flow):
        error, rest = bent_error(flow, truth, EVERYWHERE, where)
        assert rest == pytest.approx(left, rel=LIMIT)
        return error / rest

    assert share(truth) == pytest.approx(0, abs=LIMIT)
    assert share(torch.zeros_like(truth)) == pytest.approx(1, rel=LIMIT)
    assert share(5 * affine) == pytest.approx(1, rel=LIMIT)
    assert share(2 * affine + 0.25 * bump) == pytest.approx(0.75, rel=LIMIT)
    assert share(affine - bump) == pytest.approx(2, rel=LIMIT)


def test_a_response_is_three_sums_over_its_region():
    change, truth = torch.zeros(3, 6, 8), torch.zeros(3, 6, 8)
    truth[:, :2], change[:, :2] = 2, -1
    change[:, 4:] = 100  # elsewhere
    where = EVERYWHERE.clone()
    where[3:] = False
    assert response(change, truth, where) == (3 * 16, 4 * 3 * 16, -2 * 3 * 16)
