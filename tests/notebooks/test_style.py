"""Every notebook keeps the form that readers rely on: header, length, links, figure, no outputs, no traps."""

import json
import re

import pytest
from lesson import FOLDER, PATHS, Lesson, checks_in, is_unsolved, read, stub_in, words

START = "00_start_here.ipynb"
README = FOLDER.parent / "README.md"
# Numbers of the course; while some are still to be written, a notebook's neighbours are those that exist.
COURSE = [f"{number:02d}" for number in range(10)]
# The start page welcomes and reports; it may be shorter than a lesson.
CELLS = {"00": (12, 40)}
WORDS = {"00": (400, 1500)}
# A ladder has an exercise for each of its five rungs, and two for the way there.
EXERCISES = {"08": (7, 7)}

TRAPS = {
    r"(?m)^\s*[%!]\s*(pip|conda|uv|mamba)\b": "installs something: the environment is made by make lab",
    r"\binteract(ive|ive_output|_manual)?\s*\(": "uses interact, which swallows errors: use explore",
    r"\bwidgets\.Output\b|\bOutput\s*\(": "uses an Output widget, which can stall a run without a browser",
    r"tqdm\.notebook|tqdm\.auto": "uses a notebook progress bar: plain tqdm works everywhere",
    r"%matplotlib\s+(widget|notebook|qt)": "asks for an interactive matplotlib backend that may be missing",
    r"google\.colab": "is tied to one host",
}


@pytest.fixture(params=PATHS, ids=[path.stem for path in PATHS])
def lesson(request) -> Lesson:
    return read(request.param)


def test_numbers_are_the_course_s_in_order_each_once():
    numbers = [path.name[:2] for path in PATHS]
    assert numbers == sorted(set(numbers)), "two notebooks share a number"
    assert numbers[0] == COURSE[0], "the course begins with the start page"
    assert set(numbers) <= set(COURSE), "the course has ten notebooks"


def test_nothing_else_lies_among_the_notebooks():
    assert sorted(path.name for path in FOLDER.glob("*.ipynb")) == [path.name for path in PATHS]


def test_header(lesson):
    header = lesson.markdown[0]
    assert lesson.cells[0]["cell_type"] == "markdown"
    assert re.search(rf"(?m)^# {lesson.number} · \S", header), (
        "the first cell needs a title such as '# 02 · 3D flow warping'"
    )
    assert re.search(r"By the end\b", header), "the header must say what the reader will have shown"
    for label in ("Prerequisites", "Time", "Device", "Paper"):
        assert re.search(rf"\*\*{label}:?\*\*:?\s*\S", header), f"the header needs '**{label}:** …'"
    assert re.search(r"\*\*Time:?\*\*:?[^\n]*\d+ min", header), "Time must be in minutes"


def test_length(lesson):
    low, high = CELLS.get(lesson.number, (25, 40))
    assert low <= len(lesson.cells) <= high
    low, high = WORDS.get(lesson.number, (700, 1500))
    assert low <= sum(map(words, lesson.markdown)) <= high


def test_no_cell_is_too_long(lesson):
    for index, text in enumerate(lesson.markdown):
        # The header names more than one thing.
        assert words(text) <= (120 if index == 0 else 80), f"{words(text)} words: {text[:60]!r}"
    for code in lesson.code:
        count = sum(bool(line.strip()) for line in code.splitlines())
        assert count <= 25, f"{count} lines: {code[:60]!r}"


def test_the_file_is_small_and_stripped(lesson):
    assert lesson.path.stat().st_size <= 60_000
    for cell in lesson.cells:
        assert not cell.get("outputs"), "outputs must be stripped: nbstripout notebooks/*.ipynb"
        assert cell.get("execution_count") is None, "execution counts must be stripped"
    assert "data:image" not in lesson.path.read_text(encoding="utf-8"), "no picture may be pasted into a cell"


