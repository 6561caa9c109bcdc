"""Notebook 08's ladder: what a rung is, what is predicted of it, what is counted, and what a card measured."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from flow3d.teach.lessons.lesson_08 import error_of, smooth_flow
from flow3d.teach.lessons.lesson_08_machine import Machine, machine_code

WARPS = 4  # of a program of every rung
SECTOR = 32  # bytes: the least that L2 delivers

Flow = Float[np.ndarray, "3 D H W"]
Corners = Int[np.ndarray, "8 D H W"]


@dataclass(frozen=True)
class Card:
    """How fast a card is at best; where nobody measured it, assumed."""

    slots: float  # instructions of a warp that it starts in a second
    l2: float  # bytes in a second from the L2 cache
    dram: float  # bytes in a second from memory


@dataclass(frozen=True)
class Rung:
    """A kernel of the ladder, and what a prediction needs to know of it.

    Attributes:
        kernel: takes volume, flow, out, C, D, H, W and the constants.
        brick: (z, y, x) voxels that a program of four warps bends; they follow one another where BLOCK_P is a constant.
        channels: of a step.
        constants: what is known when it is compiled.
        wide: values that a lane loads at once; one where neighbouring lanes read neighbouring voxels.
        addresses: the reader's guess of the instructions that find the address of one load.
    """

    kernel: Any
    brick: tuple[int, int, int]
    channels: int
    constants: Mapping[str, Any]
    wide: int = 4
    addresses: float = 0.0

    def programs(self, shape: Sequence[int]) -> int:
        """How many programs bend a volume (B, C, D, H, W)."""
        samples, _, *sizes = shape
        if "BLOCK_P" in self.constants:
            return samples * -(-prod(sizes) // self.constants["BLOCK_P"])
        return samples * prod(-(-size // side) for size, side in zip(sizes, self.brick, strict=True))

    def warp(self, volume: Float[Tensor, "B C D H W"], flow: Float[Tensor, "B 3 D H W"]) -> Float[Tensor, "B C D H W"]:
        """Run it."""
        out = torch.empty_like(volume)
        self.kernel[(self.programs(volume.shape),)](volume, flow, out, *volume.shape[1:], **self.constants)
        return out


@dataclass(frozen=True)
class Roofs:
    """Instructions a warp issues, and microseconds below which no card stays: by them, and by bytes from L2."""

    instructions: float
    slots: float
    l2: float


@dataclass
class Ladder:
    """Rungs by name, each with its prediction, its counts and its time on a card; NaN where there is none.

    Attributes:
        card: what the times are taken for.
        shape: (B, C, D, H, W) of the volume.
        predict: a rung -> instructions a warp issues, and rows of C values that a program wants from L2.
        results: the ``rows.jsonl`` of a run on a card, if there is one.
    """

    card: Card
    shape: tuple[int, int, int, int, int]
    predict: Callable[[Rung], tuple[float, float]]
    results: Path
    rungs: dict[str, Rung] = field(default_factory=dict)
    machine: dict[str, Machine] = field(default_factory=dict)
    predicted: dict[str, Roofs] = field(default_factory=dict)
    counted: dict[str, Roofs] = field(default_factory=dict)
    why_not: str = ""  # why there is no machine code, where there is none

    def __post_init__(self) -> None:
        self.measured, self.measured_on = measured_rungs(self.results), card_of(self.results)
        self.corners = corners_of(smooth_flow(self.shape[2:]))

    @property
    def dram(self) -> float:
        """Microseconds of volume and flow in, result out: the same for all rungs."""
        samples, channels, *sizes = self.shape
        return 1e6 * samples * prod(sizes) * (channels + 3 + channels) * 4 / self.card.dram

    def warps(self, name: str) -> int:
        """Warps of all programs of a rung."""
        return WARPS * self.rungs[name].programs(self.shape)

    def climb(self, *names: str, variants: Mapping[str, str] | None = None) -> None:
        """Hold rungs against the package's warp, compile them for an H200, and print predictions beside counts.

        Args:
            names: of the rungs.
            variants: what else to compile; see ``machine_code``.
        """
        known = {"volume": "float32", "flow": "float32", "out": "float32", "num_warps": WARPS}
        known |= dict(zip("CDHW", self.shape[1:], strict=True))
        for name in names:
            rung = self.rungs[name]
            error = error_of(rung.warp, rung.wide > 1)
            assert error < 5e-6, f"{name} is off by {error}: a position near 8 voxels is rounded to 5e-7"
        kernels = {name: (self.rungs[name].kernel, known | dict(self.rungs[name].constants)) for name in names}
        found, self.why_not = machine_code(kernels, self.shape[1], variants)
        self.machine |= found
        for name in names:
            self.note(name)
            print(self.table(name))
        if self.why_not:
            print(f"Nothing is counted in machine code: {self.why_not}.")

    def note(self, name: str) -> None:
        """Write down what is predicted of a rung and what is counted."""
        rung, warps = self.rungs[name], self.warps(name)
        _, channels, *_ = self.shape

        def roofs(instructions: float, rows: float) -> Roofs:
            slots = instructions * warps / self.card.slots
            return Roofs(instructions, 1e6 * slots, 1e6 * rows * channels * 4 / self.card.l2)

        guess, rows = self.predict(rung)
        self.predicted[name] = roofs(guess, rows * warps / WARPS)
        group = 1 if rung.wide > 1 else SECTOR // 4  # contiguous, a sector holds neighbouring voxels of one channel
        fetched = self.shape[0] * group * touched(self.corners, rung.brick, group).sum()
        self.counted[name] = roofs(self.machine[name].issued if name in self.machine else np.nan, float(fetched))

    def table(self, name: str) -> str:
        """A rung's lines: what is predicted, counted, measured."""
        guess, count = self.predicted[name], self.counted[name]
        lines = [f"{name:24s} predicted   counted"]
        for label, value in (("instructions a warp", "instructions"), ("issue slots, µs", "slots"), ("L2, µs", "l2")):
            counted = f"{getattr(count, value):9.0f}" if np.isfinite(getattr(count, value)) else f"{'–':>9s}"
            lines.append(f"  {label:22s} {getattr(guess, value):8.0f} {counted}")
        lines.append(f"  {'DRAM, µs':22s} {self.dram:18.0f}")
        time = f"{self.measured[name]:.0f}" if name in self.measured else "not measured"
        return "\n".join([*lines, f"  {'on a card, µs':22s} {time:>18s}"])

    def least(self, name: str) -> float:
        """Microseconds below which a rung cannot stay: its highest roof, counted where it is."""
        roofs = self.counted[name] if name in self.machine else self.predicted[name]
        return max(roofs.slots, roofs.l2, self.dram)


