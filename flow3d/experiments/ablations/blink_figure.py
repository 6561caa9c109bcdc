"""Five frames of a blink (Fig. 11b): the truth, and renderers that are driven by the regressor's coefficients.

``python -m flow3d.experiments.ablations.blink_figure --weights tiny --out runs/blink`` drives the same weights by
windows of radius 13 and 0; with ``--variants runs/ablations`` each radius drives the weights that were trained with it.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ...checks import Whole
from ...datasets.clips import Clip, make_clip
from ...evaluation.measure.pair_rows import labelled
from ...evaluation.report.sheets import write_sheet
from ...evaluation.scores.metrics import psnr
from ...morphable import talking_head
from ...perception.regressor import CoefficientRegressor
from ...renderer import FlowRenderer
from ...sizes import WINDOW
from ...threads import one_thread
from .results import result_path

FIRST_SEED = 1_200_000  # the first clip from here on that holds a whole blink is shown
FRAMES, SHOWN_FRAMES, MARGIN = 60, 5, 14  # a window around every shown frame lies within the clip
CLOSED = 0.9  # of a full blink
VARIANT_OF = {"k = 13": "observed windows, k = 13", "k = 0": "observed windows, k = 0"}


@dataclass(frozen=True, eq=False)
class BlinkFigure:
    """Frames (5,3,S,S) by row, and the mean PSNR of each row on the true eyes, in dB."""

    seed: int
    rows: dict[str, Float[Tensor, "5 3 S S"]]
    eyes: dict[str, float]


def blink_of(first: Whole = FIRST_SEED) -> tuple[int, int]:
    """Seed and middle frame of the first clip from ``first`` on in which both eyes close and open again."""
    seed = int(first)
    while True:
        motion = talking_head(FRAMES, seed)
        shut = torch.minimum(motion["blink_left"], motion["blink_right"])[MARGIN : FRAMES - MARGIN]
        middle = MARGIN + int(shut.argmax())
        around = shut[max(0, middle - MARGIN - 5) : middle - MARGIN + 6]
        if shut.max() >= CLOSED and around.min() <= 0.1:
            return seed, middle
        seed += 1


def observed_windows(regressor: CoefficientRegressor, clip: Clip, one_frame: bool) -> Float[Tensor, "N 73 27"]:
    """Windows of a clip as the regressor sees them; ``one_frame`` repeats each frame, which is a radius of k = 0."""
    coefficients = regressor.predict(clip.frames)
    return coefficients.values[:, :, None].expand(-1, -1, WINDOW).contiguous() if one_frame else coefficients.windows()


@torch.no_grad()
def draw_blink(renderers: Mapping[str, FlowRenderer], regressor: CoefficientRegressor) -> BlinkFigure:
    """Re-enact a held-out clip by its own frames around a blink; row names "k = 13" and "k = 0" give the radius.

    Raises:
        ValueError: no renderer, renderers of different sizes, or a row of another name.
    """
    sizes = {renderer.config.size for renderer in renderers.values()}
    if len(sizes) != 1 or not set(renderers) <= set(VARIANT_OF):
        names = ", ".join(VARIANT_OF)
        raise ValueError(f"renderers: expected some of {names}, of one size, got {dict.fromkeys(renderers)}")
    seed, middle = blink_of()
    clip = make_clip(seed, FRAMES, sizes.pop())
    chosen = torch.arange(middle - SHOWN_FRAMES // 2, middle + SHOWN_FRAMES // 2 + 1)
    rows = {"truth": clip.frames[chosen]}
    for name, renderer in renderers.items():
        windows = observed_windows(regressor, clip, name == "k = 0")
        frames = renderer.reenact(clip.frames[0], windows[chosen], alpha=clip.alphas[0], source_window=windows[0])
        rows[name] = torch.stack(list(frames))
    places = [labelled(clip.labels[k], ("eyes",)) for k in chosen.tolist()]
    anywhere = torch.stack(places).any(0)  # a shut eye has no pixel of its own
    eyes = {
        name: sum(psnr(a, b, anywhere) for a, b in zip(row, rows["truth"], strict=True)) / SHOWN_FRAMES
        for name, row in rows.items()
        if name != "truth"
    }
    return BlinkFigure(seed, rows, eyes)


@one_thread()
def main() -> None:
    """Write blink_strip.png and print each row's PSNR on the eyes."""
    parser = argparse.ArgumentParser(description=__doc__)
    chosen = parser.add_mutually_exclusive_group(required=True)
    chosen.add_argument("--weights", help="one renderer for both radii")
    chosen.add_argument("--variants", type=Path, help="output folder of the command ablate")
    parser.add_argument("--seed", type=int, default=0, help="seed of the variants")
    parser.add_argument("--regressor", default="regressor")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    if options.weights:
        renderers = dict.fromkeys(VARIANT_OF, FlowRenderer.from_pretrained(options.weights).eval())
    else:
        work = options.variants / "work"
        folders = {k: result_path(work, name, options.seed).with_suffix("") for k, name in VARIANT_OF.items()}
        renderers = {k: FlowRenderer.from_pretrained(f / "phase_2" / "weights").eval() for k, f in folders.items()}
    figure = draw_blink(renderers, CoefficientRegressor.from_pretrained(options.regressor))
    titles = [name if name == "truth" else f"{name}: eyes {figure.eyes[name]:.1f} dB" for name in figure.rows]
    names = ["", "", f"blink of seed {figure.seed}", "", ""]
    options.out.mkdir(parents=True, exist_ok=True)
    write_sheet(options.out / "blink_strip.png", names, [list(row) for row in figure.rows.values()], titles)
    print("\n".join(titles))


if __name__ == "__main__":
    main()
