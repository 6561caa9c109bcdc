"""The table of commands: ``flow3d COMMAND``, or ``python -m flow3d COMMAND``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from .commands import ablate, cache, evaluate, regress, rivals, train

COMMANDS = {
    "cache": (cache, "render frames of procedural heads once, to train on"),
    "train": (train, "train one of the two phases; several processes through torchrun"),
    "regress": (regress, "train a coefficient regressor, or measure one"),
    "evaluate": (evaluate, "measure a renderer against true answers"),
    "ablate": (ablate, "train and measure the paper's ablations, leg by leg"),
    "rivals": (rivals, "train and measure earlier methods beside ours"),
}


def parser() -> argparse.ArgumentParser:
    """All commands and options."""
    top = argparse.ArgumentParser(prog="flow3d", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True)
    for name, (module, told) in COMMANDS.items():
        module.add_options(commands.add_parser(name, help=told))
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 is done, 1 a loss that is not finite, 2 bad input, 130 stopped by Ctrl-C."""
    options = parser().parse_args(arguments)
    try:
        return COMMANDS[options.command][0].run(options)
    except FloatingPointError as error:
        print(f"stopped: {error}; the last checkpoint is kept", file=sys.stderr)
        return 1
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
