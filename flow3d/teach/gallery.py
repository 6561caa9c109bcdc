"""The expected pictures: ``python -m flow3d.teach.gallery --out notebooks/figures``.

Every notebook has one cell tagged ``signature``; the picture that it shows is the notebook's picture.
``readme.png`` is drawn here.
"""

import argparse
import base64
import io
import os
from pathlib import Path

import nbformat
import numpy as np
from nbclient import NotebookClient
from PIL import Image

from flow3d.datasets.clip_files import example_clip
from flow3d.files import write_whole
from flow3d.morphable import Coefficients, Person, exact_flow
from flow3d.preprocessing import ASTRONAUT_EXPRESSION, Portrait, astronaut, crop_portrait, fit_head
from flow3d.teach.figures import flow_to_rgb, row

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
LIMIT = 100_000  # bytes of a notebook's picture


def notebook_figure(path: Path) -> Image.Image:
    """Run a notebook and return what its cell tagged ``signature`` shows.

    Raises:
        ValueError: no cell is tagged ``signature``, or it shows no picture.
    """
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": path.parent}}
    ).execute()
    signature = [cell for cell in notebook.cells if "signature" in cell.metadata.get("tags", ())]
    pictures = [output.data for cell in signature for output in cell.outputs if "image/png" in output.get("data", {})]
    if not pictures:
        raise ValueError(f"{path.name}: expected a cell tagged 'signature' that shows a picture")
    return Image.open(io.BytesIO(base64.b64decode(pictures[-1]["image/png"]))).convert("RGB")


def small_png(picture: Image.Image, limit: int = LIMIT, colours: int = 96) -> bytes:
    """Return a PNG of at most ``limit`` bytes with few ``colours``, as wide as that allows."""
    for width in range(min(picture.width, 1000), 0, -20):
        height = round(picture.height * width / picture.width)
        buffer = io.BytesIO()
        small = picture.resize((width, height), Image.Resampling.LANCZOS)
        small.quantize(colours, kmeans=4, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
        if len(buffer.getvalue()) <= limit:
            return buffer.getvalue()
    raise ValueError(f"limit: expected room for a picture, got {limit} bytes")


def readme_figure() -> Image.Image:
    """Two rows: a head whose sliders move, with its flow; a photograph that follows a driving head."""
    person = Person.random(43)
    neutral = person.render(Coefficients.neutral(), 256)
    moves = {"smile": {"smile": 1.0}, "jaw_open": {"jaw_open": 1.0}, "yaw": {"yaw": 0.6}}
    frames = {name: person.render(Coefficients.neutral().replace(**move), 256) for name, move in moves.items()}
    flow = flow_to_rgb(exact_flow(frames["yaw"], neutral)[0][:2])
    heads = {
        "a head": neutral.image,
        **{f"{name} slider": f.image for name, f in frames.items()},
        "its exact flow": flow,
    }
    photo, landmarks = crop_portrait(*astronaut(), size=256)
    portrait = Portrait(photo, fit_head(landmarks, expression=ASTRONAUT_EXPRESSION))
    clip = example_clip()
    generated = list(portrait.drive(clip.coefficients))
    driven = {"a photograph": photo}
    for number, k in enumerate((14, 36)):
        driven |= {f"driving{' ' * number}": clip.frames[k], f"generated{' ' * number}": generated[k]}
    return Image.fromarray(np.vstack([row(heads, height=192), row(driven, height=192)]))


def main() -> None:
    """Draw all pictures, or those of the notebooks named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("names", nargs="*", help="beginnings of names, such as 02 or readme; all if none")
    options = parser.parse_args()
    os.environ["FLOW3D_CI"] = ""  # the pictures show what a reader's own run shows
    options.out.mkdir(parents=True, exist_ok=True)
    wanted = tuple(options.names) or ("",)
    for path in sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb")):
        if path.stem.startswith(wanted):
            write_whole(options.out / f"{path.stem}.png", small_png(notebook_figure(path)))
            print(options.out / f"{path.stem}.png")
    if "readme".startswith(wanted):
        write_whole(options.out / "readme.png", small_png(readme_figure(), 3 * LIMIT, colours=256))
        print(options.out / "readme.png")


if __name__ == "__main__":
    main()
