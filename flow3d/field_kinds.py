"""Kinds of fields, one class each: how a value is checked, how a user's text is read, how messages describe it."""

from __future__ import annotations

import math
import numbers
import re
import types
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import numpy as np

SWITCH = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
WHOLE = re.compile(r"[+-]?[0-9]+(_[0-9]+)*")
UNWRITABLE = re.compile("[\0\ud800-\udfff]")  # characters that no file's name or text may hold
BRACKETS = (("(", ")"), ("[", "]"))


@dataclass(frozen=True)
class Range:
    """Allowed numbers, or allowed lengths of a tuple.

    Attributes:
        least, most: the ends, both allowed.
        above: ``least`` itself is not allowed.
        noun: what a message calls the number.
    """

    least: float = -math.inf
    most: float = math.inf
    above: bool = False
    noun: str = ""

    def __contains__(self, value: float) -> bool:
        return self.least <= value <= self.most and not (self.above and value == self.least)

    def __str__(self) -> str:
        if self.above:
            return f"above {self.least:,}" + (f", up to {self.most:,}" if self.most < math.inf else "")
        if self.most < math.inf:
            return f"from {self.least:,} to {self.most:,}"
        return f"of at least {self.least:,}" if self.least > -math.inf else ""


class Misfit(Exception):
    """A value is not of its kind; a caller that knows the field's name turns this into a message."""


class Kind(ABC):
    """One kind of field."""

    @abstractmethod
    def words(self) -> str:
        """The allowed values, in the words of a message."""

    @abstractmethod
    def fit(self, value: Any) -> Any:
        """The value as the field holds it; Misfit if it is not of this kind."""

    @abstractmethod
    def read(self, text: str) -> Any:
        """The value that a user's text means, not yet checked by :meth:`fit`; Misfit if it means none."""


class Switch(Kind):
    """True or false."""

    def words(self) -> str:
        """See :class:`Kind`."""
        return "true or false"

    def fit(self, value: Any) -> bool:
        """Only a bool fits: neither 1 nor a word does."""
        if not isinstance(value, (bool, np.bool_)):
            raise Misfit
        return bool(value)

    def read(self, text: str) -> bool:
        """A word in any case."""
        if text.lower() not in SWITCH:
            raise Misfit
        return SWITCH[text.lower()]


@dataclass(frozen=True)
class Number(Kind):
    """A finite number of Python's own, ``plain`` int or float, within ``limits``."""

    plain: type[int] | type[float]
    limits: Range

    def words(self) -> str:
        """See :class:`Kind`."""
        noun = self.limits.noun or ("whole number" if self.plain is int else "finite number")
        return f"a {noun} {self.limits}".rstrip()

    def fit(self, value: Any) -> int | float:
        """Numpy's numbers are converted, and an int may stand for a float; True is no number."""
        wanted = numbers.Integral if self.plain is int else numbers.Real
        if isinstance(value, bool) or not isinstance(value, wanted):
            raise Misfit
        try:
            number = self.plain(value)
        except OverflowError:  # an int beyond the largest float
            raise Misfit from None
        if (self.plain is float and not math.isfinite(number)) or number not in self.limits:
            raise Misfit
        return number

    def read(self, text: str) -> int | float:
        """Whole numbers are written as such: neither 2.0 nor 1e1 is one."""
        if self.plain is int and not WHOLE.fullmatch(text):
            raise Misfit
        try:
            return self.plain(text)
        except ValueError:  # no number, or an int of thousands of digits
            raise Misfit from None


class Text(Kind):
    """Words that a file can hold."""

    def words(self) -> str:
        """See :class:`Kind`."""
        return "text"

    def fit(self, value: Any) -> str:
        """See :class:`Kind`."""
        if not isinstance(value, str) or UNWRITABLE.search(value):
            raise Misfit
        return value

    def read(self, text: str) -> str:
        """Quotes around it, which some shells hand on, are dropped."""
        return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text


