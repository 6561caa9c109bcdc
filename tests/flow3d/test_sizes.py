"""The numbers that many files share are written once: a second copy would go its own way when the first one moves."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import flow3d.sizes
from flow3d.morphable import ProceduralHead
from flow3d.morphable.coefficients import CROP, CROP_SHIFT, NAMES, POSE, SLICES
from flow3d.sizes import (
    ANSWER_COUNT,
    COEFFICIENT_COUNT,
    CROP_FRAME,
    EXPRESSION_COUNT,
    IDENTITY_COUNT,
    POSE_COUNT,
    RADIUS,
    WINDOW,
)

PACKAGE = Path(flow3d.sizes.__file__).parent
UNMISTAKABLE = (COEFFICIENT_COUNT, ANSWER_COUNT, WINDOW, RADIUS)  # of these any integer in the code is a copy
# Files in which such an integer is something else.
OTHER = {"morphable/backgrounds.py": "a hash of rows", "teach/figures/panels.py": "points of a font",
         "teach/figures/training.py": "points of a font", "evaluation/detected_faces.py": "numbers of landmarks",
         "perception/face/landmarks.py": "numbers of landmarks, and pixels that a network sees",
         "teach/exercises/notebook_08.py": "voxels of an exercise's rows"}  # fmt: skip
# A constant at the top of a file that has one of these values is a copy, unless it is something else.
ORDINARY = (POSE_COUNT, IDENTITY_COUNT, CROP_FRAME)
CONSTANTS = {"_SIDE": "pixels of a painted background", "DOTS": "values of a curve", "LOOKS": "frames of a clip",
             "WIDTH": "inches", "SIDE": "pixels in which faces are sought", "IR_VERSION": "a file format",
             "SEGMENTED": "pixels that a network sees", "LARGEST_LOGIT": "a logit",
             "SQUARE": "pixels of a map"}  # fmt: skip


def copies(text: str) -> Iterator[str]:
    """The lines of a file that write a shared number anew."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and type(node.value) is int and node.value in UNMISTAKABLE:
            yield f"line {node.lineno}: {node.value}"
    for node in tree.body:
        if isinstance(node, ast.Assign):
            names = {one.id for one in ast.walk(node.targets[0]) if isinstance(one, ast.Name)}
            values = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
            if not names & CONSTANTS.keys():
                yield from (
                    f"line {node.lineno}: {one.value}"
                    for one in values
                    if isinstance(one, ast.Constant) and type(one.value) in (int, float) and one.value in ORDINARY
                )


def test_no_other_file_writes_a_shared_number():
    found = {
        name: lines
        for path in PACKAGE.rglob("*.py")
        if (name := path.relative_to(PACKAGE).as_posix()) not in ("sizes.py", *OTHER)
        and (lines := list(copies(path.read_text(encoding="utf-8"))))
    }
    assert found == {}


@pytest.mark.parametrize(
    "line",
    ["COUNT = 73", "window = x[:, :, :27]", "RADIUS = 13", "A, B = 5, 80", "CROP_FRAME = 256.0", "POSE = 9"],
)
def test_a_planted_copy_is_found(line):
    assert list(copies(f"import os\n\n{line}\n"))


def test_shapes_in_annotations_are_no_copies():
    assert not list(copies('def f(w: Float[Tensor, "B 73 27"]) -> None:\n    """Of 73 coefficients."""\n'))


def test_the_numbers_are_those_of_the_world_they_describe():
    assert (COEFFICIENT_COUNT, ANSWER_COUNT, WINDOW) == (73, 153, 27)
    assert len(NAMES) == COEFFICIENT_COUNT
    assert [NAMES[k] for k in range(COEFFICIENT_COUNT)[CROP_SHIFT]] == ["crop_x", "crop_y"]
    assert (NAMES[POSE.start], NAMES[CROP.start]) == ("pitch", "crop_scale")
    assert {name: part.stop - part.start for name, part in SLICES.items()} == {
        "expression": EXPRESSION_COUNT, "rotation": 3, "translation": 3, "crop": 3,
    }  # fmt: skip
    head = ProceduralHead()
    assert (len(head.identity_basis), len(head.expression_basis)) == (IDENTITY_COUNT, EXPRESSION_COUNT)
