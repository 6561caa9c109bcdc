"""No kernel touches memory that it was not given, at the sizes of a face and beyond what 32 bits can count.

Tests: address_check, warp_op, adain_op.
"""

import numpy
import pytest
import torch
from triton import language
from triton.runtime import interpreter
from triton.runtime.errors import InterpreterError

from flow3d_kernels import adain3d, warp3d
from flow3d_kernels.triton_kernels import adain_op, tiles, warp_op, warp_parts
from flow3d_kernels.triton_kernels.adain_forward import adain3d_moments
from flow3d_kernels.triton_kernels.address_check import checked_addresses
from flow3d_kernels.triton_kernels.launch import launches, recorded

LAYOUTS = ("contiguous", "channels-last")
KERNELS = {
    *("warp3d_forward", "warp3d_backward", "warp3d_cells", "warp3d_gather"),
    *("adain3d_moments", "adain3d_join", "adain3d_forward", "adain3d_gradient_sums", "adain3d_backward"),
}
FORGOTTEN = "(x < W) & (y < H) & (z < D)"


def everything(draw, draw_flow, layout, shape, dtype=torch.float32):
    """Both operations, forward and backward, with and without atomics."""
    volume = draw(shape, dtype, layout).requires_grad_()
    flow, mask = 9 * draw_flow((shape[0], 3, *shape[2:]), torch.float32), draw((shape[0], 1, *shape[2:]), torch.float32)
    flow[0, 0, 0, 0, 0], flow[-1, 1, -1, -1, -1] = torch.nan, torch.inf
    style = draw(shape[:3], torch.float32, seed=4).requires_grad_()
    for padding, deterministic in (("border", False), ("zeros", True)):
        out = warp3d(volume, flow.requires_grad_(), mask.requires_grad_(), padding=padding, deterministic=deterministic)
        adain3d(out, style, style, negative_slope=0.1, residual=volume).sum().backward()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("architecture", "shape"),
    [
        ("interpreter", (2, 2, 63, 3, 1)),
        ("sm_90", (2, 5, 3, 5, 6)),
    ],
    ids=str,
)
def test_every_kernel_stays_inside_its_tensors(layout, architecture, shape, monkeypatch, draw, draw_flow):
    monkeypatch.setattr(warp_op, "GROUP_BYTES", 1)  # a sample at a time
    before = launches.copy()
    with tiles.tiles_of(architecture), checked_addresses() as seen:
        everything(draw, draw_flow, layout, shape)
    assert set(launches - before) >= KERNELS - {"adain3d_moments", "adain3d_join", "adain3d_gradient_sums"}
    assert seen.lanes > 1000


def test_parts_of_rows_stay_inside_their_tensors(monkeypatch, draw, draw_flow):
    monkeypatch.setitem(tiles.TILES, "interpreter", dict.fromkeys(tiles.TILES["interpreter"], tiles.Tile(16, 4)))
    before = launches.copy()
    with checked_addresses():
        everything(draw, draw_flow, "channels-last", (1, 5, 3, 5, 7))
    assert set(launches - before) == KERNELS


def test_the_adain_of_one_sample_reads_it_twice_and_little_else(draw):
    """Each of many programs that joined all parts by itself would read a multiple of the sample."""
    x = draw((1, 32, 4, 16, 32), torch.float32, "channels-last")
    style, before = torch.zeros(1, 32), launches.copy()
    with tiles.tiles_of("sm_90"), checked_addresses() as seen:
        adain3d(x, style, style, negative_slope=0.1)
    assert launches["adain3d_moments"] == before["adain3d_moments"] + 1
    volumes = seen.loaded / (x.numel() * x.element_size())
    assert 2 < volumes < 3, volumes


def test_samples_are_worked_on_in_groups(monkeypatch, draw, assert_parity):
    monkeypatch.setattr(adain_op, "GROUP_BYTES", 1)
    monkeypatch.setitem(tiles.TILES, "interpreter", dict.fromkeys(tiles.TILES["interpreter"], tiles.Tile(16, 4)))
    monkeypatch.setitem(tiles.PROCESSORS, "interpreter", 9)
    tensors = (draw((3, 5, 3, 4, 5), layout="channels-last"), draw((3, 5), seed=1), draw((3, 5, 3), seed=2))
    before = launches.copy()
    kernels = {each for each in KERNELS if each.startswith("adain3d")}
    assert_parity(adain3d, tensors, ("out", "x", "gamma", "beta"), "interpreted adain3d float64", kernels)
    assert launches["adain3d_forward"] == before["adain3d_forward"] + 3