def corners_of(flow: Flow) -> Corners:
    """The numbers of the eight rows that each voxel of a rung reads, positions held inside; flow in voxels."""
    sizes = np.reshape(flow.shape[1:], (3, 1, 1, 1))
    cell = np.clip(np.floor(np.indices(flow.shape[1:]) + flow[::-1]), 0, sizes - 2).astype(int)
    steps = np.array(list(np.ndindex(2, 2, 2)))[:, :, None, None, None]
    return np.stack([np.ravel_multi_index(tuple(cell + step), flow.shape[1:]) for step in steps])


def touched(corners: Corners, brick: tuple[int, int, int], group: int = 1) -> Int[np.ndarray, "bricks"]:
    """How many different rows each brick (z, y, x) reads, or groups of so many that follow one another."""
    (D, H, W), (z, y, x) = corners.shape[1:], brick
    parts = (corners // group).reshape(8, D // z, z, H // y, y, W // x, x)
    parts = np.sort(parts.transpose(1, 3, 5, 0, 2, 4, 6).reshape(-1, 8 * z * y * x))
    return 1 + (np.diff(parts) > 0).sum(1)


def readers_of(flow: Flow) -> Int[np.ndarray, "D H W"]:
    """How many voxels read each row: so many hand their gradient back to it."""
    sizes = flow.shape[1:]
    return np.bincount(corners_of(flow).ravel(), minlength=prod(sizes)).reshape(sizes)


def measured_rungs(results: Path) -> dict[str, float]:
    """Microseconds of the ladder's rungs on a card, from the ``rows.jsonl`` of a run; none where there is no run."""
    if not results.is_file():
        return {}
    lines = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]
    rungs = [line for line in lines if line["kind"] == "rung" and line["status"] == "measured"]
    return {line["rung"]: 1000 * line["ms"]["p50"] for line in rungs if line["batch"] == 16}


def card_of(results: Path) -> str:
    """The card's name that stands beside the ``rows.jsonl`` of a run; "" where there is no run."""
    about = results.with_name("environment.json")
    return json.loads(about.read_text(encoding="utf-8"))["card"] if about.is_file() else ""
