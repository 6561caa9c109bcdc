"""The picture of notebook 01: the figure of its cell tagged ``signature``, as the notebook itself draws it."""

import base64
import io
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from PIL import Image

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
NAME = "01_3dmm_windows"
LIMIT = 100_000  # bytes


def figure_01(folder: Path = NOTEBOOKS / "figures") -> Path:
    """Run the notebook and write its signature figure as ``01_3dmm_windows.png``, as wide as the limit of bytes allows.

    Raises:
        ValueError: no cell is tagged ``signature``, or it shows no picture.
    """
    notebook = nbformat.read(NOTEBOOKS / f"{NAME}.ipynb", as_version=4)
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": NOTEBOOKS}}).execute()
    signature = [cell for cell in notebook.cells if "signature" in cell.metadata.get("tags", ())]
    shown = [output.data["image/png"] for cell in signature for output in cell.outputs if "data" in output]
    if not shown:
        raise ValueError(f"{NAME}: expected a cell tagged 'signature' that shows a picture")
    picture = Image.open(io.BytesIO(base64.b64decode(shown[-1]))).convert("RGB")
    content = next(png for width in range(800, 0, -20) if len(png := _palette_png(picture, width)) <= LIMIT)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{NAME}.png").write_bytes(content)
    return folder / f"{NAME}.png"


def _palette_png(picture: Image.Image, width: int) -> bytes:
    """Return a PNG of 96 colours, ``width`` pixels wide."""
    small = picture.resize((width, round(picture.height * width / picture.width)), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.quantize(96, kmeans=4, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
