"""What the compiler makes of the kernels, without a card: nothing spilled, vectors where the layout allows them.

The interpreter does not check types, so a kernel that passes there may still not compile; and the registers that a tile
needs are known only to the compiler. One process compiles the whole list for every architecture.

Tests: compiled_cases.
"""

import importlib.util
import json
import os
import pathlib
import subprocess
import sys

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton has no wheel here"),
]
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
    assert len({row["variant"] for row in compiled}) <= 24
    kernels = {
        *("warp3d_forward", "warp3d_backward", "warp3d_cells", "warp3d_gather"),
        *("adain3d_moments", "adain3d_forward", "adain3d_gradient_sums", "adain3d_backward"),
    }
    for architecture in ARCHITECTURES:
        assert {row["kernel"] for row in compiled if row["architecture"] == architecture} == kernels


def test_no_tile_spills_a_register(compiled):
    spilled = {name(row): row["spilled_bytes"] for row in compiled if row["spilled_bytes"]}
    assert not spilled
    assert all(0 < row["registers"] <= 255 for row in compiled)


def test_no_lane_sums_what_the_assembler_may_round_otherwise(compiled):
    """compute-sanitizer reports such sums as races between lanes that write one place."""
    shuffling = [row for row in compiled if row["lone_products"] is not None]
    assert any("of 5 channels" in row["variant"] for row in shuffling)
    assert not {name(row): row["lone_products"] for row in shuffling if row["lone_products"]}


def test_channels_last_values_are_read_16_bytes_at_a_time(compiled):
    """A vector needs a number of channels that is a multiple of four; where a gather begins, only cells are read."""
    rows = [row for row in compiled if "channels-last" in row["variant"] and "of 5 channels" not in row["variant"]]
    rows = [row for row in rows if row["kernel"] != "warp3d_cells" and row["architecture"] != "gfx942"]
    assert len(rows) > 10
    assert not [name(row) for row in rows if row["vector_loads"] == 0]


def test_gradients_are_added_16_bytes_at_a_time_where_the_card_can(compiled):
    rows = [row for row in compiled if row["variant"].startswith("warp3d backward, channels-last")]
    for row in rows:
        assert row["atomics"] > 0, name(row)
        assert (row["vector_reductions"] > 0) == (row["architecture"] == "sm_90"), name(row)
    assert len(rows) == 2 * len(ARCHITECTURES)


def test_repeatable_gradients_and_adain_use_no_atomics(compiled):
    rows = [row for row in compiled if "deterministic" in row["variant"] or row["kernel"].startswith("adain3d")]
    assert {row["kernel"].partition("_")[0] for row in rows} == {"warp3d", "adain3d"}
    assert not [name(row) for row in rows if row["atomics"]]
