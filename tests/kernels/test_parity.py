"""Every fast path against the reference, outputs and every gradient; and proof that these comparisons can fail.

Tests: fast_warp, fast_adain, _layout.
"""

import itertools

import pytest
import torch

pytest.importorskip("hypothesis", reason="a bare GPU server may lack it")
from hypothesis import given, settings
from hypothesis import strategies as st

from flow3d_kernels import adain3d, use_backend, warp3d

pytestmark = pytest.mark.usefixtures("fast")
LAYOUTS = ("contiguous", "channels-last")
PADDINGS = ("border", "zeros")
WARP_NAMES = ("out", "volume", "flow", "mask")
ADAIN_NAMES = ("out", "x", "gamma", "beta", "residual")
sizes = st.integers(1, 7)


@pytest.fixture(scope="session")
def assert_parity(with_gradients, assert_close):
    """Compare the backend in use with the reference: values, gradients, dtype and memory layout."""

    def check(function, tensors, names, tolerance):
        got = with_gradients(function, *tensors)
        with use_backend("reference"):
            expected = with_gradients(function, *tensors)
        for name, a, b in zip(names, got, expected, strict=False):
            assert a.dtype == b.dtype, name
            assert_close(a, b, tolerance, name)
        assert got[0].is_contiguous(memory_format=layout_of(tensors[0]))

    return check


def layout_of(tensor):
    channels_last = tensor.shape[1] > 1 and tensor.stride(1) == 1
    return torch.channels_last_3d if channels_last else torch.contiguous_format


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 6), sizes, sizes, sizes),
    layout=st.sampled_from(LAYOUTS),
    padding=st.sampled_from(PADDINGS),
    masked=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_warp3d_of_any_shape(shape, layout, padding, masked, seed, draw, draw_flow, assert_parity):
    B, _, *space = shape
    tensors = [draw(shape, layout=layout, seed=seed), draw_flow((B, 3, *space), seed=seed + 1)]
    if masked:
        tensors.append(draw((B, 1, *space), seed=seed + 2))
    assert_parity(lambda *t: warp3d(*t, padding=padding), tensors, WARP_NAMES, "warp3d float64")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("shape", [(1, 5, 3, 9, 11), (2, 32, 4, 8, 8)], ids=str)
def test_warp3d_in_single_and_half_precision(layout, padding, dtype, shape, draw, draw_flow, assert_parity):
    B, _, *space = shape
    tensors = (
        draw(shape, dtype, layout),
        draw_flow((B, 3, *space), torch.float32),
        draw((B, 1, *space), torch.float32, seed=2),
    )
    assert_parity(lambda *t: warp3d(*t, padding=padding), tensors, WARP_NAMES, f"warp3d {str(dtype)[6:]} gradients")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("padding", PADDINGS)
def test_warp3d_keeps_its_accuracy_over_64_voxels(layout, padding, draw, assert_close):
    volume = draw((1, 4, 16, 64, 64), torch.float32, layout)
    flow = 1.5 * draw((1, 3, 16, 64, 64), torch.float32, seed=1)
    with use_backend("reference"):
        expected = warp3d(volume.double(), flow.double(), padding=padding)
    assert_close(warp3d(volume, flow, padding=padding), expected, f"warp3d 64 voxels, {layout}")


@pytest.mark.parametrize("padding", PADDINGS)
def test_warp3d_at_whole_positions_takes_the_same_cell(padding, draw, assert_parity):
    # Zero flow is where a zero-initialised flow network starts: its first gradient must not depend on the layout.
    for layout, size in (("channels-last", (3, 6, 7)), ("contiguous", (4, 8, 8))):
        volume = draw((2, 3, *size), layout=layout)
        for flow in (torch.zeros(2, 3, *size).double(), (2 * draw((2, 3, *size), seed=1)).round()):
            assert_parity(lambda *t: warp3d(*t, padding=padding), (volume, flow), WARP_NAMES, "warp3d float64")


