"""The command line, ``python -m flow3d``: ``cache`` renders frames, ``train`` and ``regress`` learn from them."""

from __future__ import annotations

import argparse
import ast
import os
import sys
from collections.abc import Sequence
from typing import Any, Literal, cast

import torch

from .config import PRESETS, RendererConfig, preset
from .datasets.cache import FrameCache, build_cache
from .evaluation import evaluate
from .evaluation.ablations import command as ablations
from .evaluation.rivals import command as rivals


def parser() -> argparse.ArgumentParser:
    """All commands and options."""
    top = argparse.ArgumentParser(prog="python -m flow3d", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True)
    cache = commands.add_parser("cache", help="render frames of procedural heads once, to train on")
    cache.add_argument("--out", required=True, help="folder; a half-finished one is finished")
    cache.add_argument("--identities", type=int, default=900)
    cache.add_argument("--frames", type=int, default=30, help="of each identity, of all clips together")
    cache.add_argument(
        "--clips",
        type=int,
        default=3,
        help="2: in the second they move as another person; 3: in the third they make faces",
    )
    cache.add_argument("--size", type=int, default=64, help="side in pixels, as the preset's")
    cache.add_argument("--seed", type=int, default=0, help="of the first identity; 1,000,000 and on validate")
    cache.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    evaluate.add_options(commands.add_parser("evaluate", help="measure a renderer against true answers"))
    ablations.add_options(commands.add_parser("ablate", help="train and measure the paper's ablations, leg by leg"))
    rivals.add_options(commands.add_parser("rivals", help="train and measure earlier methods beside ours"))
    train = commands.add_parser("train", help="train one of the two phases; several processes through torchrun")
    train.add_argument("--preset", choices=PRESETS, default="tiny")
    train.add_argument("--recipe", choices=("strict", "extended"), default="strict")
    train.add_argument("--phase", type=int, choices=(1, 2), default=1)
    train.add_argument("--out", required=True, help="folder for checkpoint, weights, metrics and contact sheets")
    train.add_argument("--data", required=True, help="folder that the command cache wrote")
    train.add_argument("--held-out", help="another one, of validation seeds, for the contact sheets")
    train.add_argument("--start", help="weights to begin with: a renderer's folder, or phase 1's --out")
    train.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out")
    train.add_argument("--steps", type=int, help="of the whole phase; the learning rate's schedule counts by it")
    train.add_argument("--minutes", type=float, help="save and leave after this time, to be resumed")
    train.add_argument("--seed", type=int, help="of the first weights and of the order of the pairs")
    train.add_argument("--batch", type=int, help="pictures a step and process, both directions counted")
    train.add_argument("--features", help="what the perceptual losses look through: vgg19, head or pyramid")
    train.add_argument(
        "--threads", type=int, default=1, help="of torch in each process; a second one waits on busy cores"
    )
    train.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="change a field of TrainingConfig; repeatable"
    )
    train.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="change a switch of RendererConfig; repeatable",
    )
    regress = commands.add_parser("regress", help="train a coefficient regressor, or measure one")
    regress.add_argument("--evaluate", metavar="WEIGHTS", help="print the errors of these weights, a name or a folder")
    regress.add_argument("--identities", type=int, default=60, help="of --evaluate: how many held-out clips")
    regress.add_argument("--data", help="folder that the command cache wrote, of 64 px")
    regress.add_argument("--held-out", help="another one, of validation seeds")
    regress.add_argument(
        "--out",
        help="folder for checkpoint, weights and metrics; with --evaluate, for weights whose card has the table",
    )
    regress.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out")
    regress.add_argument("--name", help="of the weights")
    regress.add_argument("--purpose", choices=("training", "scoring"), help="scoring: never judges what is trained")
    regress.add_argument("--steps", type=int, help="of the whole training; the learning rate's schedule counts by it")
    regress.add_argument("--minutes", type=float, help="save and leave after this time, to be resumed")
    regress.add_argument("--seed", type=int, help="of the first weights and of the order of the pictures")
    regress.add_argument("--batch", type=int, help="pictures a step and process")
    regress.add_argument("--bf16", action="store_true", default=None, help="multiply in bfloat16")
    regress.add_argument("--threads", type=int, default=1, help="of torch in each process")
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 is done, 1 a loss that is not finite, 2 bad input, 130 stopped by Ctrl-C."""
    options = parser().parse_args(arguments)
    try:
        doers = {
            "cache": _cache,
            "train": _train,
            "regress": _regress,
            "evaluate": evaluate.run,
            "ablate": ablations.run,
            "rivals": rivals.run,
        }
        return doers[options.command](options)
    except FloatingPointError as error:
        print(f"stopped: {error}; the last checkpoint is kept", file=sys.stderr)
        return 1
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _cache(options: argparse.Namespace) -> int:
    from tqdm import tqdm

    with tqdm(total=options.identities, unit="identity", leave=False) as bar:
        build_cache(
            options.out, options.identities, options.frames, options.size, seed=options.seed, clips=options.clips,
            workers=options.workers,
            progress=lambda done, _: bar.update(done - bar.n),
        )  # fmt: skip
    print(f"{options.identities * options.frames} frames")
    return 0


def _train(options: argparse.Namespace) -> int:
    from .training.checkpoint import read_checkpoint
    from .training.config import training
    from .training.trainer import Trainer

    _set_threads(options.threads)
    config = training(options.preset, options.recipe, cast("Literal[1, 2]", options.phase))
    described = preset(options.preset, options.recipe)
    if options.resume:  # what was chosen then holds, unless it is said again
        checkpoint = read_checkpoint(options.out)
        found = checkpoint.training
        if (found.preset, found.recipe, found.phase) == (config.preset, config.recipe, config.phase):
            config, described = found, RendererConfig.from_json(checkpoint.renderer)
    changes = {
        name: value for name in ("steps", "seed", "batch", "features") if (value := getattr(options, name)) is not None
    }
    config = config.replace(**changes | dict(map(_setting, options.set)))
    described = described.replace(**dict(map(_setting, options.model)))
    data = FrameCache(options.data)
    held_out = FrameCache(options.held_out) if options.held_out else None
    trainer = Trainer(
        config, data, options.out, resume=options.resume, start=options.start, held_out=held_out, described=described
    )
    outcome = trainer.run(minutes=options.minutes)
    if trainer.first:
        print(f"{outcome} at step {trainer.step} of {config.steps}, {trainer.seconds:.0f} s")
    return 130 if outcome == "interrupted" else 0


def _regress(options: argparse.Namespace) -> int:
    from .training.regression import RegressionConfig, RegressorTrainer, read_regression

    _set_threads(options.threads)
    if options.evaluate is not None:
        return _evaluate(options)
    for name in ("data", "held_out", "out"):
        if getattr(options, name) is None:
            raise ValueError(f"{name}: expected a folder, got none")
    given = ("name", "purpose", "steps", "seed", "batch", "bf16")
    changes = {name: value for name in given if (value := getattr(options, name)) is not None}
    earlier = read_regression(options.out)["config"] if options.resume else {}
    config = RegressionConfig(**earlier | changes)
    frames, held_out = FrameCache(options.data), FrameCache(options.held_out)
    trainer = RegressorTrainer(config, frames, options.out, held_out, resume=options.resume)
    outcome = trainer.run(minutes=options.minutes)
    if trainer.accelerator.is_main_process:
        print(f"{outcome} at step {trainer.step} of {config.steps}, {trainer.seconds:.0f} s")
    return 130 if outcome == "interrupted" else 0


def _evaluate(options: argparse.Namespace) -> int:
    from .evaluation.coefficient_errors import FIRST_SEED, ask, markdown, measure
    from .preprocessing import CoefficientRegressor

    regressor = CoefficientRegressor.from_pretrained(options.evaluate)
    answers = ask(regressor, options.identities)
    clips, frames = answers.said.shape[:2]
    table = markdown(measure(answers, regressor.mean))
    table = f"{clips} clips of {frames} frames, persons and motions from seed {FIRST_SEED:,}:\n\n{table}"
    if options.out is not None:
        regressor.save_pretrained(options.out, f"## Errors (`python -m flow3d regress --evaluate`)\n\n{table}")
    print(table)
    return 0


def _set_threads(threads: int) -> None:
    if threads < 1:
        raise ValueError(f"threads: expected at least 1, got {threads}")
    torch.set_num_threads(threads)


def _setting(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"set, model: expected NAME=VALUE, got {text!r}")
    try:
        return name, ast.literal_eval(value)
    except (SyntaxError, ValueError):
        return name, value


if __name__ == "__main__":
    sys.exit(main())
