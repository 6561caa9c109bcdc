"""AED, APD and pose distance against hand-made differences; what the scorer reads; named landmarks; who may judge."""

import pytest
import torch

from flow3d import assets
from flow3d.datasets import make_pair
from flow3d.evaluation.measure.coefficient_errors import answer_clips, error_table
from flow3d.evaluation.scores.motion_scores import (
    LANDMARKS,
    READ,
    MotionEstimate,
    aed,
    apd_rot,
    apd_rt,
    estimate_motion,
    landmark_vertices,
    landmarks,
    motion_distances,
    pose_distance,
)
from flow3d.morphable import Person, talking_head
from flow3d.morphable.coefficients import NAMES, index
from flow3d.perception import CoefficientRegressor
from tolerances import EVALUATION


@pytest.fixture(scope="module")
def scorer() -> CoefficientRegressor:
    return CoefficientRegressor.from_pretrained("scorer")


def test_distances_are_means_of_absolute_differences():
    a, b = torch.zeros(2, 73), torch.zeros(2, 73)
    read = [index(name) for name in READ]
    b[0, :64] = 9.0  # what the scorer cannot read does not count
    b[0, read] = torch.tensor([1.0, -1.0, 0.5, -0.5, 2.0])  # signs do not cancel
    b[1, 64:67], b[1, 67:70] = torch.tensor([0.3, -0.3, 0.0]), torch.tensor([0.0, 0.8, 0.0])
    b[:, 70:] = 9.0  # the crop is nobody's motion
    limit = EVALUATION["by hand"][0]
    assert aed(a, b) == pytest.approx([1.0, 0.0], abs=limit)
    assert apd_rot(a, b) == pytest.approx([0.0, 0.2], abs=limit)
    assert apd_rt(a, b) == pytest.approx([0.0, 1.4 / 6], abs=limit)
    points = torch.zeros(2, 3, 2)
    points[1, :, 0], points[1, :, 1] = 3.0, -1.0
    assert pose_distance(points, torch.zeros(2, 3, 2)) == pytest.approx([0.0, 2.0])


def test_landmarks_are_the_heads_own_vertices():
    person, motion = Person.random(1_000_003), talking_head(30, 1_000_003).values[29]
    frame = person.render(motion, 256)
    found = landmarks(torch.cat([motion, person.alpha])[None])[0]
    torch.testing.assert_close(found, frame.screen[landmark_vertices()], rtol=0, atol=EVALUATION["landmarks"][0])


def test_landmarks_lie_where_their_names_say():
    at = dict(zip(LANDMARKS, landmarks(_neutral())[0].tolist(), strict=True))
    assert len(set(landmark_vertices().tolist())) == len(LANDMARKS) == 29
    for name, (x, y) in at.items():
        side = name.rpartition("_")[2]
        assert side not in ("left", "right") or (x < 127.5) == (side == "left"), name
        if side == "left":  # the mean head is symmetric
            mirrored = at[name.removesuffix("left") + "right"]
            assert (255 - x, y) == pytest.approx(mirrored, abs=EVALUATION["landmarks"][0])
    order = ("brow_middle_left", "lid_upper_left", "lid_lower_left", "nose_tip", "lip_upper_middle", "chin")
    heights = [at[name][1] for name in order]
    assert heights == sorted(heights)


def test_the_jaw_moves_the_lower_lip_and_not_the_upper():
    shut, opened = _neutral(), _neutral()
    opened[0, index("jaw_open")] = 1
    moved = (landmarks(opened) - landmarks(shut))[0]
    lower, upper = (LANDMARKS.index(f"lip_{name}_middle") for name in ("lower", "upper"))
    assert moved[lower, 1] > 5
    assert moved[upper].abs().max() < 1


def _neutral() -> torch.Tensor:
    answers = torch.zeros(1, 153)
    answers[0, 70] = 1  # the crop's scale
    return answers


def test_the_driver_is_nearer_than_a_stranger_and_than_the_source(scorer):
    pairs = [make_pair(seed, 64) for seed in (1_000_001, 1_000_002, 1_000_005)]
    source, target = (torch.stack([getattr(pair, name) for pair in pairs]) for name in ("source", "target"))
    answers, sources = estimate_motion(scorer, target), estimate_motion(scorer, source)
    assert all(sum(values) == 0 for values in motion_distances(answers, answers).values())
    shuffled = estimate_motion(scorer, target.roll(1, 0))
    for name, noise in {"aed_read": 0.05, "apd_rot": 0.05, "apd_rt": 0.03, "pose_distance": 5.0}.items():
        assert sum(motion_distances(answers, shuffled)[name]) / 3 > noise
        assert sum(motion_distances(answers, sources)[name]) / 3 > noise


def test_the_scorer_reads_the_truth_to_some_pixels(scorer):
    pair = make_pair(1_000_001, 64)
    exact = torch.cat([pair.driving_window[:, 13], Person.random(1_000_001).alpha])[None]
    away = pose_distance(estimate_motion(scorer, pair.target[None]).points, landmarks(exact))
    assert away[0] < EVALUATION["scorer, pose distance"][0]


def test_what_the_scorer_reads_is_what_its_card_says():
    card = assets.path("weights/scorer/README.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.split("|")] for line in card.splitlines() if line.startswith("| ")]
    expressions = {row[1]: float(row[6]) for row in rows if row[1] in NAMES[:64]}
    assert len(expressions) == 24  # the others have no name, and a mean of -.02
    assert {name: value for name, value in expressions.items() if value > 0.5} == READ


@pytest.mark.slow
def test_what_the_scorer_reads_is_measured_on_unseen_persons(scorer):
    rows = error_table(answer_clips(scorer, 24, 27), scorer.mean)
    known = {row.name: row["R²"] for row in rows if row.name in NAMES[:64] or row.name.startswith("expression")}
    limit = EVALUATION["read by the scorer"][0]
    assert {name for name, value in known.items() if value > limit} == set(READ)


def test_the_network_that_trains_must_not_judge():
    with pytest.raises(
        ValueError, match="scorer: expected a regressor for scoring, got 'regressor', which is for training"
    ):
        estimate_motion(CoefficientRegressor.from_pretrained(), torch.zeros(1, 3, 64, 64))


def test_what_is_not_153_finite_numbers_is_refused():
    with pytest.raises(ValueError, match=r"answers: expected \(N, 153\) finite numbers"):
        landmarks(torch.full((1, 153), torch.nan))
    one, two = (MotionEstimate(torch.zeros(count, 73), torch.zeros(count, 29, 2)) for count in (1, 2))
    with pytest.raises(ValueError, match="driving: expected 1 frames, got 2"):
        motion_distances(one, two)
