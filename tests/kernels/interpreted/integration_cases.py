"""The kernels as operations: opcheck, torch.compile, autocast; what they refuse; offsets beyond 2^31.

Tests: warp_op, adain_op, launch, bench.launches.
"""

from typing import Any

import numpy
import pytest
import torch
from triton import language
from triton.runtime import interpreter

import launches as small
from flow3d_kernels import adain3d, use_backend, warp3d
from flow3d_kernels.triton_kernels import adain_op, warp_forward, warp_op
from flow3d_kernels.triton_kernels.launch import index_of, launches, recorded

LAYOUTS = ("contiguous", "channels-last")
SHAPE = (2, 3, 2, 3, 4)


@pytest.fixture
def leaf(draw):
    return lambda *shape, layout="contiguous": draw(shape, torch.float32, layout).requires_grad_()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("deterministic", [False, True])
def test_opcheck_of_the_warp(layout, deterministic, leaf, draw_flow, lay):
    volume, mask = leaf(*SHAPE, layout=layout), leaf(2, 1, 2, 3, 4)
    flow = lay(draw_flow((2, 3, 2, 3, 4), torch.float32, reach=0), "channels-last").requires_grad_()
    optional = None if deterministic else mask
    torch.library.opcheck(warp_op.warp3d_op, (volume, flow, optional, not deterministic, deterministic))
    tensors = [tensor.detach() for tensor in (volume, volume, flow, mask)]
    torch.library.opcheck(warp_op.warp3d_backward_op, (*tensors, True, deterministic, True, True, not deterministic))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_opcheck_of_adain(layout, leaf):
    x, channel, depth, full = leaf(*SHAPE, layout=layout), leaf(2, 3), leaf(2, 3, 2), leaf(*SHAPE)
    torch.library.opcheck(adain_op.adain3d_op, (x, channel, depth, None, 1e-5, 1.0))
    torch.library.opcheck(adain_op.adain3d_op, (x, full, full, full, 1e-5, 0.1))
    rows = torch.zeros(2, 3), torch.ones(2, 3)
    for gamma, beta, residual in ((channel, depth, None), (depth, full, full), (full, channel, None)):
        tensors = [None if each is None else each.detach() for each in (x, x, gamma, beta, residual)]
        torch.library.opcheck(adain_op.adain3d_backward_op, (*tensors, *rows, 0.1, True, True, True, True))


def block(volume, flow):
    warped = warp3d(volume, flow, padding="zeros")
    return adain3d(warped, volume.mean((2, 3, 4)), volume.mean((3, 4)), negative_slope=0.1, residual=volume)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("backend", ["triton", "torch"])
def test_a_compiled_block_is_one_graph(backend, layout, leaf, draw_flow, with_gradients, assert_close):
    torch.compiler.reset()  # what is compiled keeps the backend that it was compiled with
    volume, flow = leaf(*SHAPE, layout=layout), draw_flow((2, 3, 2, 3, 4), torch.float32)
    with use_backend(backend):
        got = with_gradients(torch.compile(block, fullgraph=True, backend="aot_eager"), volume, flow)
        for a, b in zip(got, with_gradients(block, volume, flow), strict=True):
            assert_close(a, b, "interpreted block float32")
            assert a.stride() == b.stride()


def test_only_who_looks_on_meets_the_registered_operations(leaf, draw_flow, with_gradients, monkeypatch):
    """They take longer to be called than the kernels of a small volume to run."""
    volume, flow = leaf(*SHAPE), draw_flow((2, 3, 2, 3, 4), torch.float32)
    met = []
    for module, name in ((warp_op, "warp3d"), (adain_op, "adain3d")):
        for operation in (f"{name}_op", f"{name}_backward_op"):
            plain = getattr(module, operation)
            monkeypatch.setattr(module, operation, lambda *a, plain=plain, o=operation: met.append(o) or plain(*a))
    eagerly = with_gradients(block, volume, flow)
    assert not met
    watched = block(volume.detach().as_subclass(type("Own", (torch.Tensor,), {})), flow)
    assert met == ["warp3d_op", "adain3d_op"]
    assert torch.equal(watched.as_subclass(torch.Tensor), eagerly[0])


@pytest.mark.parametrize("backend", ["triton", "torch"])
def test_one_compiled_block_serves_every_size(backend, draw, draw_flow):
    torch.compiler.reset()
    compiled = torch.compile(block, fullgraph=True, dynamic=True, backend="eager")
    with use_backend(backend), torch.no_grad():
        for shape in ((2, 3, 2, 3, 4), (1, 3, 3, 5, 2)):
            tensors = draw(shape, torch.float32, "channels-last"), draw_flow((shape[0], 3, *shape[2:]), torch.float32)
            torch.testing.assert_close(compiled(*tensors), block(*tensors))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the compiler's own, when it is imported
def test_the_compiler_writes_code_around_the_kernels(leaf, draw_flow):
    volume, flow = leaf(*SHAPE, layout="channels-last"), draw_flow((2, 3, 2, 3, 4), torch.float32)
    style = torch.zeros(2, 3)
    compiled = torch.compile(lambda volume, flow: adain3d(warp3d(volume, flow), style, style), fullgraph=True)
    torch.compiler.reset()
    before = launches.copy()
    compiled(volume, flow).sum().backward()
    assert set(launches - before) == {"warp3d_forward", "warp3d_backward", "adain3d_forward", "adain3d_backward"}


