"""Every tolerance stands in tolerances.py with its reason, and a number that a test writes down itself is found.

What is a tolerance: a number given to pytest.approx and its kin, a number that a difference must stay below, and a
number so small that what is compared with it should be zero. Which way a picture changes, and by how much at least, is
what a test says and no tolerance.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import tolerances

TESTS = Path(__file__).parent
# Keywords, and the first of the later positions, that hold the tolerance of a comparing function.
KEYWORDS = {"abs", "rel", "atol", "rtol", "abs_tol", "rel_tol"}
POSITIONS = {"approx": 1, "allclose": 2, "assert_close": 2, "assert_allclose": 2, "isclose": 2}
SMALL = 0.01  # what is compared with less should be zero
Names = Mapping[str, ast.expr]
TABLES = {name: table for name, table in vars(tolerances).items() if name.isupper()}
ENTRIES = [(table, name) for table, entries in TABLES.items() for name in entries]


def own_names(tree: ast.AST) -> dict[str, ast.expr]:
    """The names that a file gives a value itself, with that value."""
    assignments = [node for node in ast.walk(tree) if isinstance(node, ast.Assign)]
    return {name.id: each.value for each in assignments for name in each.targets if isinstance(name, ast.Name)}


def numbers(value: ast.AST, names: Names) -> list[float]:
    """The numbers but zero that an expression or a name in it is made of; an index and an argument are none of them."""
    match value:
        case ast.Constant(value=bool() | str()):
            return []
        case ast.Constant(value=int() | float() as number):
            return [abs(number)] if number else []
        case ast.BinOp(left=ast.Constant(), right=ast.Constant()):
            return [abs(eval(compile(ast.Expression(value), "a quotient such as 1 / 255", "eval")))]
        case ast.Name(id=name):
            return numbers(names[name], {k: v for k, v in names.items() if k != name}) if name in names else []
        case ast.Subscript(value=inner):
            return numbers(inner, names)
        case ast.Call():
            return []
    return [number for child in ast.iter_child_nodes(value) for number in numbers(child, names)]


def is_difference(value: ast.AST) -> bool:
    """Whether something is subtracted in an expression, outside of an index."""
    match value:
        case ast.Subscript(value=inner):
            return is_difference(inner)
        case ast.BinOp(op=ast.Sub()):
            return True
    return any(map(is_difference, ast.iter_child_nodes(value)))


def given(call: ast.Call) -> Iterator[ast.expr]:
    """What a call is given as its tolerance."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    yield from (keyword.value for keyword in call.keywords if keyword.arg in KEYWORDS)
    if name in POSITIONS:
        yield from call.args[POSITIONS[name] :]


def upper_limits(comparison: ast.Compare, names: Names) -> Iterator[ast.expr]:
    """What differences must stay below, and what is so small that the other side should be zero."""
    sides = [comparison.left, *comparison.comparators]
    for left, relation, right in zip(sides, comparison.ops, sides[1:], strict=False):
        if isinstance(relation, ast.Lt | ast.LtE | ast.Gt | ast.GtE):
            low, high = (left, right) if isinstance(relation, ast.Lt | ast.LtE) else (right, left)
            limit = numbers(high, names)
            close = is_difference(low) and not is_difference(high)
            if limit and (min(limit) <= SMALL or (close and max(limit) < 1)):
                yield high


def inline_tolerances(text: str) -> list[str]:
    """Every tolerance that a test's text writes down itself, as ``line: expression``."""
    tree = ast.parse(text)
    names = own_names(tree)
    limits: list[ast.expr] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            limits += [value for value in given(node) if numbers(value, names)]
        elif isinstance(node, ast.Compare):
            limits += upper_limits(node, names)
    return [f"{value.lineno}: {ast.unparse(value)}" for value in sorted(limits, key=lambda value: value.lineno)]


def texts() -> dict[str, str]:
    files = [file for file in TESTS.rglob("*.py") if file.name not in ("tolerances.py", Path(__file__).name)]
    return {str(file.relative_to(TESTS)): file.read_text(encoding="utf-8") for file in files}


def test_no_test_writes_a_tolerance_down_itself():
    found = [f"{name}:{each}" for name, text in texts().items() for each in inline_tolerances(text)]
    assert not found, "move it to tests/tolerances.py, with the measured error and its reason"


@pytest.mark.parametrize(
    "line",
    [
        "assert x == pytest.approx(1, abs=1e-3)",
        "assert x == pytest.approx(1, 0.1)",
        "torch.testing.assert_close(a, b, rtol=0, atol=2 * MORPHABLE['pixels'][0])",
        "LIMIT = 1e-5\nassert np.allclose(a, b, atol=LIMIT)",
        "assert (a - b).abs().max() < 0.3",
        "assert 0.3 >= abs(a - b)",
        "assert error < 1e-3 * scale",
        "assert (a - b).abs().max() <= 1 / 2 + LIMIT",
        "assert 0 < grey.std() < 1 / 255",
    ],
)
def test_a_planted_tolerance_is_found(line):
    assert len(inline_tolerances(line)) == 1


@pytest.mark.parametrize(
    "line",
    [
        "assert x == pytest.approx(1, abs=EVALUATION['by hand'][0])",
        "torch.testing.assert_close(a, b, rtol=0, atol=0)",
        "assert (a - b).abs().max() > 0.3",
        "assert after < 0.3 * before",
        "assert a - 3 < b - 0.2",
        "assert found[1 - k] < 0.6",
        "assert range(0.1, 0.2) < function(1e-3)",
    ],
)
def test_what_is_no_tolerance_is_not_found(line):
    assert inline_tolerances(line) == []


@pytest.mark.parametrize(("table", "name"), ENTRIES)
def test_a_tolerance_is_a_limit_and_its_reason(table, name):
    limit, reason = TABLES[table][name]
    assert limit > 0
    assert len(reason.split()) >= 3


def test_every_tolerance_is_used():
    """By its name, or by a name that is given its type or layout: ``f"GPU warp3d {dtype}"``."""
    everything = "\n".join(texts().values())
    given = r"b?float\d+|channels\\-last|contiguous"
    patterns = {each: re.sub(given, r"(\g<0>|{.*})", re.escape(each[1])) for each in ENTRIES}
    assert [each for each, pattern in patterns.items() if not re.search(f'"{pattern}"', everything)] == []
