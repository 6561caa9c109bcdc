"""A field's annotation decides what its text means, which values it takes, and what a refusal says.

Tests: field_kinds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Annotated, Literal

import numpy as np
import pytest
import torch

from flow3d.field_kinds import Range, kind_of
from flow3d.fields import Configuration, Count, Positive, Seed, Share, Weight, Whole, parse, read_json, show

pytestmark = pytest.mark.usefixtures("no_shape_checks")  # bad values are to reach the fields' own checks


@dataclass(frozen=True)
class Spice(Configuration):
    """An inner configuration."""

    salt: Weight = 1.0
    pepper: Weight = 2.0


@dataclass(frozen=True)
class Recipe(Configuration):
    """One field of every kind."""

    vegan: bool = False
    eggs: Count = 2
    rest: Whole = 0
    heat: Positive = 180.0
    share: Share = 0.5
    seed: Seed = 0
    name: str = "cake"
    form: Literal["round", "square"] = "round"
    layers: Literal[2, 3] = 3
    sides: tuple[Weight, Weight] | None = None
    widths: Annotated[tuple[Count, ...], Range(1, 3)] = (8, 16)
    volume: tuple[Count, Share] = (4, 0.5)
    spice: Spice = field(default_factory=Spice)


def stored(recipe: Recipe, name: str) -> object:
    return getattr(recipe.spice if name == "salt" else recipe, name)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        *(("vegan", text, True) for text in ("true", "True", "TRUE", "yes", "on", "1", " true ")),
        *(("vegan", text, False) for text in ("false", "False", "no", "OFF", "0")),
        ("eggs", "12", 12),
        ("eggs", "+3", 3),
        ("eggs", "20_000", 20_000),
        ("heat", "180", 180.0),
        ("heat", "1e-3", 0.001),
        ("share", ".25", 0.25),
        ("name", "apple pie", "apple pie"),
        ("name", "'apple pie'", "apple pie"),
        ("name", "none", "none"),
        ("form", "square", "square"),
        ("layers", "2", 2),
        ("sides", "none", None),
        ("sides", "None", None),
        ("sides", "16,32", (16.0, 32.0)),
        ("sides", "(16, 32)", (16.0, 32.0)),
        ("widths", "[8]", (8,)),
        ("widths", "8,", (8,)),
        ("widths", "(8, 16, 32)", (8, 16, 32)),
        ("volume", "4, 0.5", (4, 0.5)),
        ("salt", "3", 3.0),
    ],
    ids=show,
)
def test_a_text_means_what_its_field_says(name, text, value):
    parsed = parse(Recipe, name, text)
    assert (type(parsed), parsed) == (type(value), value)
    changed = Recipe().replace(**{name: parsed})
    assert stored(changed, name) == value


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("vegan", "maybe", "true or false"),
        ("vegan", "2", "true or false"),
        ("vegan", "", "true or false"),
        ("eggs", "2.0", "a whole number from 1 to 1,000,000,000"),
        ("eggs", "1e1", "a whole number"),
        ("eggs", "0", "a whole number"),
        ("eggs", "True", "a whole number"),
        ("eggs", "٣", "a whole number"),
        ("eggs", "9" * 5000, "a whole number"),
        ("rest", "-5", "a whole number from 0"),
        ("seed", str(2**70), "a whole number from 0 to 9,223,372,036,854,775,807"),
        ("heat", "abc", "a finite number above 0"),
        ("heat", "inf", "a finite number above 0"),
        ("heat", "1e400", "a finite number above 0"),
        ("heat", "0", "a finite number above 0"),
        ("heat", "1,5", "a finite number above 0"),
        ("share", "None", "a share from 0 to 1"),
        ("share", "1.01", "a share from 0 to 1"),
        ("salt", "nan", "a finite weight of at least 0"),
        ("form", "oval", "'round' or 'square'"),
        ("layers", "2.0", "2 or 3"),
        ("sides", "16", "none, or 2 values with commas between them, each a finite weight of at least 0"),
        ("sides", "1,2,3", "none, or 2 values"),
        ("sides", "()", "none, or 2 values"),
        ("widths", "16", "from 1 to 3 values with commas between them, each a whole number from 1"),
        ("widths", "1,2,3,4", "from 1 to 3 values"),
        ("widths", "(1,2", "from 1 to 3 values"),
        ("widths", "1,,2", "from 1 to 3 values"),
        ("widths", "8,2.5", "from 1 to 3 values"),
        ("volume", "0.5,4", "2 values"),
        ("spice", "salt", "the fields of Spice by their own names"),
    ],
    ids=show,
)
def test_a_text_that_does_not_fit_is_one_line_that_names_the_field(name, text, expected):
    with pytest.raises(ValueError, match=f"^{name}: expected ") as caught:
        parse(Recipe, name, text)
    message = str(caught.value)
    assert message.startswith(f"{name}: expected {expected}")
    assert "\n" not in message
    assert len(message) < 250


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("vegan", np.True_, True),
        ("eggs", np.int64(3), 3),
        ("heat", 3, 3.0),
        ("heat", np.float32(0.5), 0.5),
        ("share", np.int8(1), 1.0),
        ("sides", [1, 2], (1.0, 2.0)),
        ("widths", [np.int32(4)], (4,)),
        ("spice", {"salt": 3}, Spice(3.0)),
        ("salt", 3, 3.0),
    ],
    ids=show,
)
def test_a_value_is_kept_as_the_type_of_its_field(name, value, kept):
    changed = Recipe().replace(**{name: value})
    assert (type(stored(changed, name)), stored(changed, name)) == (type(kept), kept)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("vegan", 1), ("vegan", "false"), ("vegan", None), ("eggs", True), ("eggs", 2.0), ("eggs", "2"), ("eggs", 0),
        ("eggs", 10**5000), ("heat", math.nan), ("heat", 10**400), ("heat", True), ("heat", "1"), ("heat", 1j),
        ("heat", torch.ones(1)), ("share", -0.1), ("name", 5), ("name", "\ud800"), ("name", "a\0b"),
        ("form", ["round"]), ("layers", True), ("layers", 2.0), ("sides", (1.0,)), ("sides", "ab"), ("widths", ()),
        ("widths", (1,) * 4), ("widths", 16), ("volume", (1, 2)), ("spice", "salt"), ("spice", None), ("seed", 2**63),
    ],
    ids=show,
)  # fmt: skip
def test_a_value_that_does_not_fit_is_refused_by_name(name, value):
    for make in (lambda: Recipe(**{name: value}), lambda: Recipe().replace(**{name: value})):
        with pytest.raises(ValueError, match=f"^{name}: expected .*, got ") as caught:
            make()
        assert len(str(caught.value)) < 250


def test_an_inner_configuration_is_changed_by_its_own_names_or_as_a_whole():
    assert Recipe().replace(salt=3.0) == Recipe(spice=Spice(salt=3.0))
    assert Recipe().replace(spice=Spice(5.0, 6.0), salt=3.0) == Recipe(spice=Spice(3.0, 6.0))
    with pytest.raises(ValueError, match=r"^salt: expected a finite weight of at least 0, got -1"):
        Recipe().replace(salt=-1.0)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("egs", "egs: expected a field of Recipe; the nearest is 'eggs'"),
        ("peper", "peper: expected a field of Recipe; the nearest is 'pepper'"),
        ("self", "self: expected a field of Recipe; the nearest is 'seed'"),
        ("a\nb", r"'a\nb': expected a field of Recipe; the nearest is"),
        ("x" * 10**6, "'xxxxxx"),
    ],
    ids=["misspelt", "misspelt, inner", "self", "two lines", "endless"],
)
def test_an_unknown_name_suggests_the_nearest(name, message):
    for attempt in (lambda: parse(Recipe, name, "1"), lambda: Recipe().replace(**{name: 1})):
        with pytest.raises(ValueError, match="expected a field") as caught:
            attempt()
        assert str(caught.value).startswith(message)
        assert len(str(caught.value)) < 250


def test_a_configuration_survives_json():
    changed = Recipe(
        True, 3, 4, 5.0, 0.1, 2**63 - 1, "Törtchen", "square", 2, (1.0, 2.0), (1, 2, 3), (5, 1.0), Spice(0.1)
    )
    assert Recipe.from_json(changed.to_json()) == changed
    assert Recipe.from_json(changed.to_json().encode()) == changed


def test_what_a_text_does_not_name_has_its_default():
    assert Recipe.from_json('{"eggs": 5, "spice": {"salt": 3}}') == Recipe(eggs=5, spice=Spice(salt=3.0))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "text: expected JSON"),
        (b"\xff\xfe{", "text: expected JSON"),
        ("[" * 10**5, "text: expected JSON"),
        ('{"eggs": ' + "9" * 5000 + "}", "text: expected JSON"),
        ("[]", "text: expected an object, got list"),
        ("null", "text: expected an object, got NoneType"),
        ('{"egs": 2}', "egs: expected a field of Recipe; the nearest is 'eggs'"),
        ('{"self": 2}', "self: expected a field of Recipe"),
        ('{"eggs": 2.0}', "eggs: expected a whole number"),
        ('{"heat": NaN}', "heat: expected a finite number above 0, got nan"),
        ('{"heat": 1' + "0" * 400 + "}", "heat: expected a finite number above 0"),
        ('{"vegan": "false"}', "vegan: expected true or false, got 'false'"),
        ('{"vegan": 1}', "vegan: expected true or false, got 1"),
        ('{"widths": {"a": 1}}', "widths: expected from 1 to 3 values"),
        ('{"widths": [[1]]}', "widths: expected from 1 to 3 values"),
        ('{"spice": []}', "spice: expected the fields of Spice"),
        ('{"spice": {"sugar": 1}}', "sugar: expected a field of Spice"),
    ],
    ids=show,
)
def test_a_text_of_something_else_is_refused(text, message):
    with pytest.raises(ValueError, match="expected") as caught:
        Recipe.from_json(text)
    assert str(caught.value).startswith(message)


def test_json_is_read_as_an_object():
    assert read_json('{"a": [1, 2]}') == {"a": [1, 2]}


def test_a_kind_without_a_parser_cannot_be_declared():
    with pytest.raises(TypeError, match="annotation: expected a kind that a field may have, got"):
        kind_of(dict[str, int])


def test_a_check_across_fields_sees_checked_fields():
    @dataclass(frozen=True)
    class Pair(Configuration):
        least: Count = 1
        most: Count = 2

        def __post_init__(self) -> None:
            super().__post_init__()
            if self.least > self.most:
                raise ValueError(f"least: expected at most {self.most}, got {self.least}")

    with pytest.raises(ValueError, match="least: expected at most 2, got 3"):
        Pair(3)
    with pytest.raises(ValueError, match="least: expected a whole number"):
        Pair("3")  # ty: ignore[invalid-argument-type]