@dataclass(frozen=True)
class Choice(Kind):
    """One of a few values."""

    members: tuple[Any, ...]

    def words(self) -> str:
        """See :class:`Kind`."""
        *rest, last = (repr(member) for member in self.members)
        return f"{', '.join(rest)} or {last}" if rest else last

    def fit(self, value: Any) -> Any:
        """Equal and of the same type: True is not 1."""
        for member in self.members:
            if type(value) is type(member) and value == member:
                return member
        raise Misfit

    def read(self, text: str) -> Any:
        """The member that the text names."""
        word = Text().read(text)
        for member in self.members:
            if str(member) == word:
                return member
        raise Misfit


@dataclass(frozen=True)
class Several(Kind):
    """A tuple: ``items`` in this order; if ``repeated``, the only item as many times as ``limits`` allow."""

    items: tuple[Kind, ...]
    repeated: bool
    limits: Range

    def words(self) -> str:
        """See :class:`Kind`."""
        count = f"{self.limits} ".lstrip() if self.repeated else f"{len(self.items)} "
        each = " or ".join(dict.fromkeys(item.words() for item in self.items))
        return f"{count}values with commas between them, each {each}"

    def fit(self, value: Any) -> tuple[Any, ...]:
        """A list, as JSON has it, becomes a tuple."""
        if not isinstance(value, (tuple, list)) or len(value) not in self.limits:
            raise Misfit
        return tuple(item.fit(one) for item, one in zip(self._kinds(len(value)), value, strict=True))

    def read(self, text: str) -> tuple[Any, ...]:
        """``16,32``, ``(16, 32)`` or ``[16, 32]``; a single value needs brackets or a comma."""
        bare = text[1:-1] if (text[:1], text[-1:]) in BRACKETS else text
        if bare is text and "," not in text:
            raise Misfit
        parts = [part.strip() for part in bare.split(",")]
        parts = parts if parts[-1] else parts[:-1]
        return tuple(item.read(part) for item, part in zip(self._kinds(len(parts)), parts, strict=True))

    def _kinds(self, count: int) -> tuple[Kind, ...]:
        if not self.repeated and count != len(self.items):
            raise Misfit
        return self.items * count if self.repeated else self.items


@dataclass(frozen=True)
class Maybe(Kind):
    """A value of another kind, or None."""

    kind: Kind

    def words(self) -> str:
        """See :class:`Kind`."""
        return f"none, or {self.kind.words()}"

    def fit(self, value: Any) -> Any:
        """See :class:`Kind`."""
        return None if value is None else self.kind.fit(value)

    def read(self, text: str) -> Any:
        """The word none, in any case, is None."""
        return None if text.lower() == "none" else self.kind.read(text)


@dataclass(frozen=True)
class Inner(Kind):
    """Another configuration, whose fields are written by their own names."""

    configuration: Any

    def words(self) -> str:
        """See :class:`Kind`."""
        return f"the fields of {self.configuration.__name__} by their own names"

    def fit(self, value: Any) -> Any:
        """An object, as JSON has it, becomes a configuration."""
        if isinstance(value, Mapping):
            return self.configuration().replace(**value)
        if not isinstance(value, self.configuration):
            raise Misfit
        return value

    def read(self, text: str) -> Any:
        """No text means a whole configuration."""
        raise Misfit


def kind_of(annotation: Any) -> Kind:
    """The kind that an annotation declares.

    Raises:
        TypeError: the annotation declares none of these kinds.
    """
    limits = Range()
    if get_origin(annotation) is Annotated:
        annotation, limits = get_args(annotation)
    origin, inner = get_origin(annotation), get_args(annotation)
    if annotation in (int, float):
        return Number(annotation, limits)
    if annotation in (bool, str):
        return Switch() if annotation is bool else Text()
    if origin is Literal:
        return Choice(inner)
    if origin is tuple:
        return Several(tuple(kind_of(one) for one in inner if one is not Ellipsis), inner[-1] is Ellipsis, limits)
    if origin in (Union, types.UnionType) and inner[-1] is types.NoneType:
        return Maybe(kind_of(inner[0]))
    if hasattr(annotation, "__dataclass_fields__"):
        return Inner(annotation)
    raise TypeError(f"annotation: expected a kind that a field may have, got {annotation!r}")
