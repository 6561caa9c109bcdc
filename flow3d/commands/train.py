"""``flow3d train``: train one of the two phases."""

from __future__ import annotations

import argparse
from typing import Literal, cast

from ..config import PRESETS, RendererConfig, preset
from ..datasets.cache import FrameCache
from ..threads import set_threads
from ..training.checkpoint import read_checkpoint
from ..training.config import training
from ..training.frames import hold_on_card
from ..training.perceptual import perceptual
from ..training.trainer import Trainer
from .messages import naming, progress, say
from .outputs import writable
from .parser import Parser, one_of, positive, seed, whole
from .settings import changed

AFTER_STOP = "start it again, with --resume where --out holds a checkpoint"


def add_options(parser: Parser) -> None:
    """The options of the command."""
    parser.add_argument("--preset", **one_of(PRESETS), default="tiny")
    parser.add_argument("--recipe", **one_of(("strict", "extended")), default="strict")
    parser.add_argument("--phase", **one_of((1, 2)), default=1)
    parser.add_argument("--out", required=True, help="folder for checkpoint, weights, metrics and contact sheets")
    parser.add_argument("--data", required=True, help="folder that the command cache wrote")
    parser.add_argument("--held-out", help="a second such folder, of validation seeds, for the contact sheets")
    parser.add_argument("--start", help="weights to begin with: a renderer's folder, or phase 1's --out")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out")
    parser.add_argument("--steps", type=whole(1), help="steps of the whole phase and of the learning rate's schedule")
    parser.add_argument("--minutes", type=positive, help="save and stop after this time; --resume goes on")
    parser.add_argument("--seed", type=seed, help="seed of the first weights and of the order of the pairs")
    parser.add_argument("--batch", type=whole(1), help="pictures per step and process, both directions counted")
    parser.add_argument("--features", help="network of the perceptual losses: vgg19, head or pyramid")
    parser.add_argument("--vgg", metavar="FILE", help="torchvision's weights of VGG-19; the losses look through it")
    parser.add_argument(
        "--threads", type=whole(1), default=1, help="threads of torch in each process; more are slower on busy cores"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="change a field of TrainingConfig; repeatable"
    )
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="change a switch of RendererConfig; repeatable",
    )


def run(options: argparse.Namespace) -> int:
    """Train; 0 when done or when the time is up, 130 when Ctrl-C came first.

    Raises:
        FloatingPointError: a loss is not finite; the last checkpoint stays.
        ValueError: options that do not fit each other, the data, or the checkpoint; or ``vgg`` is not VGG-19's file.
        OSError: no such data or weights, or ``out`` cannot be written.
    """
    set_threads(options.threads)
    with writable(options.out):
        return _train(options)


def _train(options: argparse.Namespace) -> int:
    config = training(options.preset, options.recipe, cast("Literal[1, 2]", options.phase))
    described = preset(options.preset, options.recipe)
    if options.resume:  # earlier choices hold unless they are given again
        checkpoint = read_checkpoint(options.out)
        earlier = checkpoint.training
        if (earlier.preset, earlier.recipe, earlier.phase) == (config.preset, config.recipe, config.phase):
            config, described = earlier, RendererConfig.from_json(checkpoint.renderer)
    changes = {
        name: value for name in ("steps", "seed", "batch", "features") if (value := getattr(options, name)) is not None
    }
    if options.vgg is not None:
        changes.setdefault("features", "vgg19")
    config = changed(config.replace(**changes), "--set", options.set)
    described = changed(described, "--model", options.model)
    if options.vgg is not None and config.features != "vgg19":
        raise ValueError(f"--vgg: expected features 'vgg19' beside it, got {config.features!r}")
    with naming("--vgg", "weights"):
        judge = perceptual(config.features, weights=options.vgg)
    with naming("--data"):
        data = FrameCache(options.data)
    with naming("--held-out"):
        held_out = FrameCache(options.held_out) if options.held_out else None
    with naming("--start", "name_or_folder"):
        trainer = Trainer(
            config, data, options.out, resume=options.resume, start=options.start, held_out=held_out,
            described=described, judge=judge,
        )  # fmt: skip
    hold_on_card((data, held_out), trainer.accelerator.device)
    outcome = trainer.run(minutes=options.minutes)
    if trainer.first:
        say(progress(outcome, trainer.step, config.steps, trainer.seconds))
    return 130 if outcome == "interrupted" else 0
