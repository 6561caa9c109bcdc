"""Notebook 09's tools: clips with true answers, opinions, the studio, and tables drawn from the seeds.

Tests: flow3d.teach.figures.results.
"""

import json
import math
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import pytest
import torch

from flow3d import FlowRenderer, assets
from flow3d.datasets import make_clip, make_pair
from flow3d.evaluation.measure.edits import true_edits
from flow3d.evaluation.pairs.pair_files import published
from flow3d.evaluation.scores.metrics import blur
from flow3d.morphable import Coefficients, Person, talking_head
from flow3d.preprocessing import read_image, write_image
from flow3d.teach.figures import results
from flow3d.teach.lessons import lesson_09
from tolerances import EVALUATION, LESSONS, MORPHABLE


@pytest.fixture(scope="module")
def renderer() -> FlowRenderer:
    return FlowRenderer.from_pretrained("tiny").eval()


def test_a_clip_of_one_s_own_is_the_dataset_s_clip():
    pairs, clip = lesson_09.clip_pairs(1_000_006, 28, step=27), make_clip(1_000_006, 28)
    assert list(pairs) == [0, 27]
    for k, pair in pairs.items():
        assert torch.equal(pair.driving, clip.frames[k])
        assert torch.equal(pair.target, pair.driving)
        assert torch.equal(pair.driving_window, clip.windows[k])
    assert torch.equal(pairs[27].source, clip.frames[0])
    still = pairs[0].flow.abs().max()
    assert still < MORPHABLE["reprojected pixels"][0], "nothing moves on the source's own frame"


def test_a_stranger_drives_and_the_truth_is_the_person_s_own():
    pair = lesson_09.clip_pairs(1_000_006, 5, driver=1_000_008, step=4)[4]
    moves = talking_head(5, 1_000_008)
    assert torch.equal(pair.driving, Person.random(1_000_008).render(moves.frame(4), 64).image)
    assert torch.equal(pair.target, Person.random(1_000_006).render(moves.frame(4), 64).image)
    still = lesson_09.clip_pairs(1_000_006, 1, driver=1_000_008, motion=Coefficients.neutral())[0]
    assert torch.equal(still.target, Person.random(1_000_006).render(Coefficients.neutral().frame(0), 64).image)


def test_every_bin_gives_as_many_pairs():
    rows = published("self")
    pairs = lesson_09.evenly(rows, 1)
    bins = {row.seed: row.bin for row in rows}
    assert sorted(bins[seed] for seed in pairs) == ["0-10", "10-20", "20-35", "35+"]


def test_a_frozen_face_has_the_pose_of_the_truth_and_the_expression_of_the_source():
    pair = make_pair(1_000_006)
    picture, flow = lesson_09.frozen(1_000_006, pair)
    bare = (pair.target_alpha == 0).expand(3, -1, -1)
    assert (picture - pair.target)[bare].abs().mean() < LESSONS["beside the head"][0]
    assert not torch.equal(picture, pair.target)
    _, _, _, share = lesson_09.opinion(pair, picture, flow)
    assert 0 < share < 50, "pose is most of the motion"


def test_opinions_know_the_truth_the_copy_and_the_blur():
    pair = make_pair(1_000_006)
    level, _, sharp, share = lesson_09.opinion(pair, pair.target, pair.flow)
    ceiling = pytest.approx(10 * math.log10(4e10), abs=EVALUATION["decibels"][0])
    assert (level, sharp, share) == (ceiling, pytest.approx(1), 0)
    copied = lesson_09.opinion(pair, pair.source, torch.zeros(2, 64, 64))
    assert copied[3] == pytest.approx(100)
    blurred = lesson_09.opinion(pair, blur(pair.target, 1.5), None)
    assert blurred[2] < 0.9
    assert np.isnan(blurred[3])


def test_the_gain_of_the_truth_is_one_and_of_half_a_change_one_half():
    asked = true_edits(1_000_006, 64)
    assert lesson_09.gain_of(asked.images, asked) == pytest.approx(1)
    half = asked.images[:1] + 0.5 * (asked.images - asked.images[:1])
    assert lesson_09.gain_of(half, asked) == pytest.approx(0.5)
    assert lesson_09.gain_of(asked.images[:1].expand_as(asked.images), asked) == 0


def test_a_table_has_dashes_for_what_is_not_known():
    text = lesson_09.table({"a": [1.0, float("nan")]}, ("x", "y"))
    assert text.splitlines()[1].split() == ["a", "1.00", "–"]


def test_a_picture_is_cut_to_its_middle_square(tmp_path):
    wide = torch.full((3, 40, 80), -1.0)
    wide[:, :, 20:60] = 1.0
    write_image(tmp_path / "wide.png", wide)
    assert torch.equal(lesson_09.picture_of((tmp_path / "wide.png").read_bytes()), torch.ones(3, 64, 64))
    with pytest.raises(ValueError, match="path: expected an image"):
        lesson_09.picture_of(b"no picture")


