"""``flow3d ablate``: train and measure the variants that are missing, then write the table of all variants."""

from __future__ import annotations

import argparse

from ..datasets.cache import FrameCache
from ..evaluation.pairs.protocols import pair_lists
from ..experiments.ablations.report import ablation_report
from ..experiments.ablations.results import stored, write_json
from ..experiments.ablations.run import Budget, run_variants
from ..experiments.ablations.variants import VARIANTS
from ..files import write_whole
from ..perception.regressor import CoefficientRegressor
from ..threads import one_thread
from ..training.error_bank import ErrorBank
from .messages import naming, say
from .outputs import writable
from .parser import Parser, one_of, seed, whole

AFTER_STOP = "what is done is kept; run the same command again, and it goes on"


def add_options(parser: Parser) -> None:
    """The options of the command."""
    parser.add_argument("--data", required=True, help="folder that the command cache wrote, of the preset's size")
    parser.add_argument("--out", required=True, help="folder for each variant's numbers, and for the table")
    known = "; ".join(VARIANTS)
    choices = one_of(VARIANTS) | {"metavar": "VARIANT"}
    parser.add_argument("--variants", nargs="+", **choices, default=list(VARIANTS), help=f"some of: {known}")
    parser.add_argument("--seeds", type=seed, nargs="+", default=[0, 1, 2])
    parser.add_argument("--preset", **one_of(("micro", "tiny")), default="micro")
    parser.add_argument("--phase-1", type=whole(1), default=Budget.phase_1, help="steps of phase 1, of every variant")
    parser.add_argument("--phase-2", type=whole(1), default=Budget.phase_2, help="steps of phase 2")
    parser.add_argument("--pairs", type=whole(1), default=Budget.pairs, help="self-ID pairs, and as many cross-ID ones")
    parser.add_argument("--wide", type=whole(1), default=Budget.wide, help="self-ID pairs beyond 35 degrees of yaw")
    parser.add_argument(
        "--identities", type=whole(1), default=Budget.identities, help="persons whose coefficients are edited"
    )
    parser.add_argument("--regressor", default="regressor", help="the observed windows have its errors")


@one_thread()
def run(options: argparse.Namespace) -> int:
    """Run the variants; write ablations.json and ablations.md, and print the table.

    Raises:
        ValueError: an unknown variant, a number below 1, or ``out`` holds results of another budget.
        OSError: no such data or weights.
    """
    budget = Budget(options.preset, options.phase_1, options.phase_2, options.pairs, options.wide, options.identities)
    command = (
        f"python -m flow3d ablate --preset {budget.preset} --phase-1 {budget.phase_1} --phase-2 {budget.phase_2} "
        f"--pairs {budget.pairs} --wide {budget.wide}"
    )
    with writable(options.out) as out:
        with naming("--data"):
            data = FrameCache(options.data)
        with naming("--regressor"):
            regressor = CoefficientRegressor.from_pretrained(options.regressor)
        bank = ErrorBank.of(regressor)
        lists = pair_lists(budget.pairs, budget.pairs, budget.wide, data.size)
        results = run_variants(options.variants, options.seeds, budget, data, lists, bank, out, say)
        table = ablation_report(results, command)
        write_json(out / "ablations.json", [stored(result) for result in results])
        write_whole(out / "ablations.md", table.encode())
    say(table)
    return 0
