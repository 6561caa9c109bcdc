"""What one run on a card measures, in the order of its worth: rows as data, and no import of torch.

Seconds are predictions. A step that takes longer hands its remaining rows to the end of the run.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence

from supervisor import Row, Step
from tune import tile_rows

LAYOUTS = ("channels-last", "contiguous")
DTYPES = ("float32", "bfloat16")
PER_CHANNEL = "style per channel"
# What a batch of 16 is to reach: of the measured copy's bandwidth, or as a multiple of the rival's speed.
TARGETS: Mapping[tuple[str, str], Mapping[str, Mapping[str, float]]] = {
    ("warp3d", "eager"): {"forward": {"share": 0.75}, "backward": {"ratio": 1.5}},
    ("adain3d", "eager"): {"forward": {"ratio": 3.0}},
    ("warp3d", "compiled"): {"forward": {"ratio": 1.0}, "backward": {"ratio": 1.0}},
    ("adain3d", "compiled"): {"forward": {"ratio": 1.0}, "backward": {"ratio": 1.0}},
}
PATIENCE = 300  # seconds of a rehearsed step: a busy CPU shall not change the order
RUNGS = ("scalar gathers", "rows of channels", "fixed distances", "16 channels a step", "bricks of 2x4x4")


def compare(step: str, operation: str, layout: str, variant: str, dtype: str, batch: int, rival: str = "eager") -> Row:
    """Ours and a rival on the same inputs, forward and backward."""
    name = f"{operation} {layout}, {variant}, {dtype}, N={batch}, against {rival}"
    wanted = TARGETS.get((operation, rival), {}) if batch == 16 and step != "others" else {}
    given = {"operation": operation, "layout": layout, "variant": variant, "dtype": dtype, "batch": batch}
    return Row(name, step, "compare", 75 if rival == "compiled" else 40, given | {"rival": rival, "targets": wanted})


def machine() -> Iterator[Row]:
    """The card itself: its copy, its L2 cache, its vector reductions."""
    yield Row("copy", "machine", "copy", 20)
    for kernel, place in itertools.product(("read", "reduce", "reduce, eight on a row"), ("L2", "DRAM")):
        yield Row(f"{kernel}, {place}", "machine", "rows", 20, {"kernel": kernel, "place": place})


def parity() -> Iterator[Row]:
    """Both operations against float64, before anything is timed."""
    for operation, layout, dtype in itertools.product(("warp3d", "adain3d"), LAYOUTS, DTYPES):
        variant = "smooth flow and mask" if operation == "warp3d" else PER_CHANNEL
        row = compare("parity", operation, layout, variant, dtype, 2)
        given = {key: value for key, value in row.given.items() if key != "targets"}
        yield Row(f"{operation} {layout}, {dtype}", "parity", "parity", 40, given)


def targets() -> Iterator[Row]:
    """What decides whether the kernels were worth writing."""
    for dtype, flow in itertools.product(DTYPES, ("smooth flow", "white flow")):
        yield compare("targets", "warp3d", "channels-last", flow, dtype, 16)
    for dtype, layout, rival in itertools.product(DTYPES, LAYOUTS, ("eager", "folded")):
        yield compare("targets", "adain3d", layout, PER_CHANNEL, dtype, 16, rival)
    for dtype in DTYPES:
        yield compare("targets", "warp3d", "channels-last", "smooth flow", dtype, 1)
        for layout in LAYOUTS:
            yield compare("targets", "adain3d", layout, PER_CHANNEL, dtype, 1)


def ladder() -> Iterator[Row]:
    """The five forward warps of notebook 08, on the same inputs."""
    for rung in RUNGS:
        yield Row(f"rung: {rung}", "ladder", "rung", 30, {"rung": rung, "batch": 16})


def compiled() -> Iterator[Row]:
    """What torch.compile makes of the plain composition."""
    for dtype in DTYPES:
        yield compare("compiled", "warp3d", "channels-last", "smooth flow", dtype, 16, "compiled")
        for layout in LAYOUTS:
            yield compare("compiled", "adain3d", layout, PER_CHANNEL, dtype, 16, "compiled")


def checkers() -> Iterator[Row]:
    """compute-sanitizer over small launches, and both operations inside torch.compile."""
    for tool in ("racecheck", "memcheck"):
        yield Row(tool, "checkers", "sanitizer", 60, {"tool": tool})
    yield Row("a compiled block", "checkers", "compiled_block", 40)


def others() -> Iterator[Row]:
    """The other batches, layouts and variants."""
    for batch, dtype in itertools.product((4, 64), DTYPES):
        yield compare("others", "warp3d", "channels-last", "smooth flow", dtype, batch)
        for layout in LAYOUTS:
            yield compare("others", "adain3d", layout, PER_CHANNEL, dtype, batch)
    for dtype in DTYPES:
        yield compare("others", "warp3d", "channels-last", "smooth flow, deterministic", dtype, 16)
        yield compare("others", "warp3d", "contiguous", "smooth flow", dtype, 16)
        yield compare("others", "warp3d", "channels-last", "smooth flow and mask", dtype, 16)
        for layout, variant in itertools.product(LAYOUTS, ("full style map", f"{PER_CHANNEL} and residual")):
            yield compare("others", "adain3d", layout, variant, dtype, 16)


def frames(models: Sequence[tuple[str, str]], kinds: Sequence[tuple[int, bool]]) -> Iterator[Row]:
    """Whole frames and training steps, on our kernels and on PyTorch's operations, in a process of their own."""
    sides, layouts = ("kernels", "PyTorch"), ("contiguous", "channels-last")
    for (preset, recipe), (count, graph), dtype in itertools.product(models, kinds, DTYPES):
        given = {"work": "frames", "preset": preset, "recipe": recipe, "dtype": dtype, "batch": count, "graph": graph}
        for layout, path in itertools.product(layouts, sides):
            name = f"frames: {preset}, {dtype}, N={count}{', graph' if graph else ''}, {layout}, {path}"
            yield Row(name, "frames", "rate", 30, given | {"layout": layout, "path": path}, "frames")
    for (preset, recipe), path in itertools.product(models, sides):
        given = {"work": "steps", "preset": preset, "recipe": recipe, "phase": 2, "batch": 8, "path": path}
        yield Row(f"training steps: {preset}, {path}", "frames", "rate", 40, given, "frames")


