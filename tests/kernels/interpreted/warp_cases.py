"""warp3d's kernels: values and every gradient, with and without atomics.

Tests: warp_op, warp_forward, warp_backward, warp_gather, warp_parts, tiles.
"""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flow3d_kernels import warp3d
from flow3d_kernels.triton_kernels.tiles import tiles_of

LAYOUTS = ("contiguous", "channels-last")
PADDINGS = ("border", "zeros")
NAMES = ("out", "volume", "flow", "mask")
ATOMIC = ("warp3d_forward", "warp3d_backward")
GATHERED = (*ATOMIC, "warp3d_cells", "warp3d_gather")
sizes = st.integers(1, 5)


DTYPES = (torch.float64, torch.float32, torch.float16, torch.bfloat16)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize(
    ("deterministic", "dtype"), [*((False, dtype) for dtype in DTYPES), (True, torch.float32), (True, torch.bfloat16)]
)
def test_warp3d(layout, padding, deterministic, dtype, draw, draw_flow, assert_parity):
    shape = (2, 5, 3, 6, 7)
    positions = torch.promote_types(dtype, torch.float32)
    tensors = (
        draw(shape, dtype, layout),
        draw_flow((2, 3, 3, 6, 7), positions).contiguous(memory_format=torch.channels_last_3d),
        draw((2, 1, 3, 6, 7), positions, seed=2),
    )
    got = assert_parity(
        lambda *t: warp3d(*t, padding=padding, deterministic=deterministic),
        tensors,
        NAMES,
        f"interpreted warp3d {str(dtype)[6:]}",
        GATHERED if deterministic else ATOMIC,
    )
    for result, tensor in zip(got, (tensors[0], *tensors), strict=True):
        assert result.stride() == tensor.stride()


@settings(max_examples=10, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 6), sizes, sizes, sizes),
    layout=st.sampled_from(LAYOUTS),
    padding=st.sampled_from(PADDINGS),
    masked=st.booleans(),
    deterministic=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_warp3d_of_any_shape(shape, layout, padding, masked, deterministic, seed, draw, draw_flow, assert_parity):
    B, _, *space = shape
    tensors = [draw(shape, layout=layout, seed=seed), draw_flow((B, 3, *space), reach=seed % 9, seed=seed + 1)]
    if masked:
        tensors.append(draw((B, 1, *space), seed=seed + 2))

    def warp(*tensors):
        return warp3d(*tensors, padding=padding, deterministic=deterministic)

    names = NAMES[: len(tensors) + 1]
    assert_parity(warp, tensors, names, "interpreted warp3d float64", GATHERED if deterministic else ATOMIC)


@pytest.mark.parametrize(("layout", "channels"), [("contiguous", 6), ("channels-last", 40)])
@pytest.mark.parametrize("architecture", ["sm_80", "gfx942"])
def test_warp3d_in_the_tiles_of_a_card(layout, channels, architecture, draw, draw_flow, assert_parity):
    """More channels and more voxels than one step takes, neither a multiple of it."""
    tensors = (draw((1, channels, 2, 5, 7), layout=layout), draw_flow((1, 3, 2, 5, 7)), draw((1, 1, 2, 5, 7), seed=2))
    with tiles_of(architecture):
        assert_parity(warp3d, tensors, NAMES, "interpreted warp3d float64", ATOMIC)


@pytest.mark.parametrize("deterministic", [False, True])
def test_warp3d_far_outside_and_nowhere(deterministic, draw, draw_flow, assert_parity, with_gradients):
    volume, flow = draw((1, 3, 3, 4, 5)), draw_flow((1, 3, 3, 4, 5))
    flow[0, 0, 0, 0] += 1e6
    flow[0, 1, 1, 1] -= 1e12
    flow[0, 2, 2, 2] = torch.inf
    flow[0, 1, 0, 3] = -torch.inf
    flow[0, 0, 1, 3] = torch.nan
    for padding in PADDINGS:

        def warp(*tensors, padding=padding):
            return warp3d(*tensors, padding=padding, deterministic=deterministic)

        kernels = GATHERED if deterministic else ATOMIC
        for layout in (torch.contiguous_format, torch.channels_last_3d):
            tensors = (volume.contiguous(memory_format=layout), flow)
            assert_parity(warp, tensors, NAMES[:3], "interpreted warp3d float64", kernels)


def test_warp3d_at_whole_positions(draw, assert_parity):
    volume = draw((2, 3, 3, 6, 7), layout="channels-last")
    for flow in (torch.zeros(2, 3, 3, 6, 7).double(), (2 * draw((2, 3, 3, 6, 7), seed=1)).round()):
        for padding in PADDINGS:
            warp = lambda *t, padding=padding: warp3d(*t, padding=padding)  # noqa: E731
            assert_parity(warp, (volume, flow), NAMES[:3], "interpreted warp3d float64", ATOMIC)


def test_warp3d_of_views(draw, draw_flow, assert_parity):
    flow, wide = draw_flow((2, 3, 4, 6, 5)), draw((2, 8, 4, 6, 5), layout="channels-last")
    for volume in (wide[:, :3], draw((2, 3, 8, 6, 5))[:, :, ::2], draw((1, 3, 4, 6, 5)).expand(2, 3, 4, 6, 5)):
        turned = flow.transpose(3, 4).contiguous().transpose(3, 4)
        assert_parity(warp3d, (volume, turned), NAMES[:3], "interpreted warp3d float64", ATOMIC)


@pytest.mark.parametrize("wanted", [0, 1, 2])
@pytest.mark.parametrize("deterministic", [False, True])
def test_warp3d_gives_each_gradient_alone(wanted, deterministic, draw, draw_flow):
    tensors = [draw((1, 2, 3, 4, 5)), draw_flow((1, 3, 3, 4, 5)), draw((1, 1, 3, 4, 5), seed=2)]
    everything = [tensor.clone().requires_grad_() for tensor in tensors]
    warp3d(*everything, deterministic=deterministic).sum().backward()
    tensors[wanted].requires_grad_()
    warp3d(*tensors, deterministic=deterministic).sum().backward()
    assert [tensor.grad is not None for tensor in tensors] == [index == wanted for index in range(3)]
    assert torch.equal(tensors[wanted].grad, everything[wanted].grad)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("padding", PADDINGS)
def test_warp3d_gradcheck(layout, padding, draw, draw_flow):
    shape = (1, 2, 2, 3, 2)
    tensors = (draw(shape, layout=layout), draw_flow((1, 3, 2, 3, 2)), draw((1, 1, 2, 3, 2), seed=2))
    leaves = [tensor.requires_grad_() for tensor in tensors]
    assert torch.autograd.gradcheck(lambda *t: warp3d(*t, padding=padding), leaves, fast_mode=True)


def test_who_asks_for_repeatable_gradients_gets_no_atomics(monkeypatch, draw, draw_flow):
    from flow3d_kernels.triton_kernels import warp_op

    scattered = []
    launch = warp_op.launch
    monkeypatch.setattr(
        warp_op, "launch", lambda *a, **options: scattered.append(options.get("SCATTER")) or launch(*a, **options)
    )
    volume, flow = draw((1, 2, 3, 4, 5)).requires_grad_(), draw_flow((1, 3, 3, 4, 5))
    try:
        torch.use_deterministic_algorithms(True)
        warp3d(volume, flow).sum().backward()
        warp3d(volume, flow, deterministic=False).sum().backward()
    finally:
        torch.use_deterministic_algorithms(False)
    assert scattered == [None, None, None, None, True]  # forward, cells, gather; forward, backward
