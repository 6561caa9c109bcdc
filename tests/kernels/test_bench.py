"""The benchmark on a CPU: it records what it measured, and nothing at all where a row strays from the reference.

Tests: bench.operations, bench.cases, bench.gate, bench.gpu, bench.limits, bench.report, bench.roofline.
"""

import ast
import json
import pathlib

import pytest

import cases
import operations
import roofline
import suite_report
from flow3d import config
from flow3d.evaluation import layouts
from flow3d.renderer import FlowRenderer
from flow3d_kernels import _dispatch
from flow3d_kernels.cpp_kernels import build
from limits import floor_of
from tolerances import BENCH

FOLDER = pathlib.Path(operations.__file__).parent
SMALL_FRAMES = {"tiny": {"warp3d": (((1, 1, 1, 8, 8), 0), ((1, 2, 4, 4, 8), 0)), "adain3d": (((1, 3, 1, 4, 4), 3),)}}


@pytest.fixture
def out(monkeypatch, tmp_path):
    """Where the benchmark, on a small volume, shall write: a fresh folder."""
    monkeypatch.setattr(cases, "SHAPE", (1, 4, 4, 8, 8))
    monkeypatch.setattr(cases, "FRAMES", SMALL_FRAMES)
    monkeypatch.setattr(operations.torch, "set_num_threads", lambda threads: None)
    return tmp_path / "results"


def measure(out):
    operations.main(["--out", str(out), "--commit", "0123456789abcdef", "--repetitions", "2"])


def test_it_records_every_row(out, capsys):
    measure(out)
    record = json.loads((out / "cpu.json").read_text(encoding="utf-8"))
    assert record["about"]["commit"] == "0123456789abcdef"
    assert {"device", "torch", "date", "clock", "command", "compiler"} <= set(record["about"])
    assert len(record["rows"]) == 2 * len(list(cases.rows("cpu")))
    assert [row["shape"] for row in record["frames"][::2]] == [[1, 1, 1, 8, 8], [1, 2, 4, 4, 8], [1, 3, 1, 4, 4]]
    lines = record["rows"] + record["frames"]
    assert all(row["ratio"] > 0 and row["plain_ms"]["p20"] <= row["plain_ms"]["p80"] for row in lines)
    table = (out / "cpu.md").read_text(encoding="utf-8")
    assert table.count("\n| ") == 2 + len(lines)
    assert "channels-last" in capsys.readouterr().out


def test_cpp_is_measured_where_it_can_be_had_and_its_columns_are_empty_elsewhere(out, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(out))
    monkeypatch.delenv("CXX", raising=False)
    build.library.cache_clear()
    measure(out)
    record = json.loads((out / "cpu.json").read_text(encoding="utf-8"))
    assert record["about"]["compiler"] == "not measured"
    assert not any("cpp" in name for row in record["rows"] for name in row)
    assert 'C++ is not measured: backend "cpp": expected a C++ compiler' in capsys.readouterr().err
    assert " |  |  |  | " in (out / "cpu.md").read_text(encoding="utf-8")


def test_cpp_is_measured_and_checked(out, monkeypatch):
    try:
        build.compiler()
    except RuntimeError as error:
        pytest.skip(str(error))
    measure(out)
    record = json.loads((out / "cpu.json").read_text(encoding="utf-8"))
    assert all(row["cpp_ratio"] > 0 and row["error"]["cpp"] >= 0 for row in record["rows"] + record["frames"])
    right = _dispatch.OPERATIONS["cpp"]["warp3d"]
    monkeypatch.setitem(_dispatch.OPERATIONS["cpp"], "warp3d", lambda *given: right(*given) + 1e-3)
    with pytest.raises(SystemExit, match=r"C\+\+: warp3d channels-last, flow, .*nothing is written"):
        measure(out)


@pytest.mark.parametrize("preset", ["tiny", "small", pytest.param("paper", marks=pytest.mark.slow)])
def test_the_sizes_are_those_that_a_frame_calls_for(preset):
    calls = layouts.calls_of(FlowRenderer(config.preset(preset)))
    found = {(call.operation, call.shapes[0], len(call.shapes[1])) for call in calls}
    listed = cases.FRAMES[preset]
    assert {("adain3d", *call) for call in listed["adain3d"]} == {each for each in found if each[0] == "adain3d"}
    assert {shape for shape, _ in listed["warp3d"]} == {shape for name, shape, _ in found if name == "warp3d"}


@pytest.mark.parametrize("part", ["values", "gradients"])
def test_it_writes_nothing_where_parity_fails(part, out, monkeypatch):
    def wrong(volume, flow):
        right = exact(volume, flow)
        if volume.dtype == operations.torch.float64:  # the reference is the same function, and stays right
            return right
        return right + 1e-3 if part == "values" else right + volume - volume.detach()

    rows = list(cases.rows("cpu"))
    exact, rows[0].ours = rows[0].ours, wrong
    monkeypatch.setattr(cases, "rows", lambda device: rows)
    with pytest.raises(SystemExit, match=r"warp3d channels-last, flow, against contiguous: ours .*nothing is written"):
        measure(out)
    assert not out.exists()


def test_a_card_that_nobody_measured_has_no_table():
    record = FOLDER / "results" / "cuda"
    if record.exists():
        assert not (FOLDER / "results" / "cuda.md").exists(), "it says that nobody has measured"
        about, lines = suite_report.read(record)
        assert (record / "suite.md").read_text(encoding="utf-8") == suite_report.markdown(about, lines)
    else:
        assert (FOLDER / "results" / "cuda.md").read_text(encoding="utf-8") == suite_report.UNMEASURED


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.py")), ids=lambda file: file.name)
def test_the_benchmark_knows_nothing_of_faces(file):
    """Siblings, the kernels, and packages: no import of flow3d, and no path that is bent."""
    text = file.read_text(encoding="utf-8")
    modules = [node.module or "" for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)]
    modules += [a.name for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import) for a in node.names]
    assert "flow3d" not in {module.partition(".")[0] for module in modules}
    assert "sys.path" not in text


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
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_the_floors_are_the_bytes_that_were_counted(point, megabytes):
    assert floor_of(*point).bytes / 1e6 == pytest.approx(megabytes, abs=BENCH["megabytes"][0])
    both = floor_of(point[0], "forward+backward", *point[2:]).bytes
    assert both == sum(floor_of(point[0], each, *point[2:]).bytes for each in ("forward", "backward"))


def test_the_picture_shows_floors_and_what_was_measured(tmp_path):
    assert roofline.measured([]) == {}
    point: dict = {"operation": "warp3d", "passes": "forward", "variant": "smooth flow", "layout": "channels-last"}
    point |= {"kind": "compare", "status": "measured", "dtype": "float32", "batch": 16, "rival": "eager"}
    copy = {"kind": "copy", "status": "measured", "bytes_per_second": 4e12}
    lines = [copy, point | {"graph": True, "ours_ms": {"p50": 0.1}}, point | {"graph": False, "ours_ms": {"p50": 0.2}}]
    assert roofline.measured(lines) == {"warp3d": pytest.approx(1e-4)}
    roofline.draw(({"card": "a card"}, lines), tmp_path / "roofline.png")
    assert (tmp_path / "roofline.png").stat().st_size > 10_000