def test_a_forgotten_mask_is_an_error_that_says_so(mutated, monkeypatch, draw, draw_flow):
    from flow3d_kernels.triton_kernels import warp_forward

    spoilt = mutated(warp_parts, FORGOTTEN, "(x >= 0)")
    monkeypatch.setattr(warp_forward, "my_brick", spoilt.my_brick)
    with checked_addresses(), pytest.raises(InterpreterError, match=r"load: \d+ of \d+ lanes lie outside every tensor"):
        warp3d(draw((1, 2, 3, 5, 7)), draw_flow((1, 3, 3, 5, 7)))


def test_the_interpreter_is_left_as_it_was():
    before = interpreter.InterpreterBuilder.create_masked_load
    with checked_addresses():
        assert interpreter.InterpreterBuilder.create_masked_load is not before
    assert interpreter.InterpreterBuilder.create_masked_load is before


@pytest.fixture
def alone(monkeypatch):
    """``alone(launch, number)``: run one program of a launch recorded without memory, and hand its tensors back.

    They are zeros that take no memory until they are touched; ``values`` are written into them first.
    """

    def run(launch, number, values=()):
        handle = interpreter.TensorHandle(numpy.array([number], dtype=numpy.int32), language.int32)
        monkeypatch.setattr(interpreter.InterpreterBuilder, "create_get_program_id", lambda self, axis: handle)
        types = {torch.float16: numpy.float16, torch.float32: numpy.float32}
        try:
            tensors = {
                name: torch.from_numpy(numpy.zeros(tuple(each.shape), types[each.dtype]))
                for name, each in launch.arguments.items()
                if isinstance(each, torch.Tensor)
            }
        except MemoryError:
            pytest.skip("this machine does not promise so much memory")
        for name, place, value in values:
            tensors[name].view(-1)[place] = value
        with checked_addresses():
            launch.kernel[(1,)](**launch.arguments | tensors)
        return tensors

    return run


def promised(*shape, dtype=torch.float16):
    """A tensor of which only type and shape are there."""
    return torch.empty(shape, dtype=dtype, device="meta")


@pytest.mark.parametrize("side", [512, 1024], ids=["2^27 voxels", "2^30 voxels"])
def test_the_flow_of_2_to_the_30_voxels_is_read_and_its_gradient_written(side, alone):
    """Three times as many elements as voxels: twice the distance from dx to dy does not fit 32 bits."""
    volume = promised(1, 1, side, side, side)
    flow = promised(1, 3, side, side, side, dtype=torch.float32)
    with tiles.tiles_of("sm_90"), recorded() as started:
        warp_op.forward(volume, flow, None, True, False)
        warp_op.backward(volume, volume, flow, None, True, False, False, True, False)
    forward, backward = started
    values = [("flow", -1, -0.5), ("volume", -1, 2.0), ("volume", -1 - side * side, 1.0)]
    assert alone(forward, forward.programs - 1, values)["out"].view(-1)[-1] == 1.5
    values = [("flow", -1, -0.5), ("volume", -1, 2.0), ("volume", -1 - side * side, 1.0), ("grad", -1, 1.0)]
    grad_flow = alone(backward, backward.programs - 1, values)["grad_flow"]
    assert grad_flow[0, :, -1, -1, -1].tolist() == [0, 0, 1]


def test_the_last_part_of_a_channel_of_2_to_the_31_voxels_is_measured(alone):
    voxels = 2**31 + 2**24
    x, style = promised(1, 1, 1, voxels >> 12, 1 << 12), promised(1, 1, dtype=torch.float32)
    with tiles.tiles_of("sm_90"), recorded() as started:
        adain_op.forward(x, style, style, None, 1e-5, 1.0)
    launch = started[0]
    assert launch.kernel is adain3d_moments
    launch.arguments["BLOCK_P"] = 1 << 20  # few steps: each costs the interpreter the same
    centres = alone(launch, launch.programs - 1, [("x", -3, 1.0)])["centres"]
    length = voxels - (launch.arguments["parts"] - 1) * launch.arguments["chunk"]
    assert centres.view(-1)[-1].item() == pytest.approx(1 / length)
