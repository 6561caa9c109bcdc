"""The table of sizes in RESULTS.md is what the code counts."""

import re
from pathlib import Path

import pytest

from flow3d.config import PRESETS, preset
from flow3d.evaluation.scores.complexity import multiply_adds, parameters

RESULTS = (Path(__file__).parents[4] / "RESULTS.md").read_text(encoding="utf-8")


def row(name: str, recipe: str) -> list[float]:
    line = re.search(rf"(?m)^\| {name} \| {recipe} \|(.*)\|$", RESULTS)
    assert line, f"RESULTS.md has no row for {name}, {recipe}"
    return [float(cell) for cell in line[1].split("|")]


@pytest.mark.parametrize("recipe", ["strict", "extended"])
@pytest.mark.parametrize("name", PRESETS)
def test_parameters_are_as_documented(name, recipe):
    counts = parameters(preset(name, recipe))
    expected = [round(count / 1000) for count in (*counts.values(), sum(counts.values()))]
    assert row(name, recipe)[:5] == expected


@pytest.mark.parametrize("name", ["micro", "tiny"])
def test_multiply_adds_are_as_documented(name):
    work = multiply_adds(preset(name, "strict"))
    assert row(name, "strict")[5:] == [round(work[part] / 1e6, 1) for part in ("source", "frame")]


def test_a_convolution_is_counted_by_hand():
    config = preset("micro").replace(decoder_blocks=1)
    more = multiply_adds(config.replace(decoder_blocks=2))["frame"] - multiply_adds(config)["frame"]
    assert more == 2 * 16 * 16 * 9 * 16 * 16  # two 3 x 3 convolutions of 16 channels at 16 x 16
