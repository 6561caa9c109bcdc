"""Networks as folders: config.json, one safetensors file per network, and a card."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from . import assets
from .files import write_whole

Name = str | os.PathLike[str]
Model = TypeVar("Model", bound=nn.Module)
CONFIG, CARD = "config.json", "README.md"
STAGED = ".saving"  # where the files of a save are written, before any takes its place
LARGEST = 2**20  # bytes of a configuration


def save_folder(folder: Name, networks: Mapping[str, nn.Module], config: str, card: str) -> Path:
    """Write all files of a model, so that no folder ever loads as a mixture of two saves.

    All are written into a hidden folder first. Then the old configuration is removed, and the files are moved, the new
    configuration last: a save that is killed leaves the old model, or a folder without a configuration.

    Raises:
        OSError: no room, or no permission; the old model is still there.
    """
    target = Path(folder)
    staged = target / STAGED
    shutil.rmtree(staged, ignore_errors=True)  # of a save that was killed
    staged.mkdir(parents=True)
    try:
        files = {f"{name}.safetensors": _content(network) for name, network in networks.items()}
        files |= {CARD: card.encode(), CONFIG: config.encode()}
        for name, content in files.items():
            write_whole(staged / name, content)
        (target / CONFIG).unlink(missing_ok=True)
        for name in files:  # the configuration is the last of them
            os.replace(staged / name, target / name)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    return target


def shipped(name: str) -> Path:
    """The folder of weights that the package ships; it never looks into the user's folders.

    Raises:
        FileNotFoundError: the package ships none of this name.
    """
    return assets.path(f"weights/{name}")


def shipped_names() -> list[str]:
    """The names of the weights that the package ships."""
    folders = (root / "weights" for root in assets.roots())
    return sorted({file.parent.name for folder in folders for file in folder.glob(f"*/{CONFIG}")})


def find_folder(name_or_folder: Name) -> tuple[Path, str]:
    """The folder of weights, and the text of its configuration.

    A name without a separator means shipped weights, whatever lies in the current folder; a name that is not shipped
    is a folder there. A path with a separator, such as ``./tiny``, or a :class:`pathlib.Path` is always a folder.

    Raises:
        TypeError: neither a name nor a path.
        FileNotFoundError: no such folder or name, or it holds no configuration.
        ValueError: the configuration is no text.
    """
    place = os.fspath(name_or_folder) if isinstance(name_or_folder, (str, os.PathLike)) else None
    if not isinstance(place, str):
        raise TypeError(f"name_or_folder: expected a name or a path, got {type(name_or_folder).__name__}")
    bare = isinstance(name_or_folder, str) and os.sep not in place and (os.altsep or os.sep) not in place
    folder = shipped(place) if bare and place in shipped_names() else Path(place)
    file = folder / CONFIG
    if not place or not file.is_file():
        raise FileNotFoundError(f"name_or_folder: {_missing(place, folder, bare)}")
    if file.stat().st_size > LARGEST:
        raise ValueError(f"name_or_folder: expected at most {LARGEST:,} bytes of {CONFIG} in {place!r}")
    try:
        return folder, file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"name_or_folder: expected text in {CONFIG} of {place!r}, got {error}") from error


def load_model(
    name_or_folder: Name,
    build: Callable[[str], Model],
    networks: Callable[[Model], Mapping[str, nn.Module]],
    describe: Callable[[Model], str],
) -> Model:
    """Read what :func:`save_folder` wrote, in evaluation mode.

    Args:
        name_or_folder: as for :func:`find_folder`.
        build: returns the model of a configuration's text, with any weights.
        networks: returns a model's networks by the names of their files.
        describe: returns a model's name for messages.

    Raises:
        FileNotFoundError: no such folder or name, or a file of it is missing.
        ValueError: a file is damaged, or does not fit the configuration beside it.
    """
    folder, text = find_folder(name_or_folder)
    try:
        with torch.device("meta"):  # takes no memory: a configuration may ask for any, and its files come later
            outline = build(text)
    except ValueError as error:
        raise ValueError(f"name_or_folder: in {CONFIG} of {os.fspath(folder)!r}, {error}") from error
    described = describe(outline)
    states = {name: _read(folder, name, network, described) for name, network in networks(outline).items()}
    model = build(text)
    for name, network in networks(model).items():
        network.load_state_dict(states[name])
    return model.eval()


def _content(network: nn.Module) -> bytes:
    return save({key: value.contiguous() for key, value in network.state_dict().items()})


def _missing(place: str, folder: Path, bare: bool) -> str:
    """What is wrong with a name or folder that holds no configuration."""
    if place and any(folder.glob("*.safetensors")):
        return f"expected {CONFIG} in {place!r}, found none: a save into it was cut short; save again"
    if folder.is_dir() and not bare:
        return f"expected {CONFIG} in {place!r}, found none"
    names = ", ".join(shipped_names())
    return f"expected the name of shipped weights ({names}) or a folder that holds {CONFIG}, got {place!r}"


def _read(folder: Path, name: str, network: nn.Module, described: str) -> dict[str, Tensor]:
    """The tensors of ``network`` from the file of its name; all must be there, no others, with its shapes and types.

    Raises:
        FileNotFoundError: the file is missing.
        ValueError: it is damaged, does not fit, or holds numbers that are not finite.
    """
    file = folder / f"{name}.safetensors"
    if not file.is_file():
        raise FileNotFoundError(f"name_or_folder: expected {file.name} in {os.fspath(folder)!r}, found none")
    try:
        tensors = load(file.read_bytes())
    except SafetensorError as error:
        raise ValueError(f"{file.name}: expected whole safetensors, got a damaged file ({error})") from error
    wanted = network.state_dict()
    for key, value in wanted.items():
        if key not in tensors or tensors[key].shape != value.shape:
            got = tuple(tensors[key].shape) if key in tensors else "none"
            raise ValueError(
                f"{file.name}: expected {key} of shape {tuple(value.shape)} as {described} has it, got {got}"
            )
        given = tensors[key].dtype
        if given != value.dtype and not (given.is_floating_point and value.is_floating_point()):
            raise ValueError(f"{file.name}: expected {key} of type {value.dtype}, got {given}")
        tensors[key] = tensors[key].to(value.dtype)
        if not bool(torch.isfinite(tensors[key]).all()):
            raise ValueError(f"{file.name}: expected finite numbers in {key}, got NaN or infinity")
    if extra := sorted(set(tensors) - set(wanted)):
        raise ValueError(f"{file.name}: expected no tensor called {extra[0]!r} in {described}")
    return tensors
