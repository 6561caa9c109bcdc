"""The benchmark: it records what it measured, and nothing at all where a row strays from the reference."""

import importlib.util
import json
import pathlib
import sys

import pytest

SCRIPT = pathlib.Path(__file__).parents[2] / "kernels" / "bench" / "bench.py"


@pytest.fixture
def bench(monkeypatch, tmp_path):
    """The script as a module, on a small volume, writing to a fresh folder."""
    spec = importlib.util.spec_from_file_location("bench_under_test", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)  # its dataclass looks its module up
    monkeypatch.setattr(sys, "path", [*sys.path])
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "SHAPE", (1, 4, 4, 8, 8))
    monkeypatch.setattr(module.torch, "set_num_threads", lambda threads: None)
    out = tmp_path / "results"
    monkeypatch.setattr(
        sys, "argv", ["bench.py", "--out", str(out), "--commit", "0123456789abcdef", "--repetitions", "2"]
    )
    return module, out


def test_it_records_every_row(bench, capsys):
    module, out = bench
    module.main()
    record = json.loads((out / "cpu.json").read_text(encoding="utf-8"))
    assert record["about"]["commit"] == "0123456789abcdef"
    assert {"device", "torch", "date", "clock", "command"} <= set(record["about"])
    assert len(record["rows"]) == 2 * len(list(module.rows("cpu")))
    assert all(row["ratio"] > 0 and row["plain_ms"]["p20"] <= row["plain_ms"]["p80"] for row in record["rows"])
    table = (out / "cpu.md").read_text(encoding="utf-8")
    assert table.count("\n| ") == 1 + len(record["rows"])
    assert "channels-last" in capsys.readouterr().out


@pytest.mark.parametrize("part", ["values", "gradients"])
def test_it_writes_nothing_where_parity_fails(part, bench, monkeypatch):
    module, out = bench

    def wrong(volume, flow, mask=None):
        right = module.plain_warp(volume, flow, mask)
        return right + 1e-3 if part == "values" else right + volume - volume.detach()

    rows = list(module.rows("cpu"))
    rows[0].ours = lambda *inputs: wrong(*inputs) if inputs[0].dtype == module.torch.float32 else exact(*inputs)
    exact = module.warp3d
    monkeypatch.setattr(module, "rows", lambda device: rows)
    with pytest.raises(SystemExit, match=r"warp3d channels-last, flow, against contiguous: ours .*nothing is written"):
        module.main()
    assert not out.exists()