def planted() -> Iterator[Row]:
    """What a rehearsal must survive, and note: a row that aborts, one that hangs, one that strays."""
    for fault, seconds in (("abort", 60), ("hang", 2), ("stray", 60)):
        yield Row(f"planted {fault}", "planted", "planted", seconds, {"fault": fault})


def card_steps() -> tuple[Step, ...]:
    """525 predicted seconds."""
    return (
        Step("machine", 10, tuple(machine())),
        Step("parity", 25, tuple(parity())),
        Step("targets", 90, tuple(targets())),
        Step("tiles", 90, tuple(tile_rows())),
        Step("ladder", 60, tuple(ladder())),
        Step("compiled", 80, tuple(compiled())),
        Step("checkers", 40, tuple(checkers())),
        Step("others", 60, tuple(others())),
        Step("frames", 70, tuple(frames((("tiny", "extended"), ("paper", "strict")), ((1, True), (16, False))))),
    )


def rehearsal_steps() -> tuple[Step, ...]:
    """The same rows on a CPU, small, with faults planted among them; of the tiles the first of each kernel."""
    first = {row.given["entry"]: row for row in reversed(tuple(tile_rows()))}
    small = {
        "tiles": tuple(reversed(first.values())),
        "frames": tuple(frames((("micro", "strict"),), ((2, False),))),
    }
    steps = [Step(step.name, PATIENCE, small.get(step.name, step.rows)) for step in card_steps()]
    return (steps[0], Step("planted", PATIENCE, tuple(planted())), *steps[1:])


def flatten(steps: tuple[Step, ...]) -> list[Row]:
    """All rows."""
    return [row for step in steps for row in step.rows]