def test_warp3d_of_views(draw, draw_flow, assert_parity):
    """Slices and transposes of either layout: not contiguous in any format."""
    flow = draw_flow((2, 3, 4, 6, 5))
    wide = draw((2, 8, 4, 6, 5), layout="channels-last")
    for volume in (
        wide[:, :3],
        draw((2, 3, 8, 6, 5))[:, :, ::2],
        draw((2, 3, 4, 5, 6)).transpose(3, 4),
        draw((1, 3, 4, 6, 5)).expand(2, 3, 4, 6, 5),
    ):
        assert_parity(warp3d, (volume, flow), WARP_NAMES, "warp3d float64")
        assert_parity(warp3d, (volume, flow.transpose(3, 4).contiguous().transpose(3, 4)), WARP_NAMES, "warp3d float64")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("padding", PADDINGS)
def test_warp3d_gradcheck(layout, padding, draw, draw_flow):
    shape = (1, 2, 2, 2, 3)
    tensors = (draw(shape, layout=layout), draw_flow((1, 3, 2, 2, 3)), draw((1, 1, 2, 2, 3), seed=2))
    leaves = [tensor.requires_grad_() for tensor in tensors]
    assert torch.autograd.gradcheck(lambda *t: warp3d(*t, padding=padding), leaves)
    with use_backend("reference"):
        assert torch.autograd.gradcheck(lambda *t: warp3d(*t, padding=padding), leaves, fast_mode=True)


@pytest.mark.parametrize("wanted", [0, 1, 2])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_warp3d_gives_each_gradient_alone(wanted, layout, draw, draw_flow):
    tensors = [draw((1, 2, 3, 4, 5), layout=layout), draw_flow((1, 3, 3, 4, 5)), draw((1, 1, 3, 4, 5), seed=2)]
    tensors[wanted].requires_grad_()
    warp3d(*tensors).sum().backward()
    assert [tensor.grad is not None for tensor in tensors] == [index == wanted for index in range(3)]


STYLES = {"per channel": 2, "per depth": 3, "full map": 5}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("negative_slope", [None, 0.0, 0.1])
@pytest.mark.parametrize("with_residual", [False, True])
@pytest.mark.parametrize(("gamma_axes", "beta_axes"), list(itertools.product(STYLES.values(), repeat=2)))
def test_adain3d_of_every_style(layout, negative_slope, with_residual, gamma_axes, beta_axes, draw, assert_parity):
    shape = (2, 5, 3, 4, 7)
    tensors = [draw(shape, layout=layout), draw(shape[:gamma_axes], seed=1), draw(shape[:beta_axes], seed=2)]
    if with_residual:
        tensors.append(draw(shape, seed=3))

    def restyle(x, gamma, beta, residual=None):
        return adain3d(x, gamma, beta, negative_slope=negative_slope, residual=residual)

    assert_parity(restyle, tensors, ADAIN_NAMES, "adain3d float64")


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 6), sizes, sizes, st.integers(2, 7)),
    layout=st.sampled_from(LAYOUTS),
    axes=st.sampled_from(tuple(STYLES.values())),
    seed=st.integers(0, 1000),
)
def test_adain3d_of_any_shape(shape, layout, axes, seed, draw, assert_parity):
    tensors = (
        draw(shape, layout=layout, seed=seed),
        draw(shape[:axes], seed=seed + 1),
        draw(shape[:axes], seed=seed + 2),
    )
    # eps of 0.1: two voxels drawn close together would otherwise make gradients of thousands.
    assert_parity(lambda *t: adain3d(*t, eps=0.1, negative_slope=0.1), tensors, ADAIN_NAMES, "adain3d float64")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("axes", STYLES.values(), ids=STYLES)
def test_adain3d_in_single_and_half_precision(layout, dtype, axes, draw, assert_parity):
    shape = (2, 8, 4, 9, 11)
    tensors = (draw(shape, dtype, layout), draw(shape[:axes], torch.float32, seed=1), draw(shape[:axes], dtype, seed=2))
    assert_parity(
        lambda *t: adain3d(*t, negative_slope=0.1), tensors, ADAIN_NAMES, f"adain3d {str(dtype)[6:]} gradients"
    )


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("axes", STYLES.values(), ids=STYLES)
@pytest.mark.parametrize("negative_slope", [None, 0.1])
def test_adain3d_gradcheck(layout, axes, negative_slope, draw):
    shape = (2, 2, 2, 2, 2)
    tensors = (draw(shape, layout=layout), draw(shape[:axes], seed=1), draw(shape[:axes], seed=2), draw(shape, seed=3))

    def restyle(x, gamma, beta, residual):
        return adain3d(x, gamma, beta, negative_slope=negative_slope, residual=residual)

    # The contiguous path is torch's own autograd: a random projection of the Jacobian is enough there.
    fast = layout == "contiguous"
    assert torch.autograd.gradcheck(restyle, [tensor.requires_grad_() for tensor in tensors], fast_mode=fast)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("axes", STYLES.values(), ids=STYLES)
