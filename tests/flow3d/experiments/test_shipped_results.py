"""The shipped tables are what today's code writes of the shipped numbers, byte for byte.

Tests: ablations.results, ablations.report, rivals.report.
"""

import json
import re

import pytest

from flow3d import assets
from flow3d.evaluation.scores.catalogue import from_labels
from flow3d.experiments.ablations import ablation_report
from flow3d.experiments.ablations.results import restored, stored
from flow3d.experiments.rivals.report import rivals_report


def shipped(name: str) -> tuple[str, str]:
    """A shipped file's text, and the command that stands in the report of the same name."""
    report = assets.path(f"results/{name}.md").read_text(encoding="utf-8")
    command = re.search(r"(?m)^`(.+?)`", report)
    assert command is not None
    return report, command[1]


@pytest.mark.parametrize("name", ["ablations", "ablations_tiny"])
def test_an_ablation_table_is_that_of_its_numbers(name):
    report, command = shipped(name)
    text = assets.path(f"results/{name}.json").read_text(encoding="utf-8")
    results = [restored(result) for result in json.loads(text)]
    assert ablation_report(results, command) == report
    assert json.dumps([stored(result) for result in results], indent=1) + "\n" == text


def test_the_rivals_table_is_that_of_its_numbers():
    report, command = shipped("rivals")
    content = json.loads(assets.path("results/rivals.json").read_text(encoding="utf-8"))
    baselines = {name: from_labels(numbers) for name, numbers in content["baselines"].items()}
    assert rivals_report([restored(result) for result in content["legs"]], baselines, command) == report
