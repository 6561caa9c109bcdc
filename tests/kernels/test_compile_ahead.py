"""What the compiler makes of the kernels, without a card: nothing spilled, vectors where the layout allows them.

The interpreter does not check types, so a kernel that passes there may still not compile; and the registers that a tile
needs are known only to the compiler. One process compiles the whole list for every architecture.

Tests: compiled_cases, counts, tiles.
"""

import json
import os
import pathlib
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F

pytest.importorskip("triton", reason="Triton has no wheel here")
from flow3d_kernels.triton_kernels import counts, tiles

pytestmark = pytest.mark.slow
SIZES = (16, 64, 64)
ARCHITECTURES = ("sm_80", "sm_90", "gfx942")


@pytest.fixture(scope="session")
def compiled(tmp_path_factory):
    """One dictionary per kernel, variant and architecture."""
    folder = tmp_path_factory.mktemp("triton")
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    environment |= {"TRITON_CACHE_DIR": str(folder), "TRITON_DEFAULT_FP_FUSION": "1"}
    command = [sys.executable, "-m", "flow3d_kernels.triton_kernels.compile_ahead", *ARCHITECTURES]
    kernels = str(pathlib.Path(__file__).parents[2] / "kernels")
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (kernels, environment.get("PYTHONPATH"))))
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def name(row):
    return f"{row['architecture']}: {row['variant']}, {row['kernel']}"


def test_the_list_is_short_and_every_kernel_is_in_it(compiled):
    assert len({row["variant"] for row in compiled}) <= 26
    kernels = {
        *("warp3d_forward", "warp3d_backward", "warp3d_cells", "warp3d_gather"),
        *("adain3d_moments", "adain3d_join", "adain3d_forward", "adain3d_gradient_sums", "adain3d_backward"),
    }
    for architecture in ARCHITECTURES:
        assert {row["kernel"] for row in compiled if row["architecture"] == architecture} == kernels


def test_no_tile_spills_a_register(compiled):
    spilled = {name(row): row["spilled_bytes"] for row in compiled if row["spilled_bytes"]}
    assert not spilled
    assert all(0 < row["registers"] <= 255 for row in compiled)


# What a program may have of a processor's own memory.
SHARED = {"sm_80": 163 * 1024, "sm_90": 227 * 1024, "gfx942": 64 * 1024}


def test_what_is_on_its_way_from_memory_has_room(compiled):
    assert not {name(row): row["shared_bytes"] for row in compiled if row["shared_bytes"] > SHARED[row["architecture"]]}
    walking = [row for row in compiled if row["kernel"] == "adain3d_moments" and row["architecture"] == "sm_90"]
    assert walking
    assert all(row["shared_bytes"] >= 8192 for row in walking), "nothing is fetched ahead"


def test_no_lane_sums_what_the_assembler_may_round_otherwise(compiled):
    """compute-sanitizer reports such sums as races between lanes that write one place."""
    shuffling = [row for row in compiled if row["lone_products"] is not None]
    assert any("of 5 channels" in row["variant"] for row in shuffling)
    assert not {name(row): row["lone_products"] for row in shuffling if row["lone_products"]}


def test_channels_last_values_are_read_16_bytes_at_a_time(compiled):
    """Eight where the gradient of a half-precision volume is added to in float32: four values, as its reductions.

    A vector needs a number of channels that is a multiple of four; where a gather begins, only cells are read.
    """
    rows = [row for row in compiled if "channels-last" in row["variant"] and "of 5 channels" not in row["variant"]]
    rows = [row for row in rows if row["kernel"] != "warp3d_cells" and row["architecture"] != "gfx942"]
    assert len(rows) > 10

    def loads(row: dict) -> int:
        eight = row["kernel"] == "warp3d_backward" and "bfloat16" in row["variant"]
        return row["half_vector_loads" if eight else "vector_loads"]

    assert not [name(row) for row in rows if loads(row) == 0]


def test_gradients_are_added_16_bytes_at_a_time_where_the_card_can(compiled):
    rows = [row for row in compiled if row["variant"].startswith("warp3d backward, channels-last")]
    for row in rows:
        assert row["atomics"] > 0, name(row)
        assert (row["vector_reductions"] > 0) == (row["architecture"] == "sm_90"), name(row)
    assert len(rows) == 2 * len(ARCHITECTURES)


# Instructions that all warps of the whole call issue, in millions, and registers per thread, on sm_90: a little above
# what triton 3.9.0 makes, and no more than what the call may cost to be bound by memory (B=16, C=32, 16x64x64).
CEILINGS = {
    "warp3d forward, channels-last, float32": (20.5, 64),
    "warp3d forward, channels-last, bfloat16": (34.5, 64),
    "warp3d forward, zeros outside, channels-last, float32": (21.5, 64),
    "warp3d forward, contiguous, float32": (42.0, 48),
    "warp3d backward, channels-last, float32": (73.5, 96),
    "warp3d backward, channels-last, bfloat16": (72.0, 136),
    "warp3d backward, zeros outside, channels-last, float32": (78.5, 96),
    "warp3d backward, contiguous, float32": (100.0, 72),
}


@pytest.mark.parametrize("variant", CEILINGS)
def test_a_call_issues_no_more_than_it_may(compiled, variant):
    (row,) = [row for row in compiled if (row["variant"], row["architecture"]) == (variant, "sm_90")]
    millions, registers = CEILINGS[variant]
    print(f"{variant}: {row['warp_instructions'] / 1e6:.1f} M warp-instructions, {row['registers']} registers")
    assert row["warp_instructions"] <= millions * 1e6
    assert row["registers"] <= registers


def smooth_flow():
    """Two voxels of root mean square, a new value every eight: what the benchmark bends the paper's volume with."""
    coarse = torch.randn(1, 3, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    flow = F.interpolate(coarse, size=SIZES, mode="trilinear", align_corners=True)
    return flow * (2 / flow.square().mean().sqrt())


def test_a_brick_shares_its_rows():
    tile = tiles.TILES["sm_90"]["warp3d_forward", "channels-last", 4]
    flow = smooth_flow()
    assert counts.rows_per_voxel(flow, tile.brick(SIZES, lines=False)) <= 2.7  # measured 2.5
    assert counts.rows_per_voxel(flow, tile.brick(SIZES, lines=True)) > 3  # a line of voxels: 4.9
    assert counts.rows_per_voxel(torch.zeros(1, 3, *SIZES), (2, 4, 4)) == 1  # a share of 0 is not read


@pytest.mark.parametrize(
    ("sizes", "lines", "brick"),
    [
        ((16, 64, 64), False, (2, 4, 4)),
        ((1, 64, 64), False, (1, 4, 8)),
        ((2, 3, 1), False, (2, 4, 1)),
        ((16, 64, 64), True, (1, 1, 32)),
        ((63, 100, 3), True, (2, 4, 4)),
    ],
    ids=str,
)
def test_a_brick_fits_the_volume(sizes, lines, brick):
    assert tiles.Tile(32, 8).brick(sizes, lines) == brick


def test_repeatable_gradients_and_adain_use_no_atomics(compiled):
    rows = [row for row in compiled if "deterministic" in row["variant"] or row["kernel"].startswith("adain3d")]
    assert {row["kernel"].partition("_")[0] for row in rows} == {"warp3d", "adain3d"}
    assert not [name(row) for row in rows if row["atomics"]]
