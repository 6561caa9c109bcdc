"""``flow3d reenact SOURCE DRIVING OUT``: let the head of a picture move as a clip does."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

from torch import Tensor
from tqdm import tqdm

from ..export.engines import ENGINES, maker_of
from ..morphable import Coefficients
from ..preprocessing.film_formats import FASTEST, check_rate
from ..preprocessing.films import FRAMES, write_film, write_frames
from ..preprocessing.images import from_uint8, middle_square
from ..renderer import FlowRenderer
from ..threads import set_threads
from .messages import complain, naming, reason, say
from .outputs import check_place, checked_folder
from .parser import Parser, one_of, positive, whole
from .reenact_inputs import read_driving, read_matte, read_rgb, read_window, warn_of_no_face

AFTER_STOP = "nothing was written; run it again"
FACE_SIZE = 128  # pixels of the picture in which a face is looked for
INPUTS = {"SOURCE": "source", "DRIVING": "driving", "--matte": "matte", "--source-coefficients": "source_coefficients"}


def add_options(parser: Parser) -> None:
    """The arguments and options of the command."""
    parser.add_argument("source", metavar="SOURCE", help="a picture of a head; its middle square is used")
    parser.add_argument(
        "driving", metavar="DRIVING",
        help="coefficients (.json, .npz), a shipped clip such as talking_head, a film, or a folder of frames",
    )  # fmt: skip
    parser.add_argument(
        "out", metavar="OUT", help="a .gif, an animated .png, or a folder of frames; made if its parent exists"
    )
    parser.add_argument("--renderer", default="tiny", help="name of shipped weights, or a folder (default: tiny)")
    parser.add_argument(
        "--source-coefficients", metavar="FILE",
        help="those of SOURCE: 1 frame, or 27 around it (.json, .npz); else the shipped regressor estimates them",
    )  # fmt: skip
    parser.add_argument("--matte", metavar="FILE", help="a grey picture, the person in white; else GrabCut makes one")
    parser.add_argument(
        "--motion", **one_of(("absolute", "relative")), default="absolute",
        help="relative: the source's own pose and expression plus the driver's change since its first frame",
    )  # fmt: skip
    parser.add_argument("--crop-correction", action="store_true", help="scale the driver's crop to the source's")
    parser.add_argument("--causal", action="store_true", help="never look at later frames of the driver")
    parser.add_argument("--fps", type=positive, default=25.0, help="frames a second of a .gif or .png (default: 25)")
    parser.add_argument("--batch", type=whole(1), default=8, help="frames that are made together (default: 8)")
    parser.add_argument(
        "--engine", **one_of(ENGINES), default="torch",
        help='onnx: onnxruntime, which pip install "flow3d[export]" brings; beside torch, a frame of tiny takes it '
        "0.5 of the time with --batch 1, 0.85 with 8 (python -m flow3d.export.speed; default: torch)",
    )  # fmt: skip
    parser.add_argument("--threads", type=whole(1), default=1, help="threads of the engine (default: 1)")
    parser.add_argument("--overwrite", action="store_true", help="replace the frames in a folder OUT")


def run(options: argparse.Namespace) -> int:
    """Write the film or the frames; 0 when done.

    Raises:
        ValueError: an argument that cannot be used; the message names it, and nothing is written.
        OSError: the disk is full, or a file cannot be read.
    """
    set_threads(options.threads)
    make_engine = maker_of(options.engine)
    check_output(options)
    with naming("--renderer"):
        renderer = FlowRenderer.from_pretrained(options.renderer)
    size = renderer.config.size
    rgb = read_rgb(options.source, "SOURCE")
    alpha = read_matte(options.matte, rgb, size) if options.matte else None
    window = read_window(options.source_coefficients) if options.source_coefficients else None
    driving = read_driving(options.driving)
    height, width = rgb.shape[:2]
    if height != width:
        complain(f"note: SOURCE has {width} x {height} pixels; its middle square is used")
    warn_of_no_face(from_uint8(middle_square(rgb, FACE_SIZE))[None], "SOURCE")
    frames = renderer.reenact(
        from_uint8(middle_square(rgb, size)), driving, alpha=alpha, source_window=window, motion=options.motion,
        crop_correction=options.crop_correction, causal=options.causal, batch=options.batch,
        engine=make_engine(renderer, options.threads),
    )  # fmt: skip
    count = write(options, frames, driving)
    say(f"{count} frames, generated: {options.out}")
    return 0


def check_output(options: argparse.Namespace) -> None:
    """Check before minutes of work that OUT can be written.

    Raises:
        ValueError: it names OUT, or the option that does not fit it.
    """
    for name, argument in INPUTS.items():
        given = getattr(options, argument)
        if given and Path(given).exists() and Path(options.out).exists() and Path(given).samefile(options.out):
            raise ValueError(f"OUT: expected another place than {name}, got {options.out!r}")
    place = Path(options.out)
    if is_film(place):
        with naming("--fps", "fps"):
            check_rate(options.fps, place.suffix.lower())
    elif place.suffix and not place.is_dir():
        raise ValueError(f"OUT: expected a name ending in .gif or .png, or a folder, got {options.out!r}")
    elif checked_folder(options.out, "OUT").is_dir():
        _check_frames(place, options.overwrite)
        place /= "frames"
    check_place(place, "OUT")


def is_film(place: Path) -> bool:
    """Whether OUT is one file."""
    return place.suffix.lower() in FASTEST and not place.is_dir()


def _check_frames(folder: Path, overwrite: bool) -> None:
    with naming("OUT"):
        names, place = sorted(entry.name for entry in folder.iterdir()), f"in {str(folder)!r}"
    if names and not overwrite:
        raise ValueError(f"OUT: expected an empty folder, or --overwrite beside it; got {names[0]!r} {place}")
    others = [name for name in names if not Path(name).match(FRAMES)]
    if others:
        raise ValueError(f"OUT: expected nothing but frames to overwrite, got {others[0]!r} {place}")


def write(options: argparse.Namespace, frames: Iterable[Tensor], driving: Coefficients) -> int:
    """Write the frames as they come, and show on a terminal how far they are."""
    bar = tqdm(frames, total=len(driving), unit="frame", leave=False, disable=None)
    try:
        with bar:
            if is_film(Path(options.out)):
                return write_film(options.out, iter(bar), options.fps)
            return write_frames(options.out, iter(bar))
    except OSError as error:
        raise ValueError(f"OUT: {reason(error)}") from error
