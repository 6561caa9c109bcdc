"""Every exercise can be told right from wrong, and every one stands in a notebook.

Tests: flow3d.teach.exercises.notebook_01, flow3d.teach.exercises.notebook_02, flow3d.teach.exercises.notebook_03,
flow3d.teach.exercises.notebook_04, flow3d.teach.exercises.notebook_05, flow3d.teach.exercises.notebook_06,
flow3d.teach.exercises.notebook_07, flow3d.teach.exercises.notebook_08, flow3d.teach.exercises.notebook_08_ladder,
flow3d.teach.exercises.notebook_09.
"""

import inspect
from collections import Counter

import pytest
from lesson import PATHS, checks_in, read

from flow3d.teach.exercises import checks
from flow3d.teach.exercises.exercise import Exercise
from flow3d.teach.source import source_text
from tolerances import LESSONS

EXERCISES = list(checks.registered().values())


@pytest.fixture(params=EXERCISES, ids=[exercise.name for exercise in EXERCISES])
def exercise(request) -> Exercise:
    return request.param


def test_the_reference_is_right(exercise):
    verdict = checks.check(exercise.name, exercise.reference)
    assert verdict, verdict.line


def test_an_untouched_stub_is_not_attempted(exercise):
    def stub(*arguments):
        raise NotImplementedError

    assert checks.check(exercise.name, stub).state == "not attempted"


def test_known_mistakes_are_wrong_and_told_apart(exercise):
    assert len(exercise.mistakes) >= 2, "name at least two mistakes that the cases must catch"
    for label, mistake in exercise.mistakes.items():
        verdict = checks.check(exercise.name, mistake)
        assert verdict.state == "wrong", label
        assert "your code raised" not in verdict.line, f"{label}: a mistake should give a wrong value"
        assert label in verdict.line, f"{label} is taken for another mistake: {verdict}"


def test_cases_are_fresh_repeatable_and_quick(exercise):
    assert exercise.cases
    for make in exercise.cases.values():
        first, second = make(), make()
        assert isinstance(first, tuple)
        assert all(a is not b for a, b in zip(first, second, strict=True) if hasattr(a, "shape"))
    assert exercise.rtol <= LESSONS["loosest answer"][0], "a looser tolerance lets wrong answers through"
    assert exercise.atol <= LESSONS["loosest answer"][0], "a looser tolerance lets wrong answers through"


def test_the_solution_is_the_package_function(exercise):
    module = inspect.getmodule(inspect.unwrap(exercise.reference))
    assert module is not None
    assert module.__name__.split(".")[0] in ("flow3d", "flow3d_kernels")
    assert not module.__name__.startswith("flow3d.teach"), "the solution must be what the package itself runs"
    assert "def " in source_text(exercise.reference)
    assert exercise.hint


def test_every_exercise_stands_in_one_notebook_and_every_check_is_registered():
    standing = Counter(name for path in PATHS for code in read(path).code for name, _ in checks_in(code))
    assert standing == Counter(exercise.name for exercise in EXERCISES)
