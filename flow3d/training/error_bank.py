"""Windows as the regressor would estimate them: exact ones plus errors that it makes on other people.

``python -m flow3d.training.error_bank --out data/weights/regressor/errors.npz`` draws those of the shipped one anew.
"""

from __future__ import annotations

import argparse
import io
import zipfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..assets import path
from ..checks import Whole, check_integer
from ..datasets.clips import make_clip
from ..files import write_whole
from ..perception.regressor import SIZE, CoefficientRegressor, shipped_regressor
from ..sizes import COEFFICIENT_COUNT, RADIUS, WINDOW

FILE = "weights/regressor/errors.npz"
FIRST_SEED = 980_000  # of the persons; a cache that trains holds others, unless it is made of nearly a million


@dataclass(frozen=True, eq=False)
class ErrorBank:
    """Errors (I, N, 73) of a regressor on I clips of N frames, raw units; those of neighbouring frames correlate."""

    errors: Float[Tensor, "I N 73"]

    @classmethod
    def of(cls, regressor: CoefficientRegressor, identities: Whole = 40, frames: Whole = 53) -> ErrorBank:
        """Its errors on clips of persons numbered from :data:`FIRST_SEED`.

        Raises:
            ValueError: ``identities`` below 1, or fewer ``frames`` than the 27 of a window.
        """
        last = FIRST_SEED + check_integer(identities, "identities", 1)
        check_integer(frames, "frames", WINDOW)
        errors = []
        for seed in range(FIRST_SEED, last):
            clip = make_clip(seed, frames, SIZE)
            errors.append(regressor.answer(clip.frames)[:, :COEFFICIENT_COUNT] - clip.coefficients.values)
        return cls(torch.stack(errors))

    def observe(
        self, windows: Float[Tensor, "B 73 27"], rng: np.random.Generator, one_frame: bool = False
    ) -> Float[Tensor, "B 73 27"]:
        """Add to each window the errors of 27 frames in a row of one clip.

        If ``one_frame``, the middle frame is then repeated, which is a window of radius k = 0.
        """
        clips, frames = self.errors.shape[:2]
        who = rng.integers(clips, size=len(windows))
        start = rng.integers(frames - WINDOW + 1, size=len(windows))
        slices = [self.errors[i, s : s + WINDOW].T for i, s in zip(who.tolist(), start.tolist(), strict=True)]
        observed = windows + torch.stack(slices)
        return observed[:, :, RADIUS : RADIUS + 1].expand(-1, -1, WINDOW).contiguous() if one_frame else observed


@lru_cache(maxsize=1)
def shipped_errors() -> ErrorBank:
    """The errors of the regressor that the package ships, which would take most of a minute to draw.

    Raises:
        ValueError: the shipped file is damaged.
    """
    file = path(FILE)
    try:
        with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as arrays:
            errors = torch.from_numpy(arrays["errors"]).float()
    except (zipfile.BadZipFile, EOFError, KeyError, ValueError) as error:
        raise ValueError(f"errors: expected a regressor's errors in {file.name}, got another file ({error})") from error
    return ErrorBank(errors)


def main() -> None:
    """Draw the errors of the shipped regressor and write them, in 16 bits."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, errors=ErrorBank.of(shipped_regressor()).errors.half().numpy())
    write_whole(parser.parse_args().out, buffer.getvalue())


if __name__ == "__main__":
    main()
