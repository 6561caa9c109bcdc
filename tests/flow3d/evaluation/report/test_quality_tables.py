"""Tables of rows that were made up: the arithmetic, the targets and the files.

Tests: table.
"""

import csv
import io
import json

import pytest

from flow3d.evaluation.report import quality_tables
from flow3d.evaluation.report.table import Line
from flow3d.evaluation.report.write import as_csv, write_report
from flow3d.evaluation.scores.statistics import mean

FLOW = {"flow error": 2.0, "flow zero": 16.0, "flow affine": 8.0, "flow pixels": 4.0}
LOCAL = {
    "local error": 1.0,
    "local zero": 4.0,
    "local affine": 2.0,
    "bent error": 3.0,
    "bent zero": 4.0,
    "bent pixels": 2.0,
}


def row(output: float, copy: float, blurs: tuple[float, float], yaw: float = 5.0) -> dict[str, float]:
    found = {"yaw": yaw, "psnr output": output, "psnr copy": copy}
    found |= {f"psnr {name}": 20.0 for name in ("least-squares affine", "exact-flow warp")}
    found |= {f"psnr blur {sigma:g}": 0.0 for sigma in quality_tables.SIGMAS}
    found |= {"psnr blur 1": blurs[0], "psnr blur 2": blurs[1]}
    return found | {"features output": 18.0, "features copy": 13.0, "features exact-flow warp": 19.0} | FLOW | LOCAL


def by_name(table) -> dict[str, Line]:
    return {line.what: line for line in table}


def test_gains_are_over_the_copy_and_over_the_strongest_blurred_copy():
    rows = [row(26, 18, (20, 18)), row(30, 20, (19, 22), 40.0)]
    table = by_name(quality_tables.picture_table(rows))
    assert quality_tables.best_blur(rows) == "blur 2"  # 20.0 dB against 19.5
    assert table["output - copy"].estimate.value == 9
    assert table["output - copy"].reached is True
    assert table["output - best blurred copy"].estimate.value == 8
    assert table["eyes and mouth: output - copy"].estimate.value == 5
    assert table["eyes and mouth: output - copy"].reached is False
    assert "blurred copy, sigma 2 px (the best)" in table
    assert not any("sigma 1 " in name for name in table)
    assert table["output, yaw difference 0-10°"].estimate.value == 26
    assert table["output, yaw difference 35+°"].estimate.value == 30
    assert "output, yaw difference 10-20°" not in table


def test_cross_id_has_its_own_targets():
    rows = [row(25, 18, (20, 18))]
    own, cross = (by_name(quality_tables.picture_table(rows, cross)) for cross in (False, True))
    assert (own["output - copy"].reached, cross["output - copy"].reached) == (False, True)
    assert cross["output - best blurred copy"].reached is None
    limits = [quality_tables.flow_table(rows, cross)[0].most for cross in (False, True)]
    assert limits == [0.12, 0.15]


def test_flow_errors_are_pooled_over_pixels():
    rows = [row(25, 18, (20, 18)), row(25, 18, (20, 18)) | {"flow error": 30.0, "flow zero": 48.0}]
    table = by_name(quality_tables.flow_table(rows))
    pooled = table["visible person, pooled"]
    assert pooled.estimate.value == pytest.approx(32 / 64)
    assert pooled.beside == "zero flow 8.00 px; best affine map 25.0 %"
    assert table["visible person, median of pairs"].estimate.value == pytest.approx((2 / 16 + 30 / 48) / 2)
    assert table["eyes and mouth, best affine map removed, pooled"].estimate.value == pytest.approx(0.75)
    assert table["eyes and mouth, best affine map removed, pooled"].reached is False
    assert quality_tables.flow_table([{"flow error": float("nan")}]) == []


def test_sharpness_background_and_yaw():
    sharp = {"gradient output": 3.0, "gradient truth": 4.0, "gradient copy": 5.0, "gradient blurred truth": 2.0}
    back = {"worst": 0.5 / 255, "leak": 0.1 / 255, "kept": 0.9, "leak unpasted": 3 / 255, "yaw": 10.0}
    rows = [sharp | back, sharp | back | {"worst": 2 / 255, "yaw": 50.0}]
    (line,) = quality_tables.sharpness_table(rows, [])
    assert (line.estimate.value, line.reached) == (0.75, False)
    assert line.beside.startswith("copy 1.25, blurred truth 0.50")
    worst, leak = quality_tables.background_table(rows)
    assert worst.text(worst.estimate.value) == "2.00 /255"
    assert worst.reached is False
    assert quality_tables.background_table(rows[:1])[0].reached is True
    assert leak.beside == "without pasting 3.00 /255"
    assert quality_tables.background_table([{"yaw": 0.0}]) == []
    (unseen, _) = quality_tables.background_table([{"kept": 0.0}])  # a matte over everything leaves nothing to judge
    assert unseen.reached is False
    assert "none" in unseen.text(unseen.estimate.value)
    middle, share = quality_tables.yaw_table(rows, "self-ID")
    assert (middle.estimate.value, share.estimate.value) == (30.0, 0.5)


def test_edits_ask_for_both_numbers():
    triple = [(0.64, 1.0, 0.4)]  # response 0.8, correlation 0.5
    sums = {name: triple for name in quality_tables.EDITS}
    table = by_name(quality_tables.edit_table(sums, sums))
    assert table["jaw: response"].estimate.value == pytest.approx(0.8)
    assert table["jaw: correlation"].estimate.value == pytest.approx(0.5)
    assert table["jaw: gain"].estimate.value == pytest.approx(0.4)
    assert table["jaw: correlation"].beside == "mouth: copy 0, exact-flow warp 0.50"
    assert (table["jaw: response"].reached, table["jaw: correlation"].reached) == (True, False)
    assert (table["gaze_x: correlation"].reached, table["pitch: correlation"].reached) == (True, False)
    assert all(line.reached is None for line in quality_tables.edit_table(sums, sums, asked=False))
    assert quality_tables.edit_table({}, sums) == []


def test_a_report_says_the_same_in_both_files(tmp_path):
    found = {"One": [Line("a", mean([1.0, 3.0]), "dB", "copy 0", least=2.5), Line("b", mean([]))], "None": []}
    text = write_report(tmp_path / "new", "r", "Title", {"pairs": 2, "rule": "all"}, found, ["A note."])
    assert (tmp_path / "new" / "r.md").read_text() == text
    assert "0 of 1 targets reached." in text
    assert "| a | 2.00 dB | 1.41 | 1.00 to 3.00 | copy 0 | ≥ 2.50 dB | **no** |" in text
    assert "| b | none |" in text
    assert "## None" not in text
    assert "- pairs: `2`" in text
    content = json.loads((tmp_path / "new" / "r.json").read_text())
    assert content["settings"] == {"pairs": 2, "rule": "all"}
    first, second = content["tables"]["One"]
    assert (first["value"], first["count"], first["least"], first["reached"]) == (2.0, 2, 2.5, False)
    assert second["value"] is None


def test_rows_become_a_table_of_all_pairs():
    text = as_csv({"self": {7: {"yaw": 1.0}}, "cross": {7: {"yaw": 2.0, "more": float("nan")}}})
    assert list(csv.reader(io.StringIO(text))) == [
        ["protocol", "seed", "yaw", "more"], ["self", "7", "1", ""], ["cross", "7", "2", ""],
    ]  # fmt: skip
