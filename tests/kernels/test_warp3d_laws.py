"""warp3d against answers that owe nothing to the package: hand computation, plain loops, F.grid_sample, symmetry.

Tests: reference, fast_warp.
"""

import itertools
import math
import os

import pytest
import torch
import torch.nn.functional as F

from flow3d_kernels import use_backend, warp3d

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"  # test_interpreter.py runs these too
BACKENDS = ("triton",) if INTERPRETED else ("reference", "torch", "cpp")
LAYOUTS = ("contiguous", "channels-last")
PADDINGS = ("border", "zeros")
everywhere = pytest.mark.parametrize(("backend", "layout"), list(itertools.product(BACKENDS, LAYOUTS)))


@everywhere
def test_known_answer(backend, layout, lay):
    # Two channels, so that channels-last is a layout of its own; the second is minus the first.
    volume = torch.arange(8.0).view(1, 1, 2, 2, 2)  # value = 4 z + 2 y + x
    volume = lay(torch.cat([volume, -volume], dim=1), layout)
    flow = torch.zeros(1, 3, 2, 2, 2)
    flow[0, :, 0, 0, 0] = torch.tensor([0.5, 0.25, 0.75])  # 4 * 0.75 + 2 * 0.25 + 0.5 = 4
    flow[0, :, 1, 1, 1] = torch.tensor([0.5, -0.5, 0.0])  # x leaves by half a voxel, y steps back by half
    with use_backend(backend):
        border, zeros = (warp3d(volume, flow, padding=padding)[0] for padding in PADDINGS)
    assert border[:, 0, 0, 0].tolist() == [4.0, -4.0]
    assert border[:, 1, 1, 1].tolist() == [6.0, -6.0]  # x held at 1, y = 0.5, z = 1
    assert zeros[:, 1, 1, 1].tolist() == [3.0, -3.0]  # half of it lies outside
    assert torch.equal(border[:, 0, 1], volume[0, :, 0, 1])


def loop_warp(volume, flow, padding):
    """out[p] = sum over every voxel q of volume[q] * hat(p + flow(p) - q), in plain Python."""
    B, C, D, H, W = volume.shape
    out = torch.zeros_like(volume)
    for b, k, j, i in itertools.product(range(B), range(D), range(H), range(W)):
        place = [p + d for p, d in zip((i, j, k), flow[b, :, k, j, i].tolist(), strict=True)]
        if any(math.isnan(value) for value in place):
            continue
        if padding == "border":
            place = [min(max(value, 0), size - 1) for value, size in zip(place, (W, H, D), strict=True)]
        for c, z, y, x in itertools.product(range(C), range(D), range(H), range(W)):
            weight = math.prod(max(0.0, 1 - abs(value - q)) for value, q in zip(place, (x, y, z), strict=True))
            out[b, c, k, j, i] += weight * volume[b, c, z, y, x]
    return out


@everywhere
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("shape", [(1, 2, 2, 3, 4), (2, 2, 1, 3, 2)])
def test_equals_a_plain_loop(backend, layout, padding, shape, draw, assert_close):
    volume, flow = draw(shape, layout=layout), 1.5 * draw((shape[0], 3, *shape[2:]), seed=1)
    flow[0, 1, 0, 1, 1] = math.nan
    flow[0, 2, 0, 0, 1] = math.inf
    flow[0, 0, 0, 2, 0] = -math.inf
    with use_backend(backend):
        assert_close(warp3d(volume, flow, padding=padding), loop_warp(volume, flow, padding), "warp3d float64")


@everywhere
@pytest.mark.parametrize("padding", PADDINGS)
def test_equals_grid_sample(backend, layout, padding, draw, draw_flow, with_gradients, assert_close):
    B, C, D, H, W = shape = (2, 3, 4, 5, 7)
    volume, flow = draw(shape, layout=layout), draw_flow((B, 3, D, H, W))

    def by_grid_sample(volume, flow):
        identity = torch.eye(3, 4, dtype=flow.dtype).expand(B, 3, 4)
        grid = F.affine_grid(identity, [B, C, D, H, W], align_corners=True)
        grid = grid + flow.movedim(1, -1) * torch.tensor([2 / (W - 1), 2 / (H - 1), 2 / (D - 1)], dtype=flow.dtype)
        return F.grid_sample(volume, grid, padding_mode=padding, align_corners=True)

    with use_backend(backend):
        got = with_gradients(lambda volume, flow: warp3d(volume, flow, padding=padding), volume, flow)
    for name, a, b in zip(("out", "volume", "flow"), got, with_gradients(by_grid_sample, volume, flow), strict=True):
        assert_close(a, b, "warp3d float64", name)


