"""Networks as folders: config.json, one safetensors file per network, and a card."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn

from . import assets
from .files import write_whole


def save_folder(folder: str | os.PathLike[str], networks: Mapping[str, nn.Module], config: str, card: str) -> Path:
    """Write every file whole; the configuration last, so that a folder without one is known to be unfinished."""
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    for name, network in networks.items():
        tensors = {key: value.contiguous() for key, value in network.state_dict().items()}
        write_whole(target / f"{name}.safetensors", save(tensors))
    write_whole(target / "README.md", card.encode())
    write_whole(target / "config.json", config.encode())
    return target


def find_folder(name_or_folder: str | os.PathLike[str]) -> tuple[Path, str]:
    """The folder of weights, one's own or one that the package ships, and the text of its configuration.

    Raises:
        FileNotFoundError: no such folder or name, or it holds no configuration.
    """
    folder = Path(name_or_folder)
    if not folder.is_dir():
        folder = assets.path(f"weights/{os.fspath(name_or_folder)}")
    description = folder / "config.json"
    if not description.is_file():
        raise FileNotFoundError(f"name_or_folder: expected config.json in {os.fspath(folder)!r}, found none")
    return folder, description.read_text(encoding="utf-8")


def load_network(folder: Path, name: str, network: nn.Module, described: str) -> None:
    """Fill ``network`` from the file of its name.

    Args:
        folder: where the file lies.
        name: of the file, without its ending.
        network: it must have the tensors of the file, all of them and no other.
        described: what the configuration calls the network, for the message.

    Raises:
        FileNotFoundError: the file is missing.
        ValueError: it is damaged, or does not fit.
    """
    file = folder / f"{name}.safetensors"
    if not file.is_file():
        raise FileNotFoundError(f"name_or_folder: expected {file.name} in {os.fspath(folder)!r}, found none")
    try:
        tensors = load(file.read_bytes())
    except SafetensorError as error:
        raise ValueError(f"{file.name}: expected whole safetensors, got a damaged file ({error})") from error
    fits = {}
    for key, value in network.state_dict().items():
        if key not in tensors or tensors[key].shape != value.shape:
            got = tuple(tensors[key].shape) if key in tensors else "none"
            raise ValueError(
                f"{file.name}: expected {key} of shape {tuple(value.shape)} as {described} has it, got {got}"
            )
        fits[key] = tensors[key].to(value.dtype)
    if extra := sorted(set(tensors) - set(fits)):
        raise ValueError(f"{file.name}: expected no tensor called {extra[0]!r} in {described}")
    network.load_state_dict(fits)
