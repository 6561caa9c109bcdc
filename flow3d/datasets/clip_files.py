"""Clips as files: 8-bit pictures and float32 coefficients in one npz; and the example that comes with the package.

``python -m flow3d.datasets.clip_files --out data/clips/talking_head.npz`` renders the example anew.
"""

import argparse
import io
import os
import zipfile
from pathlib import Path

import numpy as np
import torch

from ..assets import path as asset
from ..files import write_whole
from ..morphable import Coefficients
from ..preprocessing.images import from_bytes, mask_from_bytes, mask_to_bytes, to_bytes
from .clips import Clip, make_clip

EXAMPLE = {"seed": 1_000_323, "frames": 50, "size": 128}  # a published seed that no training sees
_FIELDS = ("frames", "alphas", "labels", "background", "coefficients")


def save_clip(path: str | os.PathLike[str], clip: Clip) -> None:
    """Write a clip as a compressed npz; pictures are rounded to 8 bits, coefficients are kept exactly."""
    arrays = {
        "frames": to_bytes(clip.frames).numpy(),
        "alphas": mask_to_bytes(clip.alphas).numpy(),
        "labels": clip.labels.byte().numpy(),
        "background": to_bytes(clip.background).numpy(),
        "coefficients": clip.coefficients.values.numpy(),
    }
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    write_whole(path, buffer.getvalue())


def load_clip(path: str | os.PathLike[str]) -> Clip:
    """Read what :func:`save_clip` wrote.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is no clip, or a part of it is missing.
    """
    try:
        with np.load(io.BytesIO(Path(path).read_bytes()), allow_pickle=False) as file:
            missing = [name for name in _FIELDS if name not in file]
            if missing:
                raise ValueError(f"path: expected a clip in {os.fspath(path)!r}, found no {', '.join(missing)}")
            arrays = {name: torch.from_numpy(file[name]) for name in _FIELDS}
    except (zipfile.BadZipFile, EOFError, OSError, ValueError) as error:
        if isinstance(error, FileNotFoundError) or "expected a clip" in str(error):
            raise
        raise ValueError(f"path: expected a clip in {os.fspath(path)!r}, got another file ({error})") from error
    return Clip(
        frames=from_bytes(arrays["frames"]),
        alphas=mask_from_bytes(arrays["alphas"]),
        labels=arrays["labels"].long(),
        background=from_bytes(arrays["background"]),
        coefficients=Coefficients(arrays["coefficients"]),
    )


def example_clip() -> Clip:
    """The rendered talking head that comes with the package: 50 frames of 128 px."""
    return load_clip(asset("clips/talking_head.npz"))


def main() -> None:
    """Render the example clip."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    save_clip(parser.parse_args().out, make_clip(**EXAMPLE))


if __name__ == "__main__":
    main()
