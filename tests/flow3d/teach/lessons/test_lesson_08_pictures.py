"""Notebook 08's pictures show the numbers that they are given."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from flow3d.teach.lessons import lesson_08_pictures as pictures
from flow3d.teach.lessons.lesson_08 import smooth_flow
from flow3d.teach.lessons.lesson_08_ladder import Card, Ladder, Roofs, Rung
from flow3d.teach.lessons.lesson_08_machine import Machine

SIZES = (4, 8, 32)


def words(figure) -> str:
    """All that is written in a figure."""
    cells = figure.axes
    keys = [text for cell in cells if cell.get_legend() for text in cell.get_legend().get_texts()]
    labels = [
        text for cell in cells for text in (*cell.texts, cell.title, *cell.get_xticklabels(), *cell.get_yticklabels())
    ]
    return "\n".join(text.get_text() for text in (*labels, *keys))


def test_who_wrote_is_told_by_colour():
    strip = torch.tensor([0] * 16 + [1] * 4 + [-1] * 4)
    figure = pictures.who_wrote({"mask": strip, "none": strip}, ours=20, block=16)
    hues = [bar.get_facecolor() for bar in figure.axes[0].patches]
    assert len(set(hues)) == 3
    assert hues.count(hues[-1]) == 4
    assert "program 1" in words(figure)


def test_a_step_is_named_on_its_bar_or_by_a_key():
    figure = pictures.moved({"eager": {"grid": 1, "sample": 100}, "fused": {"one": 60}}, {}, "MB", "warp")
    (cell,) = figure.axes
    assert {"sample", "one", "101", "60"} <= {text.get_text() for text in cell.texts}
    assert cell.get_legend_handles_labels()[1] == ["grid"]
    assert [label.get_text() for label in cell.get_yticklabels()] == ["eager", "fused"]


def test_four_instructions_make_a_square():
    kinds = {"one": (Counter({"multiply-adds": 8, "addresses": 20}), 4), "other": (Counter({"memory": 6}), 2)}
    figure = pictures.instructions_told(kinds)
    one, other = (np.asarray(cell.images[0].get_array()).ravel().tolist() for cell in figure.axes)
    assert one.count(0) == 8
    assert one.count(list(pictures.PALETTE).index("addresses")) == 20
    assert "112 for 32 voxels" in words(figure)
    assert "■ 80 addresses" in words(figure)
    assert other.count(1) == 3


def test_the_map_counts_rows_and_follows_the_flow():
    bricks = {"line": ((1, 1, 16), (1, 2, 3)), "brick": ((2, 4, 2), (1, 2, 3))}
    flow = smooth_flow(SIZES)
    still, moved = (pictures.rows_read(each, bricks) for each in (0 * flow, flow))
    assert still.shape == moved.shape
    assert still.dtype == np.uint8
    assert (still != moved).any()
    squares = pictures.SQUARE**2 - 2 * pictures.SQUARE + 1
    dark = (still == pictures.RAMP[4]).all(-1).sum() / squares
    assert 17 - 2 <= dark < 3 * 17, "of a line's rows, all but those at its ends are read by four"


def test_readers_are_counted():
    figure = pictures.readers(
        {"still": np.zeros((3, *SIZES), np.float32), "left": np.full((3, *SIZES), -50, np.float32)}
    )
    assert "still\nbusiest row: 27" in words(figure)
    assert f"left\nbusiest row: {4 * 8 * 32}" in words(figure)


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "not compiled"])
def test_roofs_say_what_is_measured_and_what_is_not(compiled):
    ladder = Ladder(Card(1e9, 1e12, 2e12), (2, 32, *SIZES), lambda rung: (50.0, 132.0), Path("nowhere"))
    for name in ("rows of channels", "bricks of 2x4x4"):
        ladder.rungs[name] = Rung(None, (2, 4, 4), 16, {"TZ": 2})
        ladder.predicted[name] = ladder.counted[name] = Roofs(50, 13, 9)
        if compiled:
            ladder.machine[name] = Machine([("FFMA", 50)], "", 32, 0, 4)
    ladder.measured, ladder.measured_on = {"bricks of 2x4x4": 21.0}, "some card"
    figure = pictures.three_roofs(ladder)
    assert "measured, some card" in words(figure)
    assert "not measured: at least this" in words(figure)
    assert ("nothing was compiled here" in words(figure)) != compiled
    drawn = [(np.ravel(line.get_ydata()), line) for line in figure.axes[0].lines if line.get_marker() == "D"]
    diamonds = {float(y[0]): line.get_markerfacecolor() for y, line in drawn if y.size}
    assert diamonds == {13.0: "white", 21.0: "black"}


def test_names_break_where_they_can():
    assert pictures.in_two_lines("16 channels a step") == "16 channels\na step"
    assert pictures.in_two_lines("fixed distances") == "fixed\ndistances"
    assert pictures.in_two_lines("one") == "one"
