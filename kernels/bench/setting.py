"""How large and how often: on a card, and in a rehearsal on a CPU, whose times mean nothing."""

from dataclasses import dataclass


class Absent(Exception):
    """Something that a row needs is not on this machine; the message says what."""


@dataclass(frozen=True)
class Setting:
    """What every row of the suite is told about the machine."""

    device: str
    volume: tuple[int, int, int, int]  # (C, D, H, W)
    most_samples: int  # larger batches are cut to so many
    warm_ups: int  # repetitions that are not counted: an idle card's clocks are low
    repetitions: int
    calls: int  # between two readings of the clock
    cache: int  # bytes of the largest L2 cache in sight; inputs rotate through twice as much
    copied: int  # bytes that the measured copy reads
    rows_read: dict[str, int]  # where it is read from -> rows of 128 bytes
    graphs: bool  # whether there are CUDA graphs
    compiles: bool  # whether torch.compile is worth its time

    def shape(self, batch: int) -> tuple[int, int, int, int, int]:
        """(B, C, D, H, W)."""
        return (min(batch, self.most_samples), *self.volume)


CARD = Setting(
    device="cuda",
    volume=(32, 16, 64, 64),
    most_samples=64,
    warm_ups=3,
    repetitions=15,
    calls=10,
    cache=2**26,
    copied=2**29,
    rows_read={"L2": 2**18, "DRAM": 2**23},
    graphs=True,
    compiles=True,
)
REHEARSAL = Setting(
    device="cpu",
    volume=(4, 2, 4, 8),
    most_samples=2,
    warm_ups=0,
    repetitions=2,
    calls=1,
    cache=2**10,
    copied=2**12,
    rows_read={"L2": 2**7, "DRAM": 2**8},
    graphs=False,
    compiles=False,
)
