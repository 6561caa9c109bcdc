"""A check says right, wrong or not attempted in one line, and never raises.

Tests: exercise.
"""

import numpy as np
import pytest
import torch

from flow3d.teach.exercises import checks
from flow3d.teach.exercises.exercise import Exercise, difference


def scale_flow(flow: torch.Tensor, factor: float) -> torch.Tensor:
    """Scale a flow."""
    return flow * factor


EXERCISE = Exercise(
    name="scale_flow",
    reference=scale_flow,
    cases={
        "zero flow": lambda: (torch.zeros(2, 3, 3), 2.0),
        "a shift to the right": lambda: (torch.stack([torch.ones(3, 3), torch.zeros(3, 3)]), 2.0),
    },
    mistakes={"x and y swapped": lambda flow, factor: flow.flip(0) * factor, "not scaled": lambda flow, factor: flow},
    hint="multiply",
)


@pytest.fixture
def registry(monkeypatch):
    monkeypatch.setattr(checks, "registered", lambda: {EXERCISE.name: EXERCISE})


def verdict_and_line(answer, capsys, name="scale_flow"):
    verdict = checks.check(name, answer)
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1
    assert printed.rstrip("\n") == str(verdict)
    return verdict, printed


def test_the_reference_is_right(registry, capsys):
    verdict, line = verdict_and_line(scale_flow, capsys)
    assert verdict
    assert verdict.state == "right"
    assert line.startswith("✓ scale_flow")


def test_an_untouched_stub_is_not_attempted(registry, capsys):
    def stub(flow, factor):
        raise NotImplementedError

    verdict, line = verdict_and_line(stub, capsys)
    assert not verdict
    assert verdict.state == "not attempted"
    assert line.startswith("… scale_flow")


def test_a_wrong_answer_gets_the_case_expected_and_got(registry, capsys):
    verdict, line = verdict_and_line(lambda flow, factor: flow * 3, capsys)
    assert verdict.state == "wrong"
    assert line.startswith(
        "✗ scale_flow, a shift to the right: expected 2 at (0, 0, 0), got 3 (50% of the values differ)"
    )


@pytest.mark.parametrize("label", EXERCISE.mistakes)
def test_a_known_mistake_is_named(label, registry, capsys):
    _, line = verdict_and_line(EXERCISE.mistakes[label], capsys)
    assert line.rstrip().endswith(f"this mistake gives the same: {label}")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda flow, factor: None, "is a return missing?"),
        (lambda flow, factor: flow[0], r"expected shape (2, 3, 3), got (3, 3)"),
        (lambda flow, factor: flow * float("nan"), "got nan"),
        (lambda flow, factor: "two", "got str"),
        (lambda flow: flow, "raised TypeError"),
        (lambda flow, factor: 1 / 0, "raised ZeroDivisionError"),
        (lambda flow, factor: [flow, [flow]], "got list"),
        (5, "raised TypeError"),
    ],
    ids=["nothing", "one slice", "not a number", "a word", "one argument", "a division", "a list", "no function"],
)
def test_strange_answers_are_wrong_and_do_not_raise(answer, words, registry, capsys):
    verdict, line = verdict_and_line(answer, capsys)
    assert verdict.state == "wrong"
    assert words in line


def test_an_answer_that_spoils_its_input_spoils_only_its_own(registry, capsys):
    def in_place(flow, factor):
        flow *= factor
        return flow

    assert verdict_and_line(in_place, capsys)[0]


def test_an_unknown_name_suggests_the_nearest(registry, capsys):
    verdict, line = verdict_and_line(scale_flow, capsys, name="scale_flows")
    assert verdict.state == "wrong"
    assert "did you mean 'scale_flow'?" in line
    checks.hint("nothing_like_it")
    checks.solution("nothing_like_it")
    assert capsys.readouterr().out.count("no exercise is named 'nothing_like_it'") == 2


def test_hint_and_solution(registry, capsys, monkeypatch):
    checks.hint("scale_flow")
    assert capsys.readouterr().out == "multiply\n"
    shown = []
    monkeypatch.setattr(checks, "show_source", shown.append)
    checks.solution("scale_flow")
    assert shown == [scale_flow]


@pytest.mark.parametrize(
    ("expected", "got", "words"),
    [
        (1.0, 1.00001, None),
        (torch.ones(2), np.ones(2), None),
        (torch.ones(2), [1, 1], None),
        (float("nan"), float("nan"), None),
        (torch.tensor([float("inf")]), torch.tensor([1.0]), "expected inf at (0,), got 1"),
        ((1, 2), (1, 3), "[1]: expected 2, got 3"),
        ((1, 2), (1,), "expected 2 values, got 1"),
        ({"a": 1}, {"a": 2}, "['a']: expected 1, got 2"),
        ({"a": 1}, {"b": 1}, "expected the keys ['a'], got ['b']"),
        ("border", "zeros", "expected 'border', got 'zeros'"),
        (True, True, None),
    ],
)
def test_difference_in_words(expected, got, words):
    assert difference(expected, got, 1e-4, 1e-4) == words
