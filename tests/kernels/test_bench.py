"""The benchmark: it records what it measured, and nothing at all where a row strays from the reference.

Tests: bench.operations, bench.cases, bench.gate, bench.gpu, bench.limits, bench.report, bench.roofline.
"""

import json
import pathlib
import sys
import time

import pytest

import cases
import operations
import roofline
from limits import floor_of
from tolerances import BENCH

RESULTS = pathlib.Path(operations.__file__).parent / "results"


@pytest.fixture
def bench(monkeypatch, tmp_path):
    """The benchmark on a small volume, writing to a fresh folder."""
    monkeypatch.setattr(cases, "SHAPE", (1, 4, 4, 8, 8))
    monkeypatch.setattr(operations.torch, "set_num_threads", lambda threads: None)
    out = tmp_path / "results"
    arguments = ["operations.py", "--out", str(out), "--commit", "0123456789abcdef", "--repetitions", "2"]
    monkeypatch.setattr(sys, "argv", arguments)
    return operations, out


@pytest.fixture
def without_compiler(monkeypatch):
    """The card's rows on a CPU, fast: nothing is compiled, little is copied."""

    def shrink(gpu):
        monkeypatch.setattr(gpu.torch, "compile", lambda function, **options: function)
        monkeypatch.setattr(gpu, "CACHE", 2**16)
        monkeypatch.setattr(gpu, "COPIED", 2**16)
        monkeypatch.setattr(gpu, "CALLS", 1)
        return gpu

    return shrink


def wall_seconds(run):
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def test_it_records_every_row(bench, capsys):
    module, out = bench
    module.main()
    record = json.loads((out / "cpu.json").read_text(encoding="utf-8"))
    assert record["about"]["commit"] == "0123456789abcdef"
    assert {"device", "torch", "date", "clock", "command"} <= set(record["about"])
    assert len(record["rows"]) == 2 * len(list(cases.rows("cpu")))
    assert all(row["ratio"] > 0 and row["plain_ms"]["p20"] <= row["plain_ms"]["p80"] for row in record["rows"])
    table = (out / "cpu.md").read_text(encoding="utf-8")
    assert table.count("\n| ") == 1 + len(record["rows"])
    assert "channels-last" in capsys.readouterr().out


@pytest.mark.parametrize("part", ["values", "gradients"])
def test_it_writes_nothing_where_parity_fails(part, bench, monkeypatch):
    module, out = bench

    def wrong(volume, flow, mask=None):
        right = cases.plain_warp(volume, flow, mask)
        return right + 1e-3 if part == "values" else right + volume - volume.detach()

    rows = list(cases.rows("cpu"))
    rows[0].ours = lambda *inputs: wrong(*inputs) if inputs[0].dtype == module.torch.float32 else exact(*inputs)
    exact = cases.warp3d
    monkeypatch.setattr(cases, "rows", lambda device: rows)
    with pytest.raises(SystemExit, match=r"warp3d channels-last, flow, against contiguous: ours .*nothing is written"):
        module.main()
    assert not out.exists()


def test_a_card_is_measured_against_every_rival(bench, without_compiler):
    """All but the card's own clock and graphs, which stay for a run on a card."""
    module, _ = bench
    gpu = without_compiler(module.gpu)
    rows, bandwidth = gpu.measure("cpu", 2, wall_seconds, batches=(1, 4, 16), expected_backend="torch")
    assert {row["rival"] for row in rows} == {"eager", "compiled", "folded"}
    assert {row["dtype"] for row in rows} == {"float32", "bfloat16"}
    assert {row["batch"] for row in rows} == {1, 4, 16}
    assert {row["layout"] for row in rows} == {"channels-last", "contiguous"}
    about = dict.fromkeys(("device", "driver", "triton", "torch", "date", "commit"), "0123456789abcdef")
    about = about | {"shape": cases.SHAPE, "repetitions": 2, "copy_bandwidth": bandwidth}
    table = module.report.card_markdown({"about": about, "rows": rows})
    assert table.count("\n| ") == 1 + len(rows)
    assert "|  |" not in table


def test_a_card_without_triton_is_not_measured(bench):
    module, _ = bench
    with pytest.raises(SystemExit, match="Nothing is written: these rows are about triton"):
        module.gpu.measure("cpu", 2, wall_seconds)


def test_rows_that_nobody_measured_stay_empty(bench, monkeypatch):
    module, out = bench
    monkeypatch.setattr(sys, "argv", ["operations.py", "--out", str(out), "--empty"])
    module.main()
    table = (out / "cuda.md").read_text(encoding="utf-8")
    rows = [line for line in table.splitlines() if line.startswith(("| warp3d", "| adain3d"))]
    assert len(rows) == len(module.report.planned_rows()) > 100
    assert all(row.count("|  |  |  |") == 2 for row in rows)
    assert not (out / "cuda.json").exists()


def test_the_recorded_table_of_a_card_is_empty_or_has_its_record(bench, monkeypatch):
    module, _ = bench
    record = (
        json.loads((RESULTS / "cuda.json").read_text(encoding="utf-8")) if (RESULTS / "cuda.json").exists() else None
    )
    monkeypatch.setattr(cases, "SHAPE", (1, 32, 16, 64, 64))
    assert (RESULTS / "cuda.md").read_text(encoding="utf-8") == module.report.card_markdown(record)


# Counted by hand at (16, 32, 16, 64, 64): 33.55 M values, flow 12.6 MB, mask 4.2 MB
@pytest.mark.parametrize(
    ("point", "megabytes"),
    [
        (("warp3d", "forward", 4, "flow"), 281.0),
        (("warp3d", "forward", 2, "flow"), 146.8),
        (("warp3d", "forward", 4, "flow and mask"), 285.2),
        (("warp3d", "backward", 4, "flow"), 427.8),
        (("warp3d", "backward", 2, "flow"), 226.5),
        (("adain3d", "forward", 4, "style per channel"), 268.4),
        (("adain3d", "forward", 4, "full style map"), 536.9),
        (("adain3d", "forward", 4, "style per channel and residual"), 402.7),
        (("adain3d", "backward", 2, "style per channel"), 201.3),
        (("adain3d", "backward", 4, "full style map"), 939.5),
    ],
)
def test_the_floors_are_the_bytes_that_were_counted(point, megabytes):
    assert floor_of(*point).bytes / 1e6 == pytest.approx(megabytes, abs=BENCH["megabytes"][0])
    both = floor_of(point[0], "forward+backward", *point[2:]).bytes
    assert both == sum(floor_of(point[0], each, *point[2:]).bytes for each in ("forward", "backward"))


def test_the_picture_shows_floors_and_what_was_measured(tmp_path):
    assert roofline.measured(None) == {}
    row = {"operation": "warp3d", "passes": "forward", "variant": "smooth flow", "layout": "channels-last"}
    row = row | {"dtype": "float32", "batch": 16, "rival": "eager", "ours_ms": {"p50": 0.1}}
    record = {"about": {"copy_bandwidth": 4e12, "device": "a card"}, "rows": [row]}
    assert roofline.measured(record) == {"warp3d": pytest.approx(1e-4)}
    roofline.draw(record, tmp_path / "roofline.png")
    assert (tmp_path / "roofline.png").stat().st_size > 10_000
