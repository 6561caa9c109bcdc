"""Results are kept and resumed, drivers are found, the report says in words what the numbers say.

Tests: methods, report, flow3d.commands.rivals.
"""

import json

import numpy as np
import pytest
import torch

from flow3d.__main__ import main
from flow3d.evaluation.measure.edits import reenact_edits, true_edits
from flow3d.evaluation.measure.method import Reenacted
from flow3d.evaluation.measure.pair_rows import reenact_pair
from flow3d.evaluation.pairs.protocols import pair_lists, self_seeds
from flow3d.evaluation.scores.catalogue import EDITED
from flow3d.experiments.ablations.results import result_path
from flow3d.experiments.rivals import RIVALS, rival
from flow3d.experiments.rivals.base import Motion, Rival, Widths
from flow3d.experiments.rivals.methods import DrivingPictures, rival_method
from flow3d.experiments.rivals.report import EARLIER, rivals_report, verdicts
from flow3d.experiments.rivals.run import AFFINE, OURS, OWN, UNTOLD, Runner, budget_of, measure_baselines
from flow3d.files import claim

FIRST = 1_000_000
BUDGET = budget_of("micro", 3, 2, 1, 1)


@pytest.fixture(scope="module")
def lists():
    return pair_lists(2, 2, 1, 32)


@pytest.fixture(scope="module")
def drivers(lists) -> DrivingPictures:
    return DrivingPictures(lists, self_seeds(1), 32)


def test_image_driven_methods_are_shown_the_right_picture(lists, drivers):
    class Mirror(Rival):
        """Paints what drives it."""

        driven_by = "picture"

        def forward(self, request):
            return request.driving, Motion(None)

    method = rival_method(Mirror(Widths("micro", (), ())), drivers)
    pair = lists["cross"][FIRST]
    assert torch.equal(reenact_pair(method, pair).output[0], pair.driving)
    assert not torch.equal(pair.driving, pair.target)
    assert torch.equal(reenact_pair(method, lists["self"][FIRST]).output[0], lists["self"][FIRST].target)
    edits = true_edits(FIRST, 32)
    assert torch.equal(reenact_edits(method, edits).output, edits.images)
    with pytest.raises(ValueError, match="windows: expected those of the lists"):
        method(pair.source, pair.source_alpha, pair.source_window, pair.driving_window[None] + 1)


def test_coefficient_driven_methods_are_shown_no_driving_picture(lists):
    method = rival_method(rival("PIRenderer", "micro").eval(), DrivingPictures({}, [], 32))
    made = reenact_pair(method, lists["cross"][FIRST])
    assert isinstance(made, Reenacted)
    assert made.alpha is not None
    assert bool((made.alpha == 1).all())


def test_results_are_kept_and_not_run_again(frames, lists, tmp_path):
    said: list[str] = []
    runner = Runner(BUDGET, frames, lists, tmp_path)
    first = runner.run(["FOMM", "Bi-Layer"], [0], said.append)
    assert len(said) == 2
    assert runner.run(["FOMM", "Bi-Layer"], [0], said.append) == first
    assert len(said) == 2
    assert all(np.isfinite(list(leg["numbers"].values())).all() for leg in first)
    assert {f"{edit}_gain" for edit in EDITED} < set(first[0]["numbers"])
    assert "cross_flow_error" in first[0]["numbers"]
    assert "cross_flow_error" not in first[1]["numbers"]  # it has no flow
    pair = lists["self"][FIRST]
    method, again = runner.method("FOMM", 0), runner.method("FOMM", 0)
    assert method is not None
    assert again is not None
    assert torch.equal(reenact_pair(method, pair).output, reenact_pair(again, pair).output)
    assert runner.method("X2Face", 0) is None
    with pytest.raises(ValueError, match="out: expected results of"):
        Runner(BUDGET, frames, lists, tmp_path, residual=False).run(["FOMM"], [0], said.append)


def test_a_folder_that_somebody_trains_into_is_refused(frames, tmp_path):
    with claim(tmp_path), pytest.raises(ValueError, match=r"^out: .* is being trained into by process"):
        Runner(BUDGET, frames, {}, tmp_path).run(["FOMM"], [0])


def test_our_own_result_is_trained_here_or_taken_over(frames, lists, tmp_path):
    runner = Runner(BUDGET, frames, lists, tmp_path / "here")
    (own,) = runner.run([OURS], [0], lambda _: None)
    assert runner.method(OURS, 0) is not None
    there = result_path(tmp_path, "extended", 0)
    result = {
        "leg": "extended",
        "seed": 0,
        "seconds": 7,
        "numbers": {"self: PSNR over copy, dB": 1.0},
        "settings": runner.settings,
    }
    there.write_text(json.dumps(result))
    taking = Runner(BUDGET, frames, lists, tmp_path / "new", ours=tmp_path)
    (taken,) = taking.run([OURS], [0], lambda _: None)
    assert taken == own | {"seconds": 7, "numbers": {"self_psnr": 1.0}}
    result_path(tmp_path, OWN[UNTOLD], 0).write_text(
        json.dumps(result | {"numbers": {"self: PSNR over copy, dB": 2.0}})
    )
    (untold,) = taking.run([UNTOLD], [0], lambda _: None)
    assert untold["numbers"] == {"self_psnr": 2.0}
    assert untold["parameters"] < own["parameters"]  # its vector does not end in a pose
    there.write_text(json.dumps(result | {"settings": {"preset": "tiny"}}))
    with pytest.raises(ValueError, match="ours: expected a result of"):
        Runner(BUDGET, frames, lists, tmp_path / "other", ours=tmp_path).run([OURS], [0], lambda _: None)


