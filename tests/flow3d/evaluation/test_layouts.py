"""Which layout each call of a frame likes: what is counted, and what stands on the page."""

import json

import torch

from flow3d import FlowRenderer
from flow3d.config import preset
from flow3d.evaluation import layouts


def test_every_call_of_a_frame_is_counted_once_with_its_shapes():
    renderer = FlowRenderer(preset("micro", "extended")).eval()
    calls = layouts.calls_of(renderer)
    warps = {call.shapes[0]: count for call, count in calls.items() if call.operation == "warp3d"}
    assert warps[(1, 4, 4, 16, 16)] == 2  # the lifted picture and the feature volume
    styled = sum(type(module).__name__ == "AdaIN" for module in renderer.modules())
    assert sum(count for call, count in calls.items() if call.operation == "adain3d") == styled


def test_the_page_has_a_row_for_each_call(monkeypatch, tmp_path):
    monkeypatch.setattr(layouts, "PRESETS", ("micro",))
    monkeypatch.setattr(layouts, "ROUNDS", 5)
    monkeypatch.setattr(layouts, "CALLS", 1)
    page = layouts.run_layouts(tmp_path)
    rows = json.loads((tmp_path / "layouts.json").read_text())["rows"]
    distinct = layouts.calls_of(FlowRenderer(preset("micro", "extended")).eval())
    assert len(rows) == len(distinct) == page.count("\n| adain3d") + page.count("\n| warp3d")
    assert all(row["contiguous"] > 0 and row["channels_last"] > 0 for row in rows)
    assert (tmp_path / "layouts.md").read_text() == page


def test_a_prepared_volume_lies_channels_last():
    renderer = FlowRenderer(preset("micro", "extended")).eval()
    with torch.no_grad():
        volume = renderer.warping.encode(torch.zeros(1, 3, 32, 32)).volume
    assert volume.is_contiguous(memory_format=torch.channels_last_3d)
