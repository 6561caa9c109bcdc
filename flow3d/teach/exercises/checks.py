"""Check an exercise, ask for a hint, see the solution.

Every exercise stands in a list named ``EXERCISES`` in a module of ``flow3d.teach.exercises``, one module per notebook
(``notebook_02.py``). Nothing else is needed to register it.
"""

import difflib
import importlib
import pkgutil
from functools import cache
from typing import Any

from flow3d.teach import exercises
from flow3d.teach.exercises.exercise import Exercise, Verdict, difference
from flow3d.teach.source import show_source


@cache
def registered() -> dict[str, Exercise]:
    """Return every exercise by name.

    Raises:
        ValueError: two exercises share a name.
    """
    by_name: dict[str, Exercise] = {}
    for module in pkgutil.iter_modules(exercises.__path__):
        if not module.name.startswith("notebook_"):
            continue
        for exercise in importlib.import_module(f"{exercises.__name__}.{module.name}").EXERCISES:
            if exercise.name in by_name:
                raise ValueError(f"two exercises are named {exercise.name!r}")
            by_name[exercise.name] = exercise
    return by_name


def check(name: str | Exercise, answer: Any) -> Verdict:
    """Try ``answer`` on the exercise's cases, print one line with the verdict, and never raise.

    ``✓`` right on every case; ``✗`` what differed, expected and got; ``…`` the stub still raises NotImplementedError.

    Args:
        name: a registered exercise's name, or an exercise.
        answer: the learner's function; anything else is judged wrong.

    Returns:
        The verdict, true where the answer is right.
    """
    exercise = name if isinstance(name, Exercise) else registered().get(name)
    verdict = _judge(exercise, answer) if exercise else Verdict("wrong", f"✗ {_unknown(str(name))}")
    print(verdict)
    return verdict


def hint(name: str) -> None:
    """Print the exercise's hint."""
    exercise = registered().get(name)
    print(exercise.hint or "no hint: the text above says it all" if exercise else _unknown(name))


def solution(name: str) -> None:
    """Show the solution: the source of the package's own function."""
    exercise = registered().get(name)
    if exercise:
        show_source(exercise.reference)
    else:
        print(_unknown(name))


def _judge(exercise: Exercise, answer: Any) -> Verdict:
    """Compare answer and reference case by case; the first difference decides."""
    for case, make in exercise.cases.items():
        place = f"✗ {exercise.name}, {case}:"
        try:
            got = answer(*make())
        except NotImplementedError:
            return Verdict("not attempted", f"… {exercise.name}: not attempted yet")
        except Exception as error:  # the learner's code may raise anything
            return Verdict("wrong", f"{place} your code raised {type(error).__name__}: {_one_line(error)}")
        try:
            words = difference(exercise.reference(*make()), got, exercise.rtol, exercise.atol)
        except Exception as error:  # an answer of some exotic type may refuse to be compared
            words = f"the answer could not be compared ({type(error).__name__}: {_one_line(error)})"
        if words is not None:
            return Verdict("wrong", f"{place} {words}{_diagnosis(exercise, answer)}")
    return Verdict("right", f"✓ {exercise.name}")


def _diagnosis(exercise: Exercise, answer: Any) -> str:
    """Return the name of the known mistake that gives the same answers in every case, if there is one."""
    for label, mistake in exercise.mistakes.items():
        try:
            pairs = [(mistake(*make()), answer(*make())) for make in exercise.cases.values()]
            if all(difference(a, b, exercise.rtol, exercise.atol) is None for a, b in pairs):
                return f"; this mistake gives the same: {label}"
        except Exception:  # a mistake, or the answer, may fail on some case: then it is no match
            continue
    return ""


def _one_line(error: Exception, limit: int = 160) -> str:
    """Return an error's message on one line, cut where it grows long."""
    text = " ".join(str(error).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _unknown(name: str) -> str:
    """Return a message that no exercise has this name, with the nearest name."""
    near = difflib.get_close_matches(name, registered(), n=1)
    return f"no exercise is named {name!r}" + (f"; did you mean {near[0]!r}?" if near else "")
