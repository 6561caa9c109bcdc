"""An exercise, and the comparison of an answer with the truth."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch


@dataclass(frozen=True)
class Exercise:
    """One exercise: an answer must agree with the package's function on every named input.

    Attributes:
        name: what the notebook passes to ``checks.check``.
        reference: the package's function; its source is the solution, so the two cannot drift apart.
        cases: a case's name -> a function that returns fresh positional arguments, as a tuple.
        mistakes: a mistake's name -> a function that makes just that mistake. If a learner's answers equal it, the
            verdict names it. The tests demand that every mistake is judged wrong; name at least two.
        hint: one sentence that helps without giving the answer.
        rtol, atol: how close an answer must be, relative and absolute.
    """

    name: str
    reference: Callable[..., Any]
    cases: Mapping[str, Callable[[], tuple]]
    mistakes: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    hint: str = ""
    rtol: float = 1e-4
    atol: float = 1e-4


@dataclass(frozen=True)
class Verdict:
    """The outcome of a check; true where the answer is right."""

    state: Literal["right", "wrong", "not attempted"]
    line: str

    def __bool__(self) -> bool:
        """Return whether the answer is right."""
        return self.state == "right"

    def __str__(self) -> str:
        """Return the line that the check printed."""
        return self.line

    def _ipython_display_(self) -> None:
        """Show nothing: ``check`` has printed the line already."""


def difference(expected: object, got: object, rtol: float, atol: float) -> str | None:
    """Return in words how ``got`` differs from ``expected``, or None where they agree.

    Tensors, arrays and numbers are compared by value, tuples and lists item by item, mappings key by key, anything else
    by ``==``. NaN agrees with NaN only.
    """
    if isinstance(expected, Mapping):
        if not isinstance(got, Mapping) or set(got) != set(expected):
            return (
                f"expected the keys {sorted(expected)}, got {sorted(got) if isinstance(got, Mapping) else _kind(got)}"
            )
        return _first(((f"[{key!r}]", expected[key], got[key]) for key in expected), rtol, atol)
    if isinstance(expected, tuple | list):
        if not isinstance(got, tuple | list) or len(got) != len(expected):
            size = f"{len(got)}" if isinstance(got, tuple | list) else _kind(got)
            return f"expected {len(expected)} values, got {size}"
        return _first(((f"[{i}]", *pair) for i, pair in enumerate(zip(expected, got, strict=True))), rtol, atol)
    if not isinstance(expected, torch.Tensor | np.ndarray | np.generic | float | int):
        return None if got == expected else f"expected {expected!r}, got {got!r}"
    try:
        truth, answer = _array(expected), _array(got)
    except (TypeError, ValueError, RuntimeError):
        return f"expected {_kind(expected)}, got {_kind(got)}"
    if truth.shape != answer.shape:
        return f"expected shape {truth.shape}, got {answer.shape}"
    wrong = ~np.isclose(answer, truth, rtol=rtol, atol=atol, equal_nan=True)
    if not wrong.any():
        return None
    with np.errstate(invalid="ignore"):  # inf - inf
        gap = np.where(wrong, np.nan_to_num(np.abs(answer - truth), nan=np.inf), -1.0)
    worst = np.unravel_index(int(gap.argmax()), gap.shape)
    where = f" at {tuple(int(i) for i in worst)}" if truth.ndim else ""
    share = f" ({wrong.mean():.0%} of the values differ)" if truth.size > 1 else ""
    return f"expected {truth[worst]:.5g}{where}, got {answer[worst]:.5g}{share}"


def _first(items: Any, rtol: float, atol: float) -> str | None:
    """Return the first difference among (label, expected, got) triples, led by its label."""
    for label, expected, got in items:
        if (words := difference(expected, got, rtol, atol)) is not None:
            return f"{label}: {words}"
    return None


def _array(value: object) -> np.ndarray:
    """Return a float64 array; None and text are refused rather than read as numbers."""
    if isinstance(value, torch.Tensor):
        return value.detach().cpu().double().numpy()
    if value is None or isinstance(value, str | bytes):
        raise TypeError
    return np.asarray(value, dtype=np.float64)


def _kind(value: object) -> str:
    """Return a short name for what kind of value this is."""
    if value is None:
        return "nothing (None: is a return missing?)"
    shape = getattr(value, "shape", None)
    return type(value).__name__ + (f" of shape {tuple(shape)}" if shape is not None else "")
