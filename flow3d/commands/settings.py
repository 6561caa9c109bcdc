"""Options that take NAME=VALUE, such as ``train --set learning_rate=1e-3``: fields of a configuration by name."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from ..fields import Configuration, parse

C = TypeVar("C", bound=Configuration)
ELSEWHERE = ("preset", "recipe", "phase")  # fields that decide others, with an option of their own


def changed(config: C, option: str, settings: Sequence[str]) -> C:
    """The configuration after every NAME=VALUE that ``option`` was given.

    Raises:
        ValueError: no NAME=VALUE, an unknown name, a value that does not fit, or a name with an option of its own; the
            message begins with option and name.
    """
    changes = {}
    for text in settings:
        name, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"{option}: expected NAME=VALUE, got {text!r}")
        if name in ELSEWHERE:
            raise ValueError(f"{option} {name}: expected --{name} instead, which sets other fields too")
        with _named_after(option):
            changes[name] = parse(type(config), name, value)
    with _named_after(option):
        return config.replace(**changes)


@contextmanager
def _named_after(option: str) -> Generator[None]:
    """Put the option before the field that an error names."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{option} {error}") from error
