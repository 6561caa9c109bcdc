"""The process that works: rows come as lines of JSON on stdin, answers go to stdout; see supervisor.py.

    python kernels/bench/worker.py [--rehearse]

It is started by the suite. Whatever a row does to this process, the suite has its earlier answers already.
"""

import argparse
import faulthandler
import importlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

import torch

from setting import CARD, REHEARSAL, Absent, Setting

# kind of a row -> module and function that yields its lines; imported when it is wanted, since some need Triton
WORK = {
    "environment": ("checks", "environment"),
    "copy": ("machine", "copy"),
    "rows": ("machine", "rows"),
    "parity": ("gpu", "parity"),
    "compare": ("gpu", "compare"),
    "tile": ("tile", "measure"),
    "rung": ("ladder", "measure"),
    "sanitizer": ("checks", "sanitizer"),
    "compiled_block": ("checks", "compiled_block"),
    "planted": ("checks", "planted"),
}


def work(row: dict[str, Any], setting: Setting) -> Iterator[dict[str, Any]]:
    """The row's lines; the last one says why where it could not be measured."""
    try:
        module, function = WORK[row["kind"]]
        yield from getattr(importlib.import_module(module), function)(setting, **row["given"])
        if setting.device == "cuda":
            torch.cuda.synchronize()  # so that a fault belongs to the row that made it
    except Absent as reason:
        yield {"status": "absent", "reason": str(reason)}
    except ModuleNotFoundError as reason:
        yield {"status": "absent" if reason.name == "triton" else "failed", "reason": str(reason)}
    except Exception as error:
        yield {"status": "failed", "reason": f"{type(error).__name__}: {error}"[:900]}


def healthy(setting: Setting) -> bool:
    """Whether the device still answers: after an illegal access no call on a card does."""
    try:
        return torch.zeros(1, device=setting.device).add(1).item() == 1
    except RuntimeError:
        return False


def serve(setting: Setting, say: Callable[[dict[str, Any]], None]) -> None:
    """Answer rows until there are no more, or until the device's context is lost."""
    say({"ready": True})
    for line in sys.stdin:
        for answer in work(json.loads(line), setting):
            say(answer)
        well = healthy(setting)
        say({"over": True, "healthy": well})
        if not well:
            return


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rehearse", action="store_true", help="small, on the CPU")
    setting = REHEARSAL if parser.parse_args().rehearse else CARD
    faulthandler.enable()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever else is printed goes to stderr
    if setting.device == "cpu":
        torch.set_num_threads(1)
    serve(setting, lambda answer: print(json.dumps(answer), file=answers, flush=True))


if __name__ == "__main__":
    main()
