"""Renderers as folders: config.json, one safetensors file per network, and a card."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError
from safetensors.torch import load, save

from . import assets
from .config import RendererConfig
from .files import write_whole

if TYPE_CHECKING:
    from .renderer import FlowRenderer

NETWORKS = ("mapping", "warping", "refiner", "inpainter")  # of a FlowRenderer, one file each
CARD = """# {name}, {recipe}

A FlowRenderer for {size} px. `{recipe}` {meaning}
Trained on procedural heads only: on photographs of people it is not expected to work.
Frames that it makes are generated, and must be labelled so.

{text}
"""
MEANING = {"strict": "is the paper's literal reading.", "extended": "holds extensions that the paper does not have."}


def save_renderer(renderer: FlowRenderer, folder: str | os.PathLike[str], card: str = "") -> Path:
    """Write every file whole; the configuration last, so that a folder without one is known to be unfinished."""
    target, config = Path(folder), renderer.config
    target.mkdir(parents=True, exist_ok=True)
    for name in NETWORKS:
        tensors = {key: value.contiguous() for key, value in getattr(renderer, name).state_dict().items()}
        write_whole(target / f"{name}.safetensors", save(tensors))
    text = CARD.format(
        name=config.name, recipe=config.recipe, size=config.size, meaning=MEANING[config.recipe], text=card
    )
    write_whole(target / "README.md", text.encode())
    write_whole(target / "config.json", config.to_json().encode())
    return target


def load_renderer(name_or_folder: str | os.PathLike[str], kind: type[FlowRenderer]) -> FlowRenderer:
    """Read what :func:`save_renderer` wrote; see :meth:`flow3d.FlowRenderer.from_pretrained`."""
    folder = Path(name_or_folder)
    if not folder.is_dir():
        folder = assets.path(f"weights/{os.fspath(name_or_folder)}")
    description = folder / "config.json"
    if not description.is_file():
        raise FileNotFoundError(f"name_or_folder: expected config.json in {os.fspath(folder)!r}, found none")
    renderer = kind(RendererConfig.from_json(description.read_text(encoding="utf-8")))
    for name in NETWORKS:
        file = folder / f"{name}.safetensors"
        if not file.is_file():
            raise FileNotFoundError(f"name_or_folder: expected {file.name} in {os.fspath(folder)!r}, found none")
        try:
            tensors = load(file.read_bytes())
        except SafetensorError as error:
            raise ValueError(f"{file.name}: expected whole safetensors, got a damaged file ({error})") from error
        network, fits = getattr(renderer, name), {}
        for key, value in network.state_dict().items():
            if key not in tensors or tensors[key].shape != value.shape:
                got = tuple(tensors[key].shape) if key in tensors else "none"
                raise ValueError(
                    f"{file.name}: expected {key} of shape {tuple(value.shape)} as {renderer.config.name} "
                    f"({renderer.config.recipe}) has it, got {got}"
                )
            fits[key] = tensors[key].to(value.dtype)
        if extra := sorted(set(tensors) - set(fits)):
            raise ValueError(f"{file.name}: expected no tensor called {extra[0]!r} in {renderer.config.name}")
        network.load_state_dict(fits)
    return renderer.eval()
