"""``python -m flow3d rivals``: train and measure the methods that are missing, then write table and contact sheet."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..datasets.cache import FrameCache
from ..evaluation.pairs.protocols import pair_lists
from ..evaluation.scores.catalogue import to_labels
from ..experiments.ablations.results import stored, write_json
from ..experiments.ablations.run import Budget
from ..experiments.rivals.registry import RIVALS
from ..experiments.rivals.report import rivals_report, rivals_sheet
from ..experiments.rivals.run import OURS, OWN, TOLD, Runner, budget_of, measure_baselines
from ..files import write_whole
from ..threads import one_thread


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("--data", required=True, help="folder that the command cache wrote, of the preset's size")
    parser.add_argument("--out", type=Path, required=True, help="folder for each leg's numbers and for the table")
    parser.add_argument(
        "--methods", nargs="+", default=[*OWN, *RIVALS], metavar="METHOD", help="ours, told or a rival's name"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--preset", choices=("micro", "tiny"), default="micro")
    parser.add_argument("--steps", type=int, default=Budget.phase_1 + Budget.phase_2, help="of both phases together")
    parser.add_argument("--pairs", type=int, default=Budget.pairs, help="self-ID pairs, and as many cross-ID ones")
    parser.add_argument("--wide", type=int, default=Budget.wide, help="self-ID pairs beyond 35 degrees of yaw")
    parser.add_argument("--identities", type=int, default=Budget.identities, help="whose coefficients are edited")
    parser.add_argument("--ours", type=Path, help="folder of the command ablate, whose legs are taken over")
    parser.add_argument(
        "--no-residual", action="store_true", help="rivals paint without starting from the source's warped pixels"
    )


@one_thread()
def run(options: argparse.Namespace) -> int:
    """Run the legs; write rivals.json, rivals.md and rivals.png; 130 if Ctrl-C came first.

    Raises:
        ValueError: an unknown method, a number below 1, or ``out`` holds legs of other settings.
        OSError: no such data.
    """
    budget = budget_of(options.preset, options.steps, options.pairs, options.wide, options.identities)
    data = FrameCache(options.data)
    lists = pair_lists(budget.pairs, budget.pairs, budget.wide, data.size)
    names = [{"ours": OURS, "told": TOLD}.get(name, name) for name in options.methods]
    runner = Runner(budget, data, lists, options.out, not options.no_residual, options.ours)
    try:
        found = runner.run(names, options.seeds)
    except KeyboardInterrupt:
        return 130
    known = measure_baselines(lists, budget)
    command = f"python -m flow3d rivals --preset {budget.preset} --steps {options.steps} --pairs {budget.pairs}"
    command += f" --wide {budget.wide}" + (" --no-residual" if options.no_residual else "")
    table = rivals_report(found, known, command)
    baselines = {name: to_labels(numbers) for name, numbers in known.items()}
    write_json(options.out / "rivals.json", {"baselines": baselines, "legs": [stored(result) for result in found]})
    write_whole(options.out / "rivals.md", table.encode())
    methods = {name: runner.method(name, options.seeds[0]) for name in names}
    rivals_sheet(options.out / "rivals.png", {n: m for n, m in methods.items() if m is not None}, lists)
    print(table)
    return 0
