"""Command lines: a parser whose errors are one line, and the kinds of numbers that options take."""

from __future__ import annotations

import argparse
import difflib
import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

OPTION = re.compile(r"--?[A-Za-z][\w-]*")
CHOICE = re.compile(r"(?P<name>.+): invalid choice: (?P<value>.*?) \(choose from (?P<names>.*)\)", re.DOTALL)


class UsageError(ValueError):
    """A command line that cannot be understood."""


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, ``--option: expected X, got Y``, raised as :class:`UsageError`.

    Options cannot be shortened, so a misspelt one is refused with the nearest name, and never taken for another.

    Attributes:
        names: an argument's name in the program -> the name that is typed, as ``held_out`` -> ``--held-out``.
    """

    def __init__(self, **settings: Any) -> None:
        self.names: dict[str, str] = {}
        self.holds_commands = False
        super().__init__(allow_abbrev=False, **settings)

    def add_subparsers(self, **settings: Any) -> Any:
        """As :class:`argparse.ArgumentParser` does; what follows a command's name is left to the command's parser."""
        self.holds_commands = True
        return super().add_subparsers(**settings)

    def add_argument(self, *names: str, **settings: Any) -> argparse.Action:
        """As :class:`argparse.ArgumentParser` does; the name is recorded in ``names``."""
        action = super().add_argument(*names, **settings)
        self.names[action.dest] = action.option_strings[-1] if action.option_strings else str(action.metavar)
        return action

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As :class:`argparse.ArgumentParser` does; an unknown option is reported before a missing one."""
        for word in args or ():
            name = word.partition("=")[0]
            is_option = OPTION.fullmatch(name) and not is_number(name)  # -inf is a number
            if word == "--" or (self.holds_commands and not is_option):
                break
            if is_option and name not in ("-h", *self.options):
                self.error(f"{name}: expected an option of {self.prog}{nearest(name, self.options)}")
        return super().parse_known_args(args, namespace)

    @property
    def options(self) -> list[str]:
        """Every option's long name."""
        return [name for name in self.names.values() if name.startswith("-")]

    def error(self, message: str) -> NoReturn:
        """Raise the error in this package's words."""
        raise UsageError(reworded(message, self.prog))


def reworded(message: str, program: str) -> str:
    """A message of :mod:`argparse` in the words of this package."""
    message = message.removeprefix("argument ")
    if match := CHOICE.fullmatch(message):
        names = [name.strip(" '\"") for name in match["names"].split(",")]
        value = match["value"].strip("'\"")
        return f"{match['name']}: expected {either(names)}, got {value!r}{nearest(value, names)}"
    required, unknown = "the following arguments are required: ", "unrecognized arguments: "
    if message.startswith(required):
        return f"{message.removeprefix(required)}: expected a value, got none; see {program} --help"
    if message.startswith(unknown):
        return f"{message.removeprefix(unknown)}: expected no further argument of {program}"
    if message.endswith(("expected one argument", "expected at least one argument")):
        return message.replace("argument", "value") + ", got none"
    return message.replace("ignored explicit argument", "expected no value, got")


def one_of(values: Iterable[Any]) -> dict[str, Any]:
    """The settings of an option that takes one of a few values; ``Parser.add_argument(name, **one_of(...))``."""
    by_name = {str(value): value for value in values}

    def read(text: str) -> Any:
        if text not in by_name:
            suggestion = nearest(text, list(by_name))
            raise argparse.ArgumentTypeError(f"expected {either(list(by_name))}, got {text!r}{suggestion}")
        return by_name[text]

    return {"type": read, "metavar": f"{{{','.join(by_name)}}}"}


def either(names: Sequence[str]) -> str:
    """The names in words: a, b or c."""
    names = [repr(name) for name in names] if any("," in name for name in names) else names
    return " or ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def nearest(word: str, names: Sequence[str]) -> str:
    """A suggestion to append to a message: a name that begins with ``word``, or else a similar one; empty if none."""
    longer = [name for name in names if name.startswith(word)]
    alike = longer or difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    return f"; the nearest is {alike[0]}" if alike else ""


def is_number(text: str) -> bool:
    """Whether Python reads the text as a number; ``-inf`` looks like an option."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def whole(least: int = 1, most: int | None = None) -> Callable[[str], int]:
    """The type of an option that counts, from ``least`` to ``most``."""
    limits = f"of {least} or more" if most is None else f"from {least} to {most}"

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least or (most is not None and number > most):
            raise argparse.ArgumentTypeError(f"expected a whole number {limits}, got {text!r}")
        return number

    return read


seed = whole(0, 2**63 - 1)  # what torch and numpy both take


def positive(text: str) -> float:
    """The type of an option that is a positive, finite number."""
    number = float(text) if is_number(text) else math.nan
    if not (number > 0 and math.isfinite(number)):
        raise argparse.ArgumentTypeError(f"expected a positive number, got {text!r}")
    return number
