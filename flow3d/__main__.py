"""The table of commands: ``flow3d COMMAND``, or ``python -m flow3d COMMAND``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from .commands import ablate, cache, evaluate, models, reenact, regress, rivals, train
from .commands.messages import complain, quiet_decoders, with_option
from .commands.parser import Parser, UsageError

COMMANDS = {
    "reenact": (reenact, "let a picture move as a clip does"),
    "cache": (cache, "render frames of procedural heads once, to train on"),
    "train": (train, "train one of the two phases; several processes through torchrun"),
    "regress": (regress, "train a coefficient regressor, or measure one"),
    "evaluate": (evaluate, "measure a renderer against true answers"),
    "ablate": (ablate, "train and measure the paper's ablations, variant by variant"),
    "rivals": (rivals, "train and measure earlier methods beside ours"),
    "models": (models, "list the networks that others trained, or take in your copy of one"),
}


def parser() -> Parser:
    """All commands and options."""
    top = Parser(prog="flow3d", description="One-shot face re-enactment: use a renderer, train one, measure one.")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (module, summary) in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
        module.add_options(command)
        command.set_defaults(run=module.run, names=command.names, after_stop=module.AFTER_STOP)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 is done, 1 a loss that is not finite, 2 bad input, 130 stopped by Ctrl-C."""
    try:
        options = parser().parse_args(sys.argv[1:] if arguments is None else arguments)
    except UsageError as error:
        complain(f"error: {error}")
        return 2
    quiet_decoders()
    try:
        return options.run(options)
    except KeyboardInterrupt:
        complain(f"stopped: {options.after_stop}")
        return 130
    except FloatingPointError as error:
        complain(f"stopped: {error}; the last checkpoint is kept")
        return 1
    except (ValueError, OSError) as error:
        complain(f"error: {with_option(error, options.names)}")
        return 2


if __name__ == "__main__":
    sys.exit(main())
