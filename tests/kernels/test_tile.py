"""A candidate for a tile: it is what is launched while it is tried, and the table's own comes back afterwards."""

import pytest
import torch

import tune
from flow3d_kernels.triton_kernels import adain_op, warp_op
from flow3d_kernels.triton_kernels.launch import FORMATS, recorded
from tile import forced

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
ROWS = {row.name: row.given for row in tune.tile_rows()}


def launched(kernel, layout, dtype):
    """The arguments of the kernel's launch on the paper's volume, which has no memory here."""
    volume = torch.empty(16, 32, 16, 64, 64, dtype=DTYPES[dtype], device="meta")
    volume = volume.contiguous(memory_format=FORMATS[layout])
    flow, row = (torch.empty(shape, device="meta") for shape in ((16, 3, 16, 64, 64), (16, 32)))
    with recorded() as launches:
        if kernel == "warp3d_forward":
            warp_op.forward(volume, flow, None, True, False)
        elif kernel == "warp3d_backward":
            warp_op.backward(volume, volume, flow, None, True, False, True, True, False)
        elif kernel == "adain3d_forward":
            adain_op.forward(volume, row, row, None, 1e-5, 0.1)
        else:
            adain_op.backward(volume, volume, row, row, None, row, row, 0.1, True, True, True, False)
    return next(launch.arguments for launch in launches if launch.kernel.__name__ == kernel)


@pytest.mark.parametrize("given", ROWS.values(), ids=list(ROWS))
def test_a_candidate_is_what_is_launched(given):
    kernel, layout, dtype, tile = (given[name] for name in ("kernel", "layout", "dtype", "tile"))
    before = launched(kernel, layout, dtype)
    with forced(kernel, layout, dtype, tile, "meta"):
        arguments = launched(kernel, layout, dtype)
    assert (arguments["BLOCK_C"], arguments["num_warps"]) == (tile["channels"], tile["warps"])
    if isinstance(tile["voxels"], list):
        assert [arguments[f"BRICK_{axis}"] for axis in "ZYX"] == tile["voxels"]
    else:
        assert arguments["BLOCK_P"] == tile["voxels"]
    sizes = [name for name in before if name.startswith(("BRICK", "BLOCK", "num_warps"))]
    after = launched(kernel, layout, dtype)
    assert [after[name] for name in sizes] == [before[name] for name in sizes]