@everywhere
def test_whole_shift_is_a_roll_inside_the_border(backend, layout, draw, assert_close):
    volume = draw((1, 3, 4, 5, 6), layout=layout)
    flow = torch.tensor([2.0, -1.0, 1.0]).view(1, 3, 1, 1, 1).expand(1, 3, 4, 5, 6)
    with use_backend(backend):
        out = warp3d(volume, flow)
    rolled = torch.roll(volume, shifts=(-1, 1, -2), dims=(2, 3, 4))  # +x flow reads from the right
    assert_close(out[..., :3, 1:, :4], rolled[..., :3, 1:, :4], "warp3d float64")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("shape", [(2, 5, 3, 6, 7), (1, 2, 1, 1, 9), (1, 32, 16, 8, 8)])
def test_zero_flow_is_the_identity_to_the_bit_channels_last(dtype, padding, shape, draw):
    volume = draw(shape, dtype, "channels-last")
    out = warp3d(volume, torch.zeros(shape[0], 3, *shape[2:]), padding=padding)
    assert torch.equal(out, volume)
    assert out.dtype == dtype
    assert out.stride() == volume.stride()


def test_zero_flow_is_the_identity_to_the_bit_for_contiguous_powers_of_two(draw):
    volume = draw((2, 3, 4, 8, 16), torch.float32)
    assert torch.equal(warp3d(volume, torch.zeros(2, 3, 4, 8, 16)), volume)


@pytest.mark.parametrize("size", [(1, 1, 1), (1, 1, 5), (1, 4, 1), (3, 1, 1), (1, 4, 5)], ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("padding", PADDINGS)
def test_an_axis_of_size_one_reads_its_only_voxel_or_the_padding(size, layout, padding, draw, assert_close):
    volume = draw((1, 2, *size), torch.float32, layout)
    flow = torch.zeros(1, 3, *size)
    flow[:, 2 - size.index(1)] = 0.25  # off the only voxel of a flat axis by a quarter
    expected = volume if padding == "border" else 0.75 * volume
    assert_close(warp3d(volume, flow, padding=padding), expected, "warp3d float32")


@everywhere
@pytest.mark.parametrize("mask", [None, torch.ones(1, 1, 3, 4, 5)], ids=["no mask", "mask"])
def test_nan_and_infinity(backend, layout, mask, draw, with_gradients):
    volume, flow = draw((1, 2, 3, 4, 5), torch.float32, layout), torch.zeros(1, 3, 3, 4, 5)
    flow[0, 1, 0, 0, 0] = math.nan
    flow[0, 0, 1, 1, 1] = math.inf
    flow[0, 0, 1, 2, 1] = -math.inf
    flow[0, 2, 2, 2, 2] = 3e38
    nan, infinite = (0, 0, 0), (1, 1, 1)
    for padding in PADDINGS:
        with use_backend(backend):
            out, volume_gradient, flow_gradient = with_gradients(
                lambda volume, flow, padding=padding: warp3d(volume, flow, mask, padding=padding), volume, flow
            )
        assert out.isfinite().all()
        assert volume_gradient.isfinite().all()
        assert flow_gradient.isfinite().all()
        assert out[(0, slice(None), *nan)].tolist() == [0, 0]
        assert flow_gradient[(0, slice(None), *nan)].tolist() == [0, 0, 0]
        assert flow_gradient[(0, 0, *infinite)] == 0
        expected = volume if padding == "border" else torch.zeros_like(volume)
        torch.testing.assert_close(out[0, :, 1, 1, 1], expected[0, :, 1, 1, 4])
        torch.testing.assert_close(out[0, :, 1, 2, 1], expected[0, :, 1, 2, 0])
        torch.testing.assert_close(out[0, :, 2, 2, 2], expected[0, :, 2, 2, 2])


@everywhere
def test_mask_multiplies(backend, layout, draw, draw_flow, assert_close):
    volume, flow = draw((2, 3, 4, 5, 6), layout=layout), draw_flow((2, 3, 4, 5, 6))
    mask = draw((2, 1, 4, 5, 6), seed=3).sigmoid()
    with use_backend(backend):
        for padding in PADDINGS:
            masked = warp3d(volume, flow, mask, padding=padding)
            assert_close(masked, warp3d(volume, flow, padding=padding) * mask, "warp3d float64")
