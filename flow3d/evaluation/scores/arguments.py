"""What scores accept: pictures in [-1, 1], regions and embeddings that fit each other; messages name the argument."""

from __future__ import annotations

import warnings

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ...checks import check_picture


def check_pictures(a: Float[Tensor, "3 H W"], b: Float[Tensor, "3 H W"]) -> None:
    """Refuse what are not two pictures of one size in [-1, 1]; warn of two that have no negative number.

    Raises:
        TypeError: one is no floating-point tensor.
        ValueError: another shape or device, no pixels, NaN, or numbers outside of [-1, 1].

    Warns:
        UserWarning: neither has a number below 0, as pictures in [0, 1] would have; their scores would be wrong.
    """
    for name, picture in {"a": a, "b": b}.items():
        _check_device(name, picture, a)
        check_picture(picture, name)
    if a.shape != b.shape:
        raise ValueError(f"b: expected the shape of a, {tuple(a.shape)}, got {tuple(b.shape)}")
    if min(float(a.detach().min()), float(b.detach().min())) >= 0:
        told = "a, b: expected pictures in [-1, 1], got no number below 0; the score of pictures in [0, 1] is wrong"
        warnings.warn(told, stacklevel=3)


def check_region(where: Bool[Tensor, "H W"], a: Float[Tensor, "3 H W"]) -> None:
    """Refuse a region that is none of the picture ``a``.

    Raises:
        TypeError: no tensor of truth values.
        ValueError: another shape or device, or no pixel in it.
    """
    if not isinstance(where, torch.Tensor) or where.dtype != torch.bool:
        kind = where.dtype if isinstance(where, torch.Tensor) else type(where).__name__
        raise TypeError(f"where: expected a tensor of truth values (H, W), got {kind}")
    if where.shape != a.shape[1:]:
        raise ValueError(f"where: expected the pictures' shape {tuple(a.shape[1:])}, got {tuple(where.shape)}")
    _check_device("where", where, a)
    if not bool(where.any()):
        raise ValueError("where: expected at least one pixel, got none")


def check_embeddings(a: Float[Tensor, "N F"], b: Float[Tensor, "N F"]) -> None:
    """Refuse what are not embeddings of N pairs.

    Raises:
        TypeError: one is no floating-point tensor.
        ValueError: another shape or device, nothing in it, NaN, or a vector of length zero, which has no direction.
    """
    for name, vectors in {"a": a, "b": b}.items():
        if not isinstance(vectors, torch.Tensor) or not vectors.is_floating_point():
            kind = vectors.dtype if isinstance(vectors, torch.Tensor) else type(vectors).__name__
            raise TypeError(f"{name}: expected a float tensor (N, F) of embeddings, got {kind}")
        _check_device(name, vectors, a)
        if vectors.ndim != 2 or 0 in vectors.shape:
            raise ValueError(f"{name}: expected embeddings of shape (N, F), got {tuple(vectors.shape)}")
        if not bool(torch.isfinite(vectors).all()):
            raise ValueError(f"{name}: expected finite numbers, got NaN or infinity")
        if not bool((vectors != 0).any(1).all()):
            raise ValueError(f"{name}: expected embeddings that point somewhere, got one of length zero")
    if a.shape != b.shape:
        raise ValueError(f"b: expected embeddings of shape {tuple(a.shape)}, got {tuple(b.shape)}")


def _check_device(name: str, tensor: Tensor, first: Tensor) -> None:
    """Refuse a tensor without numbers, and one that lies elsewhere than the first; what is no tensor passes."""
    if not isinstance(tensor, torch.Tensor):
        return
    if tensor.device.type == "meta":
        raise ValueError(f"{name}: expected a tensor with numbers, got one on the device meta")
    if isinstance(first, torch.Tensor) and tensor.device != first.device:
        raise ValueError(f"{name}: expected a tensor on {first.device}, as a, got one on {tensor.device}")