def test_baselines_have_the_numbers_they_must_have(lists):
    known = measure_baselines(lists, BUDGET)
    copy, blurred, affine, exact = known.values()
    assert copy["self_psnr"] == 0
    assert copy["wide_flow_error"] == 100
    assert copy["jaw_gain"] == 0
    assert blurred["self_psnr"] > 0
    assert exact["self_flow_error"] == 0
    assert exact["self_psnr"] > affine["self_psnr"]
    assert exact["cross_leak"] == 0
    assert exact["blink_gain"] != 0
    assert "jaw_gain" not in affine


def result(method: str, seed: int, number: float) -> dict:
    numbers = {"cross_psnr": number, "cross_flow_error": 10 - number}
    settings = {"preset": "micro", "residual": True}
    return {"method": method, "seed": seed, "seconds": 1, "parameters": 5, "numbers": numbers, "settings": settings}


def test_the_report_says_who_leads():
    ahead = [result(OURS, 0, 4.0), result(OURS, 1, 5.0), result("FOMM", 0, 1.0), result("FOMM", 1, 2.1)]
    assert verdicts(ahead, {}) == [
        "- cross PSNR, dB: ahead of FOMM (+2.95 ± 0.64).",  # 3 and 2.9: a standard error of .05, times 12.706
        "- cross flow error, %: ahead of FOMM (+2.95 ± 0.64).",
    ]
    behind = [*ahead, result("DaGAN", 0, 4.5), result("DaGAN", 1, 5.5)]
    assert verdicts(behind, {})[0] == "- cross PSNR, dB: behind DaGAN (-0.50 ± 0.00)."
    near = [*ahead, result("DaGAN", 0, 4.5), result("DaGAN", 1, 5.0)]
    affine = {AFFINE: {"cross_flow_error": 4.4}}
    assert verdicts(near, affine) == [
        "- cross PSNR, dB: not told apart from DaGAN (-0.25 ± 3.18).",  # -.5 and 0
        "- cross flow error, %: not told apart from DaGAN (-0.25 ± 3.18); not told apart from least-squares affine, "
        "which has no network (-1.10 ± 6.35).",
    ]
    assert verdicts([ahead[0], ahead[2]], {})[0] == "- cross PSNR, dB: too few seeds in common with FOMM."
    table = rivals_report(behind, {"copy": {"cross_psnr": 0.0}}, "command")
    assert "| copy |  |  | 0 |  | none | 0.00 |" in table
    assert "5.00 ± 0.71" in table
    assert "HyperReenact is absent" in table
    assert "warped pixels" in table
    assert "not told the pose, beside" not in table
    untold = rivals_report([*behind, result(UNTOLD, 0, 9.0), result(UNTOLD, 1, 9.5)], {}, "command")
    section = untold[untold.index("## Ours, not told the pose, beside") :]
    assert "- cross PSNR, dB: ahead of DaGAN (+4.25 ± 3.18)." in section  # 4.5 and 4
    assert "keep their names" not in untold
    earlier = rivals_report([*behind, result(EARLIER[0], 0, 9.0), result(EARLIER[0], 1, 9.5)], {}, "command")
    assert "## Ours, extended, beside" in earlier
    assert "keep their names" in earlier
    assert "Ours is not among the results." in rivals_report(behind[2:], {}, "command")
    with pytest.raises(ValueError, match="results: expected at least one method"):
        rivals_report([], {}, "command")


def test_the_command_writes_table_and_sheet(frames, tmp_path, capsys):
    known = ["rivals", "--data", str(frames.folder), "--out", str(tmp_path), "--pairs", "1", "--wide", "1"]
    small = [*known, "--identities", "1", "--steps", "3", "--seeds", "0", "--methods", "X2Face", "face-vid2vid"]
    assert main(small) == 0
    assert "face-vid2vid" in capsys.readouterr().out
    written = json.loads((tmp_path / "rivals.json").read_text())
    assert [leg["method"] for leg in written["legs"]] == ["X2Face", "face-vid2vid"]
    assert (tmp_path / "rivals.md").read_text().startswith("# Rivals, measured")
    assert b"generated" in (tmp_path / "rivals.png").read_bytes()
    assert main([*known, "--methods", "HyperReenact"]) == 2
    assert "error: --methods: HyperReenact is absent" in capsys.readouterr().err
    assert main([*known, "--steps", "2"]) == 2
    assert "error: --steps: expected a whole number of 3 or more, got '2'" in capsys.readouterr().err
    assert main(["rivals", "--data", str(tmp_path), "--out", str(tmp_path)]) == 2


def test_every_rival_has_a_file_of_its_own(tmp_path):
    assert len({result_path(tmp_path, name, seed) for name in (*RIVALS, OURS) for seed in range(3)}) == 3 * 7
