"""``flow3d regress``: train a coefficient regressor, or measure one."""

from __future__ import annotations

import argparse
from contextlib import nullcontext

from ..datasets.cache import FrameCache
from ..evaluation.measure.coefficient_errors import FIRST_SEED, answer_clips, error_table, markdown
from ..perception import CoefficientRegressor
from ..threads import set_threads
from ..training.regressor_trainer import RegressionConfig, RegressorTrainer, read_regression
from .messages import naming, progress, say
from .outputs import writable
from .parser import Parser, one_of, positive, seed, whole

AFTER_STOP = "start it again, with --resume where --out holds a checkpoint"


def add_options(parser: Parser) -> None:
    """The options of the command."""
    parser.add_argument("--evaluate", metavar="WEIGHTS", help="print the errors of these weights, a name or a folder")
    parser.add_argument("--identities", type=whole(1), default=60, help="held-out clips of --evaluate")
    parser.add_argument("--data", help="folder that the command cache wrote, of 64 px")
    parser.add_argument("--held-out", help="a second such folder, of validation seeds")
    parser.add_argument(
        "--out",
        help="folder for checkpoint, weights and metrics; with --evaluate, for weights with the table in their card",
    )
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out")
    parser.add_argument("--name", help="name of the weights")
    parser.add_argument(
        "--purpose", **one_of(("training", "scoring")), help="scoring: for scores only, never in a training"
    )
    parser.add_argument(
        "--steps", type=whole(1), help="steps of the whole training and of the learning rate's schedule"
    )
    parser.add_argument("--minutes", type=positive, help="save and stop after this time; --resume goes on")
    parser.add_argument("--seed", type=seed, help="seed of the first weights and of the order of the pictures")
    parser.add_argument("--batch", type=whole(1), help="pictures per step and process")
    parser.add_argument("--bf16", action="store_true", default=None, help="multiply in bfloat16")
    parser.add_argument("--threads", type=whole(1), default=1, help="threads of torch in each process")


def run(options: argparse.Namespace) -> int:
    """Train, or with ``--evaluate`` measure; 0 when done or when the time is up, 130 when Ctrl-C came first.

    Raises:
        FloatingPointError: the loss is not finite; the last checkpoint stays.
        ValueError: options that do not fit each other, the data, or the checkpoint.
        OSError: no such data or weights, or ``out`` cannot be written.
    """
    set_threads(options.threads)
    if options.evaluate is not None:
        return _evaluate(options)
    for name in ("data", "held_out", "out"):
        if getattr(options, name) is None:
            raise ValueError(f"{name}: expected a folder, got none; or --evaluate WEIGHTS")
    with writable(options.out):
        return _train(options)


def _train(options: argparse.Namespace) -> int:
    given = ("name", "purpose", "steps", "seed", "batch", "bf16")
    changes = {name: value for name in given if (value := getattr(options, name)) is not None}
    earlier = read_regression(options.out)["config"] if options.resume else {}
    config = RegressionConfig(**earlier | changes)
    with naming("--data"):
        frames = FrameCache(options.data)
    with naming("--held-out"):
        held_out = FrameCache(options.held_out)
    trainer = RegressorTrainer(config, frames, options.out, held_out, resume=options.resume)
    outcome = trainer.run(minutes=options.minutes)
    if trainer.accelerator.is_main_process:
        say(progress(outcome, trainer.step, config.steps, trainer.seconds))
    return 130 if outcome == "interrupted" else 0


def _evaluate(options: argparse.Namespace) -> int:
    with naming("--evaluate"):
        regressor = CoefficientRegressor.from_pretrained(options.evaluate)
    with nullcontext() if options.out is None else writable(options.out):
        answers = answer_clips(regressor, options.identities)
        clips, frames = answers.estimates.shape[:2]
        table = markdown(error_table(answers, regressor.mean))
        table = f"{clips} clips of {frames} frames, persons and motions from seed {FIRST_SEED:,}:\n\n{table}"
        if options.out is not None:
            regressor.save_pretrained(options.out, f"## Errors (`python -m flow3d regress --evaluate`)\n\n{table}")
    say(table)
    return 0
