"""The kernels on a real card: forward and every gradient against the float64 reference, and the card's own checker.

Tests: operations, launch, warp_op, adain_op, bench.launches.
"""

import pathlib
import shutil
import subprocess
import sys

import pytest
import torch

import launches as small
from flow3d_kernels import adain3d, backend, warp3d
from tolerances import KERNELS

LAYOUTS = ("contiguous", "channels-last")
PADDINGS = ("border", "zeros")
SHAPES = ((2, 5, 3, 6, 7), (1, 33, 5, 17, 19), (3, 4, 1, 1, 9))
WARP_NAMES = ("out", "volume", "flow", "mask")
ADAIN_NAMES = ("out", "x", "gamma", "beta", "residual")
dtypes = pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16], ids=str)
pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("outputs_begin_as_nan")]


def test_triton_works_on_this_card():
    assert backend(torch.zeros(1, device="cuda")).name == "triton", backend(torch.zeros(1, device="cuda")).reason


@dtypes
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("deterministic", [False, True])
@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: "x".join(map(str, s)))
def test_warp3d(dtype, layout, padding, deterministic, shape, draw, draw_flow, assert_kernel_parity, with_gradients):
    B, _, *space = shape
    positions = torch.promote_types(dtype, torch.float32)
    flow = draw_flow((B, 3, *space), positions)
    flow[0, 1, 0, 0, 0], flow[0, 0, -1, -1, -1] = torch.nan, torch.inf
    tensors = [each.cuda() for each in (draw(shape, dtype, layout), flow, draw((B, 1, *space), positions, seed=2))]

    def warp(*tensors):
        return warp3d(*tensors, padding=padding, deterministic=deterministic)

    kernels = ["warp3d_forward", "warp3d_backward", *["warp3d_cells", "warp3d_gather"][: 2 * deterministic]]
    got = assert_kernel_parity(warp, tensors, WARP_NAMES, f"GPU warp3d {str(dtype)[6:]}", kernels)
    for result, tensor in zip(got, (tensors[0], *tensors), strict=True):
        assert result.stride() == tensor.stride()
    if deterministic:
        assert all(torch.equal(a, b) for a, b in zip(got, with_gradients(warp, *tensors), strict=True))


@dtypes
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("gamma_axes", "beta_axes"), [(2, 2), (2, 3), (3, 5), (5, 2), (5, 5)])
@pytest.mark.parametrize("shape", [*SHAPES, (1, 3, 9, 65, 67)], ids=lambda s: "x".join(map(str, s)))
def test_adain3d(dtype, layout, gamma_axes, beta_axes, shape, draw, assert_kernel_parity, monkeypatch):
    from flow3d_kernels.triton_kernels import adain_op

    gamma = draw(shape[:gamma_axes], torch.promote_types(dtype, torch.float32), seed=1)
    beta, residual = draw(shape[:beta_axes], dtype, seed=2), draw(shape, dtype, seed=3)
    tensors = [each.cuda() for each in (draw(shape, dtype, layout), gamma, beta, residual)]

    def restyle(x, gamma, beta, residual):
        return adain3d(x, gamma, beta, eps=0.1, negative_slope=0.1, residual=residual)

    whole = ["adain3d_forward", "adain3d_backward"]
    parts = [*whole, "adain3d_moments", "adain3d_join", "adain3d_gradient_sums"]
    for busy, kernels in ((1, whole), (10**6, parts if shape[-1] > 60 else None)):
        if kernels is not None:
            monkeypatch.setattr(adain_op, "processors", lambda device, busy=busy: busy)
            assert_kernel_parity(restyle, tensors, ADAIN_NAMES, f"GPU adain3d {str(dtype)[6:]}", kernels)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_paper_volume(layout, draw, draw_flow):
    volume = draw((2, 32, 16, 64, 64), torch.float32, layout).cuda()
    flow = (0.5 * draw_flow((2, 3, 16, 64, 64), torch.float64)).float().cuda()
    out = warp3d(volume, flow)
    limit = KERNELS["GPU warp3d at the paper's size"][0]
    assert (out - warp3d(volume.double(), flow.double())).abs().max() < limit
    style = draw((2, 32), torch.float32).cuda()
    exact = adain3d(volume.double(), style.double(), style.double())
    assert (adain3d(volume, style, style) - exact).abs().max() < KERNELS["GPU adain3d at the paper's size"][0]


def test_a_captured_graph_replays(draw, draw_flow):
    volume, flow = (
        draw((1, 8, 4, 9, 11), torch.float32, "channels-last").cuda(),
        draw_flow((1, 3, 4, 9, 11)).float().cuda(),
    )
    style = torch.zeros(1, 8, device="cuda")

    def block():
        return adain3d(warp3d(volume, flow), style, style, negative_slope=0.1)

    expected = block()  # compiles what the capture may not
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        out = block()
    graph.replay()
    assert torch.equal(out, expected)


def test_a_compiled_block_is_one_graph(draw, draw_flow, no_shape_checks):
    volume, flow = draw((1, 8, 4, 9, 11), torch.float32).cuda(), draw_flow((1, 3, 4, 9, 11)).float().cuda()
    style = torch.zeros(1, 8, device="cuda")
    block = lambda v, f: adain3d(warp3d(v, f), style, style) * 2  # noqa: E731
    compiled = torch.compile(block, fullgraph=True)
    limit = KERNELS["GPU compiled block"][0]
    torch.testing.assert_close(compiled(volume, flow), block(volume, flow), rtol=0, atol=limit)


@pytest.mark.parametrize("tool", ["memcheck", "racecheck"])
def test_the_cards_checker_finds_nothing(tool):
    """compute-sanitizer watches every access of a few small launches."""
    sanitizer = shutil.which("compute-sanitizer")
    if sanitizer is None:
        pytest.skip("compute-sanitizer is not installed")
    command = [sanitizer, "--tool", tool, "--error-exitcode", "9", sys.executable, small.__file__]
    done = subprocess.run(command, capture_output=True, text=True, cwd=pathlib.Path(__file__).parents[2], check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
