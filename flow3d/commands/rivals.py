"""``flow3d rivals``: train and measure the methods that are missing, then write table and contact sheet."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..datasets.cache import FrameCache
from ..evaluation.pairs.protocols import pair_lists
from ..evaluation.scores.catalogue import to_labels
from ..experiments.ablations.results import stored, write_json
from ..experiments.ablations.run import Budget
from ..experiments.rivals.registry import ABSENT, RIVALS, rival
from ..experiments.rivals.report import rivals_report, rivals_sheet
from ..experiments.rivals.run import OURS, OWN, UNTOLD, Runner, budget_of, measure_baselines
from ..files import write_whole
from ..threads import one_thread
from .messages import naming, say
from .outputs import writable
from .parser import Parser, one_of, seed, whole

AFTER_STOP = "what is done is kept; run the same command again, and it goes on"
SHORT = {"ours": OURS, "untold": UNTOLD}  # names to type for our own methods


def add_options(parser: Parser) -> None:
    """The options of the command."""
    parser.add_argument("--data", required=True, help="folder that the command cache wrote, of the preset's size")
    parser.add_argument("--out", required=True, help="folder for each method's numbers and for the table")
    parser.add_argument(
        "--methods",
        nargs="+",
        **one_of((*SHORT, *OWN, *RIVALS, *ABSENT)) | {"metavar": "METHOD"},
        default=[*OWN, *RIVALS],
        help="ours, untold (ours without pose_flow) or a rival's name",
    )
    parser.add_argument("--seeds", type=seed, nargs="+", default=[0, 1, 2])
    parser.add_argument("--preset", **one_of(("micro", "tiny")), default="micro")
    parser.add_argument(
        "--steps", type=whole(3), default=Budget.phase_1 + Budget.phase_2, help="steps of both phases together"
    )
    parser.add_argument("--pairs", type=whole(1), default=Budget.pairs, help="self-ID pairs, and as many cross-ID ones")
    parser.add_argument("--wide", type=whole(1), default=Budget.wide, help="self-ID pairs beyond 35 degrees of yaw")
    parser.add_argument(
        "--identities", type=whole(1), default=Budget.identities, help="persons whose coefficients are edited"
    )
    parser.add_argument("--ours", type=Path, help="output folder of the command ablate, to reuse its results")
    parser.add_argument(
        "--no-residual", action="store_true", help="rivals paint without starting from the source's warped pixels"
    )


@one_thread()
def run(options: argparse.Namespace) -> int:
    """Run the methods; write rivals.json, rivals.md and rivals.png, and print the table.

    Raises:
        ValueError: an unknown method, a number below 1, or ``out`` holds results of other settings.
        OSError: no such data.
    """
    budget = budget_of(options.preset, options.steps, options.pairs, options.wide, options.identities)
    names = [SHORT.get(name, name) for name in options.methods]
    with naming("--methods", "method"):
        for name in set(names) - set(OWN):
            rival(name, budget.preset)  # an absent one raises the reason
    command = f"python -m flow3d rivals --preset {budget.preset} --steps {options.steps} --pairs {budget.pairs}"
    command += f" --wide {budget.wide}" + (" --no-residual" if options.no_residual else "")
    if options.ours is not None and not options.ours.is_dir():
        raise ValueError(f"--ours: expected a folder that ablate wrote, found none at {str(options.ours)!r}")
    with writable(options.out) as out:
        with naming("--data"):
            data = FrameCache(options.data)
        lists = pair_lists(budget.pairs, budget.pairs, budget.wide, data.size)
        runner = Runner(budget, data, lists, out, not options.no_residual, options.ours)
        results = runner.run(names, options.seeds, say)
        baselines = measure_baselines(lists, budget)
        table = rivals_report(results, baselines, command)
        labelled = {name: to_labels(numbers) for name, numbers in baselines.items()}
        write_json(out / "rivals.json", {"baselines": labelled, "legs": [stored(result) for result in results]})
        write_whole(out / "rivals.md", table.encode())
        methods = {name: runner.method(name, options.seeds[0]) for name in names}
        rivals_sheet(out / "rivals.png", {n: m for n, m in methods.items() if m is not None}, lists)
    say(table)
    return 0