def test_autocast_leaves_types_as_they_are(leaf, draw_flow):
    volume, flow = leaf(*SHAPE), draw_flow((2, 3, 2, 3, 4), torch.float32)
    style = torch.zeros(2, 3)
    with torch.autocast("cpu", torch.bfloat16):
        for dtype in (torch.float32, torch.bfloat16):
            out = adain3d(warp3d(volume.to(dtype), flow), style, style)
            assert out.dtype == dtype
            assert torch.equal(out, block_outside_autocast(volume.to(dtype), flow, style))
    out.sum().backward()
    assert volume.grad.dtype == torch.float32


def block_outside_autocast(volume, flow, style):
    with torch.autocast("cpu", enabled=False):
        return adain3d(warp3d(volume, flow), style, style)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_second_derivative_is_refused_by_name(layout, leaf, draw_flow):
    volume, flow = leaf(*SHAPE, layout=layout), draw_flow((2, 3, 2, 3, 4), torch.float32).requires_grad_()
    style = leaf(2, 3)
    for name, out in (("warp3d", warp3d(volume, flow)), ("adain3d", adain3d(volume, style, style))):
        (grad,) = torch.autograd.grad(out.square().sum(), volume, create_graph=True)
        with pytest.raises(RuntimeError, match=f"{name}: expected one derivative on Triton, got a second"):
            grad.square().sum().backward()


def test_a_request_of_a_block_is_followed(leaf, draw_flow):
    volume, flow = leaf(*SHAPE), draw_flow((2, 3, 2, 3, 4), torch.float32)
    before = launches.copy()
    with use_backend("torch"):
        warp3d(volume, flow)
    assert launches == before
    with use_backend("triton"):
        warp3d(volume, flow)
    assert launches["warp3d_forward"] == before["warp3d_forward"] + 1


def test_offsets_grow_to_64_bits_where_a_sample_needs_them():
    """Four thousand million elements, without memory: only the launch is looked at."""
    for channels, side, kind in ((32, 64, "int32"), (1, 1280, "int32"), (2, 1280, "int64")):
        volume = torch.empty((), device="meta").expand(2, channels, side, side, side)
        flow = torch.empty((), device="meta").expand(2, 3, side, side, side)
        with recorded() as found:
            assert warp_op.forward(volume, flow, None, True, False).shape == volume.shape
            warp_op.backward(volume, volume, flow, None, True, True, True, True, False)
            style = torch.empty(2, channels, device="meta")
            adain_op.forward(volume, style, style, None, 1e-5, 1.0)
        warps = {str(launch.arguments["INDEX"]) for launch in found if launch.kernel.__name__.startswith("warp3d")}
        assert warps == {"int64" if 3 * side**3 >= 2**31 else kind}
        assert {str(each.arguments["INDEX"]) for each in found if each.kernel.__name__.startswith("adain")} == {kind}
    assert str(index_of(2**31)) == "int64"


def test_an_element_beyond_2_to_the_31_is_read_and_written(monkeypatch):
    """Only the last program runs, so of 9 GB of promised memory only a few pages are ever used."""
    C, H, W = 32, 2**11 + 1, 2**15  # 2^31 + 2^20 elements
    try:
        volume, out = (torch.from_numpy(numpy.zeros(H * W * C, numpy.float16)) for _ in range(2))
        flow = torch.from_numpy(numpy.zeros((3, H * W), numpy.float32))
    except MemoryError:
        pytest.skip("this machine does not promise 9 GB of memory")
    volume[-2 * C :] = torch.arange(2 * C)  # the last two voxels, channel by channel
    flow[0, -2:] = torch.tensor([1.0, -0.5])
    last = interpreter.TensorHandle(numpy.array([H * W // 32 - 1], dtype=numpy.int32), language.int32)
    monkeypatch.setattr(interpreter.InterpreterBuilder, "create_get_program_id", lambda self, axis: last)
    sizes = {"C": C, "D": 1, "H": H, "W": W, "flow_axis": H * W, "flow_voxel": 1}
    flags = {"BORDER": True, "HAS_MASK": False, "CHANNELS_LAST": True, "FLOAT": language.float32}
    brick = {"BRICK_Z": 1, "BRICK_Y": 1, "BRICK_X": 32, "BLOCK_C": 32, "INDEX": index_of(C * H * W)}
    kernel: Any = warp_forward.warp3d_forward
    tensors = {"volume": volume, "flow": flow, "mask": flow, "out": out}
    kernel[(1,)](**tensors, **sizes, **flags, **brick)
    assert torch.equal(out[-2 * C : -C].float(), torch.arange(C) + 32.0)
    assert torch.equal(out[-C:].float(), torch.arange(C) + 16.0)


def test_what_a_cards_checker_watches_launches_every_kernel():
    before = launches.copy()
    small.main("cpu")
    assert set(launches - before) == {
        *("warp3d_forward", "warp3d_backward", "warp3d_cells", "warp3d_gather"),
        *("adain3d_moments", "adain3d_join", "adain3d_forward", "adain3d_gradient_sums", "adain3d_backward"),
    }