def test_adain3d_keeps_its_accuracy_over_65536_voxels(layout, axes, draw, assert_close):
    shape = (1, 4, 16, 64, 64)
    x = draw(shape, torch.float32, layout)
    gamma, beta = (draw(shape[:axes], torch.float32, seed=seed) for seed in (1, 2))
    with use_backend("reference"):
        expected = adain3d(x.double(), gamma.double(), beta.double(), negative_slope=0.1)
    assert_close(adain3d(x, gamma, beta, negative_slope=0.1), expected, "adain3d 65536 voxels")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_adain3d_forgets_a_large_mean(layout, draw, assert_close):
    """A mean of a hundred deviations: E[x^2] - E[x]^2 would lose the variance, sums about the mean do not."""
    x = draw((1, 4, 8, 32, 32), torch.float32, layout)
    style = torch.zeros(1, 4)
    assert_close(adain3d(x + 100, style, style), adain3d(x.double(), style, style), "adain3d large mean")


PLANTED_WARP_BUGS = {
    "x and y swapped": lambda volume, flow, mask: warp3d(volume, flow[:, [1, 0, 2]], mask),
    "forward instead of backward": lambda volume, flow, mask: warp3d(volume, -flow, mask),
    "other padding": lambda volume, flow, mask: warp3d(volume, flow, mask, padding="zeros"),
    "mask forgotten": lambda volume, flow, mask: warp3d(volume, flow),
    "gradient of flow lost": lambda volume, flow, mask: warp3d(volume, flow.detach() + 0 * flow, mask),
    "a thousandth of a voxel": lambda volume, flow, mask: warp3d(volume, flow + 1e-3, mask),
}


@pytest.mark.parametrize("bug", PLANTED_WARP_BUGS)
def test_a_planted_warp_bug_is_caught(bug, draw, draw_flow, with_gradients, assert_close):
    tensors = (draw((1, 3, 4, 6, 5)), draw_flow((1, 3, 4, 6, 5), reach=1), draw((1, 1, 4, 6, 5), seed=2))
    with use_backend("reference"):
        expected = with_gradients(warp3d, *tensors)
    got = with_gradients(lambda *t: PLANTED_WARP_BUGS[bug](*t) + 0 * sum(tensor.sum() for tensor in t), *tensors)
    errors = torch.stack([(a - b).abs().max() for a, b in zip(got, expected, strict=True)])
    with pytest.raises(AssertionError, match="exceeds"):
        assert_close(errors, torch.zeros(4), "warp3d float32 gradients", bug)


PLANTED_ADAIN_BUGS = {
    "scale without the one": lambda x, gamma, beta, residual: adain3d(x, gamma - 1, beta, residual=residual),
    "activation forgotten": lambda x, gamma, beta, residual: adain3d(x, gamma, beta, residual=residual),
    "residual after the activation": lambda x, gamma, beta, residual: (
        adain3d(x, gamma, beta, negative_slope=0.1) + residual
    ),
    "statistics over the batch": lambda x, gamma, beta, residual: adain3d(
        x.flip(0), gamma, beta, negative_slope=0.1, residual=residual
    ),
}


@pytest.mark.parametrize("bug", PLANTED_ADAIN_BUGS)
def test_a_planted_adain_bug_is_caught(bug, draw, assert_close):
    shape = (2, 3, 2, 4, 5)
    tensors = (draw(shape), draw(shape[:2], seed=1), draw(shape[:2], seed=2), draw(shape, seed=3))
    with use_backend("reference"):
        expected = adain3d(*tensors[:3], negative_slope=0.1, residual=tensors[3])
    with pytest.raises(AssertionError, match="exceeds"):
        assert_close(PLANTED_ADAIN_BUGS[bug](*tensors), expected, "adain3d float32 gradients")
