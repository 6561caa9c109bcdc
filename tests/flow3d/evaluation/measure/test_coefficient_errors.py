"""The table of a regressor's errors, from answers whose errors are known."""

import pytest
import torch

from flow3d.datasets import make_clip
from flow3d.evaluation.measure.coefficient_errors import (
    COLUMNS,
    FIRST_SEED,
    LEGEND,
    Answers,
    answer_clips,
    error_table,
    markdown,
)
from flow3d.perception import CoefficientRegressor
from tolerances import EVALUATION


def truth() -> torch.Tensor:
    steps = torch.arange(40.0)[:, None] * torch.linspace(0.5, 2, 153)  # slow ramps: a window's mean is its middle
    return torch.stack([steps, 100 - steps])


def row(answers: Answers, name: str = "yaw"):
    mean = answers.truth.flatten(0, 1).mean(0)
    return next(r for r in error_table(answers, mean) if r.name == name)


def test_a_perfect_answer_has_no_error():
    exact = truth()
    for name in ("yaw", "jaw_open", "identity (80)", "expression_24 to 63"):
        found = row(Answers(exact, exact, exact), name)
        for column in ("RMSE", "RMSE/std", "on black", "one frame", "mean of 27"):
            assert found[column] == pytest.approx(0, abs=EVALUATION["mean of a ramp"][0]), column
        assert found["R²"] == pytest.approx(1)
        assert found["correlation"] == pytest.approx(1)
        assert found["shuffled"] > found["always the mean"]


def test_always_the_mean_explains_nothing():
    exact = truth()
    mean = exact.flatten(0, 1).mean(0).expand_as(exact)
    found = row(Answers(mean, mean, exact))
    assert found["RMSE"] == pytest.approx(found["always the mean"])
    assert found["RMSE"] == pytest.approx(found["std"])
    assert found["R²"] == pytest.approx(0, abs=EVALUATION["explained by the mean"][0])


def test_errors_by_hand():
    exact = truth()
    off = exact + 3.0
    found = row(Answers(off, exact - 4.0, exact))
    values = {c: found[c] for c in ("RMSE", "on black", "one frame", "mean of 27")}
    assert values == {"RMSE": pytest.approx(3), "on black": pytest.approx(4), "one frame": pytest.approx(3),
                      "mean of 27": pytest.approx(3)}  # fmt: skip
    assert found["correlation"] == pytest.approx(1)
    noise = torch.randn(exact.shape, generator=torch.Generator().manual_seed(0))
    found = row(Answers(exact + noise, exact, exact))
    assert found["RMSE"] == pytest.approx(1, rel=EVALUATION["known noise"][0])
    assert found["mean of 27"] < 0.6 * found["one frame"]  # independent errors average out


def test_clips_are_fresh_and_the_answers_in_order(monkeypatch):
    regressor = CoefficientRegressor()
    shown: list[torch.Tensor] = []
    answer = regressor.answer
    monkeypatch.setattr(regressor, "answer", lambda frames: (shown.append(frames), answer(frames))[1])
    answers = answer_clips(regressor, identities=1, frames=27)
    clip = make_clip(FIRST_SEED, 27, 64)
    assert FIRST_SEED >= 1_000_000
    assert answers.estimates.shape == (1, 27, 153)
    assert torch.equal(shown[0], clip.frames)
    assert torch.equal(answers.truth[0, :, :73], clip.coefficients.values)
    assert (shown[1][:, :, :4, :4] == -1).all()
    rejoined = shown[1] + (1 - clip.alphas) * (clip.background + 1)
    torch.testing.assert_close(rejoined, clip.frames, rtol=0, atol=EVALUATION["rejoined"][0])
    text = markdown(error_table(answers, regressor.mean))
    assert all(column in text for column in COLUMNS)
    assert text.endswith(LEGEND)
    with pytest.raises(ValueError, match="frames: expected 27 or more, got 26"):
        answer_clips(regressor, 1, 26)