def test_the_kernel_is_the_environment_s_own(lesson):
    metadata = json.loads(lesson.path.read_text(encoding="utf-8"))["metadata"]
    assert metadata["kernelspec"]["name"] == "python3", "any other kernel makes JupyterLab ask which one to use"


def test_links_lead_somewhere(lesson):
    for text in lesson.markdown:
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
            if not re.match(r"[a-z]+:", target):
                assert (FOLDER / target).exists(), f"{target} does not exist"


def test_previous_and_next_form_a_chain(lesson):
    at = PATHS.index(lesson.path)
    links = set(re.findall(r"\]\((\d\d_[^)]+\.ipynb)\)", lesson.markdown[0]))
    if at > 0:
        assert {START, PATHS[at - 1].name} <= links, "the header must link the previous notebook and the start"
    if at + 1 < len(PATHS):
        ending = set(re.findall(r"\]\((\d\d_[^)]+\.ipynb)\)", lesson.markdown[-1]))
        assert PATHS[at + 1].name in links & ending, "header and last cell must link the next notebook"


def test_the_expected_picture_is_there_and_shown(lesson):
    pictures = sorted((FOLDER / "figures").glob(f"{lesson.number}*.png"))
    assert pictures, f"notebooks/figures/{lesson.number}*.png is missing"
    assert all(picture.stat().st_size <= 100_000 for picture in pictures)
    shown = "\n".join(lesson.markdown)
    assert any(f"figures/{picture.name}" in shown for picture in pictures), "readers without a kernel need the picture"


def test_no_traps(lesson):
    for code in lesson.code:
        for pattern, why in TRAPS.items():
            assert not re.search(pattern, code), f"a cell {why}: {code[:60]!r}"


def test_no_cell_is_skipped_or_expected_to_fail(lesson):
    for cell in lesson.cells:
        tags = set(cell["metadata"].get("tags", ()))
        assert not tags & {"skip-execution", "raises-exception"}, "a cell that is not run is a cell that rots"


def test_exercises_are_unsolved_and_checked_where_they_stand(lesson):
    for code in lesson.code:
        for name, function in checks_in(code):
            stub = stub_in(code, function)
            assert stub is not None, f"{name}: the cell that checks must define the learner's function"
            assert is_unsolved(stub), f"{name}: the stub is solved already"


def test_every_lesson_has_exercises_with_difficulty_and_minutes(lesson):
    if lesson.number == "00":
        pytest.skip("the start page has no exercises")
    count = sum(len(checks_in(code)) for code in lesson.code)
    low, high = EXERCISES.get(lesson.number, (2, 4))
    assert low <= count <= high
    headings = [text for text in lesson.markdown if re.search(r"(?mi)^#+ .*exercise", text)]
    assert len(headings) == count, "every exercise needs a heading of its own"
    for text in headings:
        assert re.search(r"\d/5", text), f"difficulty n/5 is missing: {text[:60]!r}"
        assert re.search(r"\d+ min", text), f"minutes are missing: {text[:60]!r}"


def test_every_notebook_has_a_widget_and_asks_for_a_prediction_before_it(lesson):
    widgets = [cell["cell_type"] == "code" and "explore(" in "".join(cell["source"]) for cell in lesson.cells]
    before = [cell for cell, widget in zip(lesson.cells, widgets[1:], strict=False) if widget]
    assert before, "a notebook needs a widget"
    for cell in before:
        assert cell["cell_type"] == "markdown", "a widget needs text before it"
        text = "".join(cell["source"])
        assert re.search(r"(?i)predict|before you|guess", text), f"ask for a prediction before: {text[:60]!r}"


def test_the_readme_lists_the_notebooks_with_their_minutes(lesson):
    row = re.search(rf"(?m)^\|.*\(notebooks/{lesson.path.name}\).*\| *(\d+) *\|$", README.read_text(encoding="utf-8"))
    time = re.search(r"\*\*Time:?\*\*:?[^\n]*?(\d+) min", lesson.markdown[0])
    assert row, "README.md must list the notebook"
    assert time is not None
    assert row[1] == time[1], "README.md and the header must state the same minutes"
