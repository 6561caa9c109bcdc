"""Every score has a key, a name and a label of its own, and files keep the labels."""

import json

import pytest

from flow3d import assets
from flow3d.evaluation.measure.edits import EDITS
from flow3d.evaluation.scores.catalogue import EDITED, SCORES, from_labels, to_labels


def test_scores_are_told_apart():
    for field in ("key", "name", "label"):
        assert len({getattr(score, field) for score in SCORES.values()}) == len(SCORES) == 3 * 5 + 5 + len(EDITED)
    assert all(key == score.key for key, score in SCORES.items())
    assert set(EDITED) <= set(EDITS)


def test_a_score_says_which_way_is_better():
    assert SCORES["cross_psnr"].sign == 1
    assert SCORES["wide_flow_error"].sign == -1
    assert SCORES["self_sharpness"].sign == 0
    assert SCORES["cross_flow_error"].heading == "cross flow error, %"
    assert SCORES["gaze_x_gain"].heading == "gaze gain"


def test_labels_lead_back_to_keys():
    numbers = {key: float(k) for k, key in enumerate(SCORES)}
    assert from_labels(to_labels(numbers)) == numbers
    with pytest.raises(ValueError, match=r"numbers: expected labels of .*, got 'cross: smell'"):
        from_labels({"cross: PSNR over copy, dB": 1.0, "cross: smell": 2.0})


@pytest.mark.parametrize("name", ["ablations", "ablations_tiny", "rivals"])
def test_shipped_results_keep_their_labels(name):
    content = json.loads(assets.path(f"results/{name}.json").read_text(encoding="utf-8"))
    runs = content if isinstance(content, list) else content["legs"]
    baselines = [] if isinstance(content, list) else content["baselines"].values()
    for numbers in (*(run["numbers"] for run in runs), *baselines):
        assert list(to_labels(from_labels(numbers)).items()) == list(numbers.items())
