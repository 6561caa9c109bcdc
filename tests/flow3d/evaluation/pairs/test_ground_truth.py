"""The measurements themselves: known answers, and that exact flow beats what it must beat."""

import json
import sys
from functools import partial

import pytest
import torch

from flow3d.datasets import make_pair
from flow3d.evaluation.pairs import ground_truth
from flow3d.evaluation.pairs.ground_truth import flow_row, main, measure_flow, measure_identities, measure_speed
from flow3d.evaluation.scores.metrics import psnr, warp_image
from flow3d.morphable import Coefficients, Person


@pytest.mark.parametrize("seed", [0, 2, 4])
def test_exact_flow_beats_the_affine_map_and_the_control_fails(seed):
    row = flow_row(make_pair(seed, 64))
    assert row["exact"] > 20
    assert row["exact"] > row["affine"] + 3
    assert row["exact"] > row["copy"] + 4
    assert row["exact"] > row["swapped"] + 4
    assert row["visible"] > 0.6


def test_a_flow_of_the_wrong_sign_is_far_worse():
    pair = make_pair(2, 64)
    seen = (pair.visible[0] > 0.5) & (pair.target_alpha[0] > 0.5)
    right, wrong = (psnr(warp_image(pair.source, sign * pair.flow), pair.target, seen) for sign in (1, -1))
    assert right > wrong + 8


def test_the_means_reach_the_floors_on_a_few_pairs():
    table = measure_flow(6, 64)
    assert table["exact"] > 25
    assert table["exact"] > table["affine"] + 5
    assert table["visible"] > 0.6


def test_twelve_identities_show_their_faces():
    assert measure_identities(12) == {
        "identities": 12, "not finite": 0, "outside the frame": 0, "an eye hidden": 0, "mouth hidden": 0,
    }  # fmt: skip


def test_the_identity_check_can_fail(monkeypatch):
    turned = Coefficients.neutral().replace(yaw=3.0, translation_y=-0.8)  # only the back of the head is seen
    render = Person.render
    monkeypatch.setattr(Person, "render", lambda person, _, size: render(person, turned, size))
    table = measure_identities(2)
    assert table["an eye hidden"] == table["mouth hidden"] == table["outside the frame"] == 2


def test_speed_is_of_one_thread_and_leaves_the_threads_alone(two_threads):
    spent = measure_speed(2)
    assert torch.get_num_threads() == 2
    stages = {"pose, ms", "rasterise, ms", "whole frame, ms", "exact flow, ms"}
    assert set(spent) == stages | {"frames with flow a second", "128 px drawn as PNG, ms"}
    assert all(value > 0 for value in spent.values())


@pytest.mark.parametrize("measure", [partial(measure_flow, 0, 64), partial(measure_identities, 0)])
def test_measuring_nothing_is_refused(measure):
    with pytest.raises(ValueError, match="expected 1 or more, got 0"):
        measure()


def test_the_command_writes_both_files_whole(tmp_path, monkeypatch, capsys):
    out = tmp_path / "results"
    options = ["--out", str(out), "--pairs", "1", "--identities", "1", "--size", "32"]
    monkeypatch.setattr(sys, "argv", ["ground_truth", *options])
    monkeypatch.setattr(ground_truth, "measure_speed", lambda: {"render": 1.0})
    main()
    tables = json.loads((out / "ground_truth.json").read_text())
    assert set(tables) == {"exact flow", "identities", "speed"}
    text = (out / "ground_truth.md").read_text()
    assert "--pairs 1 --identities 1 --size 32" in text
    assert "## Exact flow" in text
    assert "| identities | 1 |" in capsys.readouterr().out
    assert sorted(p.name for p in out.iterdir()) == ["ground_truth.json", "ground_truth.md"]
