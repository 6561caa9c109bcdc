"""Configurations whose fields declare type and range in their annotations, by which they are checked and parsed.

A configuration is a frozen dataclass with fields such as ``steps: Count = 20_000``. A field is a bool, int, float, str
or Literal, a tuple of these, one of them or None, or another configuration, whose fields then count by their own names.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import json
from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar, cast, get_type_hints

from .field_kinds import Inner, Kind, Misfit, Range, kind_of

C = TypeVar("C", bound="Configuration")
LONGEST = 60  # characters of a value that a message repeats

Whole = Annotated[int, Range(0, 10**9)]
Count = Annotated[int, Range(1, 10**9)]
Batch = Annotated[int, Range(1, 2**16)]
Seed = Annotated[int, Range(0, 2**63 - 1)]  # what torch and numpy both take
Share = Annotated[float, Range(0, 1, noun="share")]
Weight = Annotated[float, Range(0, noun="finite weight")]
Positive = Annotated[float, Range(0, above=True)]
# Sizes of networks: far above any preset, and low enough that no file can ask for endless layers.
Width = Annotated[int, Range(1, 2048)]
Blocks = Annotated[int, Range(0, 32)]


class Configuration:
    """The base of every configuration. A class with checks of its own calls ``super().__post_init__()`` first."""

    def __post_init__(self) -> None:
        for name, kind in kinds(type(self)).items():
            object.__setattr__(self, name, _named(name, kind, kind.fit, getattr(self, name)))

    def replace(self: C, /, **changes: Any) -> C:
        """A copy with some fields changed; those of an inner configuration may be named as if they were its own.

        Raises:
            ValueError: no such field (the nearest is suggested), or a value that does not fit it.
        """
        known = kinds(type(self))
        own: dict[str, Any] = {name: getattr(self, name) for name in known}
        inner: dict[str, dict[str, Any]] = {}
        for name, value in changes.items():
            holder, _ = _find(type(self), name)
            if holder == name:
                own[name] = _named(name, known[name], known[name].fit, value)
            else:
                inner.setdefault(holder, {})[name] = value
        for holder, values in inner.items():
            own[holder] = own[holder].replace(**values)
        return type(self)(**own)

    def to_json(self) -> str:
        """The configuration as JSON."""
        return json.dumps(dataclasses.asdict(cast("Any", self)), indent=1)

    @classmethod
    def from_json(cls: type[C], text: str | bytes) -> C:
        """The reverse of :meth:`to_json`; a field that the text lacks has its default.

        Raises:
            ValueError: not JSON, an unknown field, or a value that does not fit its field.
        """
        return cls().replace(**read_json(text))


def parse(cls: type, name: str, text: str) -> Any:
    """The value of a configuration's field ``name`` that a user wrote as ``text``.

    Raises:
        ValueError: no such field (the nearest is suggested), or a text that does not fit it.
    """
    _, kind = _find(cls, name)
    return _named(name, kind, lambda given: kind.fit(kind.read(given.strip())), text)


def read_json(text: str | bytes) -> dict[str, Any]:
    """The object that a JSON text holds.

    Raises:
        ValueError: not JSON, nested too deeply, or no object.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError, OverflowError) as error:  # ValueError: broken JSON, or bytes that are no text
        raise ValueError(f"text: expected JSON, got {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"text: expected an object, got {type(content).__name__}")
    return content


@functools.cache
def kinds(cls: Any) -> Mapping[str, Kind]:
    """The kind of each field of a configuration."""
    hints = get_type_hints(cls, include_extras=True)
    return {field.name: kind_of(hints[field.name]) for field in dataclasses.fields(cls)}


def _find(cls: type, name: str) -> tuple[str, Kind]:
    """The field that ``name`` belongs to, itself or an inner configuration, and its kind."""
    known = {field: (field, kind) for field, kind in kinds(cls).items()}
    for field, kind in kinds(cls).items():
        if isinstance(kind, Inner):
            known |= {inner: (field, inner_kind) for inner, inner_kind in kinds(kind.configuration).items()}
    if name not in known:
        near = difflib.get_close_matches(name[:LONGEST], known, n=1, cutoff=0.0)[0]
        named = name if name.isidentifier() and len(name) <= LONGEST else show(name)
        raise ValueError(f"{named}: expected a field of {cls.__name__}; the nearest is {near!r}")
    return known[name]


def _named(name: str, kind: Kind, take: Callable[[Any], Any], value: Any) -> Any:
    try:
        return take(value)
    except Misfit:
        raise ValueError(f"{name}: expected {kind.words()}, got {show(value)}") from None


def show(value: Any) -> str:
    """A value for a message, in one line and not too long."""
    try:
        text = repr(value)
    except ValueError:  # an int of thousands of digits
        return f"a {type(value).__name__} too long to show"
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
