"""Tiles by record: taken on the card and versions that they were measured on, else ignored with one sentence.

Tests: tile_record.
"""

import json

import pytest
import torch

pytest.importorskip("triton", reason="Triton has no wheel here")
import triton

from flow3d_kernels.triton_kernels import tile_record, tiles
from flow3d_kernels.triton_kernels.tiles import Tile

CARD = "NVIDIA H200"
ENTRY = "warp3d_forward channels-last float32"
RECORD = {
    "card": CARD,
    "torch": torch.__version__,
    "triton": triton.__version__,
    "date": "2026-11-28",
    "commit": "0123456789abcdef",
    "tiles": {ENTRY: {"voxels": [4, 4, 4], "channels": 16, "warps": 8}},
}


@pytest.fixture
def written(monkeypatch, tmp_path):
    """``written(record)``: the file that FLOW3D_TILES names holds it."""

    def write(record):
        path = tmp_path / "tiles.json"
        path.write_text(record if isinstance(record, str) else json.dumps(record), encoding="utf-8")
        monkeypatch.setenv(tile_record.VARIABLE, str(path))
        tile_record.recorded_tiles.cache_clear()

    yield write
    tile_record.recorded_tiles.cache_clear()


class Card(torch.Tensor):
    """A tensor that says it lies on a card."""

    device = torch.device("cuda", 0)


@pytest.fixture
def on_a_card(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: CARD)
    monkeypatch.setattr(tiles, "architecture", lambda device: "sm_90")

    def volume(channels, dtype=torch.float32):
        return torch.zeros(1, channels, 2, 2, 2, dtype=dtype).as_subclass(Card)

    return volume


def test_a_recorded_tile_is_taken_on_its_card(written, on_a_card):
    written(RECORD)
    assert tiles.tile_for("warp3d_forward", "channels-last", on_a_card(32)) == Tile(64, 16, 8, (4, 4, 4))
    assert tiles.tile_for("warp3d_forward", "channels-last", on_a_card(4)) == Tile(256, 4, 8)
    assert tiles.tile_for("warp3d_forward", "channels-last", on_a_card(32, torch.bfloat16)) == Tile(32, 16, 2)
    with tiles.tiles_of("sm_90"):  # what is compiled ahead is the table's
        assert tiles.tile_for("warp3d_forward", "channels-last", on_a_card(32)) == Tile(32, 8, 2)


def test_a_tile_that_a_benchmark_tries_overrules_the_record(written, on_a_card, monkeypatch):
    written(RECORD)
    monkeypatch.setitem(tiles.TILES["sm_90"], ("warp3d_forward", "channels-last", 4), Tile(64, 8, 4))
    assert tiles.tile_for("warp3d_forward", "channels-last", on_a_card(32)) == Tile(64, 8, 4)


BAD = {
    "another card": (RECORD | {"card": "AMD MI300"}, f"card: expected {CARD}, got AMD MI300"),
    "another torch": (RECORD | {"torch": "1.0"}, "torch: expected"),
    "another triton": (RECORD | {"triton": "1.0"}, "triton: expected"),
    "no card": ({"tiles": {}}, "KeyError: 'card'"),
    "no file of tiles": ("[1, 2", "JSONDecodeError"),
    "a list": ([1, 2], "TypeError"),
    "a brick of two sides": (RECORD | {"tiles": {ENTRY: {"voxels": [4, 4], "channels": 8, "warps": 2}}}, "[z, y, x]"),
    "no power of two": (RECORD | {"tiles": {ENTRY: {"voxels": 48, "channels": 8, "warps": 2}}}, "powers of two"),
}


@pytest.mark.parametrize("case", BAD)
def test_any_other_record_is_ignored_and_said_once(case, written, on_a_card, caplog):
    record, reason = BAD[case]
    written(record)
    for _ in range(3):
        assert tiles.tile_for("warp3d_forward", "channels-last", on_a_card(32)) == Tile(32, 8, 2)
    assert len(caplog.messages) == 1
    assert "is ignored" in caplog.messages[0]
    assert reason in caplog.messages[0]


def test_without_a_record_the_table_is_used_in_silence(on_a_card, monkeypatch, tmp_path, caplog):
    monkeypatch.delenv(tile_record.VARIABLE, raising=False)
    monkeypatch.setattr(tile_record, "BESIDE", tmp_path / "tiles.json")
    tile_record.recorded_tiles.cache_clear()
    assert tiles.tile_for("warp3d_backward", "channels-last", on_a_card(32)) == Tile(32, 16)
    assert not caplog.messages