def test_the_studio_takes_uploads_and_clips_and_says_what_it_cannot_read(tmp_path, renderer):
    paths = [tmp_path / f"{seed}.png" for seed in (1_000_011, 1_000_012)]
    for seed, path in zip((1_000_011, 1_000_012), paths, strict=True):
        write_image(path, Person.random(seed).render(Coefficients.neutral(), 64).image)
    studio = lesson_09.Studio(renderer, paths[0].read_bytes(), most=2)
    first = studio.image.value
    assert len(studio.frames) == 2
    content = paths[1].read_bytes()
    file = {"name": "me.png", "type": "image/png", "size": len(content), "last_modified": datetime.now(UTC)}
    studio.upload.value = ({**file, "content": memoryview(content)},)
    assert studio.image.value != first
    second = studio.image.value
    clip = tmp_path / "clip"
    clip.mkdir()
    for k in range(3):
        write_image(clip / f"{k}.png", read_image(paths[k % 2]))
    studio.path.value = str(clip)
    assert studio.image.value != second
    third = studio.image.value
    studio.upload.value = ({**file, "content": memoryview(b"nothing")},)
    assert "expected an image" in studio.message.value
    assert studio.image.value == third


def runs_of(**away: Sequence[float]) -> list[dict]:
    """Runs of "extended" and of others that differ from it, seed by seed, in two numbers."""
    runs = []
    for name, values in {"extended": [0.0] * 3, **away}.items():
        for seed, value in enumerate(values):
            numbers = {
                "self_psnr": 5 + seed + value,
                "cross_flow_error": 20 + seed - value,
            }
            runs.append({"leg": name.replace("_", " "), "seed": seed, "seconds": 1, "numbers": numbers, "settings": {}})
    return runs


NUMBERS = ("self_psnr", "cross_flow_error")


def test_differences_are_taken_seed_by_seed_and_claims_need_an_interval_that_leaves_out_0():
    runs = runs_of(
        **{"2D_flow": [-1, -1.1, -0.9], "no_refiner": [1, 2, 1.5], "no_cyclic_loss": [-1, -3, -0.2]},
        no_separation=[1],
    )
    assert results.differences(runs, "2D flow", NUMBERS[0]) == pytest.approx({0: -1, 1: -1.1, 2: -0.9})
    lines = results.claims(runs, NUMBERS)
    assert len(lines) == 8
    for table, words in {
        "Tab. 2a": "± 0.25  agrees",
        "Tab. 2b": "± 1.24  speaks against the paper",
        "Tab. 2c": "± 3.58  shows nothing",  # although every seed agrees
        "Tab. 3a": "1.00  one seed shows nothing",
    }.items():
        assert [line.endswith(words) for line in lines if line.startswith(table)] == [True, True], table


def test_equal_seeds_are_on_nobody_s_side():
    lines = results.claims(runs_of(**{"2D_flow": [0, 0, 0]}), NUMBERS)
    assert all(line.endswith("+0.00 ± 0.00  shows nothing") for line in lines)


def test_dots_are_blue_where_better_and_there_is_one_for_each_seed():
    figure = results.ablation_dots(runs_of(**{"2D_flow": [-1, 2, -0.5], "no_refiner": [1, 2]}), NUMBERS)
    for cell in figure.axes:
        dots = cell.collections
        assert [len(np.asarray(d.get_offsets())) for d in dots] == [3, 2]
        blue = [
            tuple(np.round(c[:3] * 255).astype(int)) == (0, 114, 178)
            for d in dots
            for c in np.asarray(d.get_facecolor())
        ]
        assert blue == [False, True, False, True, True], "less of an error is better"
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == ["2D flow · Tab. 2a", "no refiner · Tab. 2b"]


def test_an_unknown_variant_or_none_at_all_breaks_nothing():
    other = {"leg": "of another day", "seed": 0, "numbers": {}}
    for runs in ([], [other]):
        assert results.claims(runs) == []
        assert "Nothing is recorded" in results.ablation_dots(runs).axes[0].texts[0].get_text()
    assert "rivals" in results.rival_dots([]).axes[0].texts[0].get_text()
    assert results.ranking([], results.RIVALLED[0]) == []


def test_rivals_are_ranked_by_their_seeds():
    table = {"ours": [10, 11], "near": [10.5, 14], "far": [40, 41], "once": [60], "lost": [float("nan")]}
    number = results.RIVALLED[0]
    runs = [
        {"method": m, "seed": s, "numbers": {number: v, "self_sharpness": 1.0}}
        for m, values in table.items()
        for s, v in enumerate(values)
    ]
    assert list(results.by_method(runs, number)) == ["ours", "near", "far", "once"]
    words = [line.rsplit(", ", 1)[1] for line in results.ranking(runs, number)]
    assert words == [
        "not told apart (+1.75 ± 15.88)",  # .5 and 3
        "ahead by +28.25 ± 15.88",  # 29.5 and 27
        "but too few seeds to tell them apart",
    ]
    figure = results.rival_dots(runs)
    assert [len(np.asarray(d.get_offsets())) for d in figure.axes[0].collections] == [2, 2, 2, 1]
    assert not figure.axes[1].collections


def test_recorded_files_are_read_or_none_or_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(assets, "roots", lambda: [tmp_path])
    assert results.read_runs("rivals", "method") == []
    (tmp_path / "results").mkdir()
    file = tmp_path / "results" / "rivals.json"
    runs = [{"method": "ours", "seed": 0, "numbers": {}}]
    file.write_text(json.dumps(runs), encoding="utf-8")
    assert results.read_runs("rivals", "method") == runs
    file.write_text(json.dumps({"baselines": {}, "legs": runs}), encoding="utf-8")
    assert results.read_runs("rivals", "method") == runs
    file.write_text(json.dumps({"ours": 1}), encoding="utf-8")
    with pytest.raises(ValueError, match="name: expected a list of runs with 'method'"):
        results.read_runs("rivals", "method")
