"""The expected pictures: what a notebook's signature cell shows, as small as it must be."""

import base64
import io

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output
from PIL import Image

from flow3d.teach import gallery
from flow3d.teach.gallery import notebook_figure, small_png


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


def test_a_picture_gets_as_narrow_as_its_bytes_ask():
    picture = noise(60, 30)
    sizes = [Image.open(io.BytesIO(small_png(picture, limit))).size for limit in (100_000, 1500, 700)]
    assert sizes == [(60, 30), (40, 20), (20, 10)]
    assert len(small_png(picture, 1500)) <= 1500 < len(small_png(picture, 100_000))
    assert Image.open(io.BytesIO(small_png(Image.new("RGB", (1400, 70))))).size == (1000, 50)


def test_no_room_is_refused():
    with pytest.raises(ValueError, match="limit: expected room for a picture, got 10 bytes"):
        small_png(noise(40, 40), 10)


@pytest.fixture
def notebook(tmp_path, monkeypatch):
    """A notebook that has run already: each cell shows a picture of its own grey."""
    cells = [new_code_cell("shown", metadata={"tags": tags}) for tags in ([], ["signature"], [])]
    for grey, cell in enumerate(cells):
        content = io.BytesIO()
        Image.new("RGB", (2, 2), (grey, grey, grey)).save(content, "PNG")
        picture = {"image/png": base64.b64encode(content.getvalue()).decode()}
        cell.outputs = [new_output("display_data", picture), new_output("stream", text="words")]
    monkeypatch.setattr(gallery.NotebookClient, "execute", lambda client: None)

    def write(count: int):
        nbformat.write(new_notebook(cells=cells[:count]), tmp_path / "00_start.ipynb")
        return tmp_path / "00_start.ipynb"

    return write


def test_the_picture_is_what_the_signature_cell_shows(notebook):
    assert notebook_figure(notebook(3)).getpixel((0, 0)) == (1, 1, 1)


def test_a_notebook_without_a_signature_is_refused(notebook):
    with pytest.raises(ValueError, match=r"00_start\.ipynb: expected a cell tagged 'signature' that shows a picture"):
        notebook_figure(notebook(1))
