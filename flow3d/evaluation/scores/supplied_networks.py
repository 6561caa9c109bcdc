"""Networks that the user supplies as files: ArcFace for identities, Inception for FID. The package ships neither."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ...opencv import first_line
from ...preprocessing.images import to_bytes
from ...sizes import CROP_FRAME

SIDE = 112  # pixels of a face in ArcFace's training; TEMPLATE is where its five points lie there
TEMPLATE = ((38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041))
EYES, NOSE_TIP, MOUTH = ((33, 133), (362, 263)), 4, (61, 291)  # landmarks at the corners of eyes and mouth, left first
INCEPTION = 2048


def digest(path: str | os.PathLike[str]) -> str:
    """The sha256 of a file.

    Raises:
        OSError: it is missing or cannot be read.
    """
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def five_points(points: Float[Tensor, "N 478 2"]) -> Float[Tensor, "N 5 2"]:
    """Both eyes' middles, the nose's tip and the mouth's corners, of detected landmarks; the viewer's left first."""
    left, right = (points[:, corners].mean(1) for corners in EYES)
    return torch.stack([left, right, *(points[:, place] for place in (NOSE_TIP, *MOUTH))], 1)


def align(image: Float[Tensor, "3 S S"], points: Float[Tensor, "5 2"]) -> Float[Tensor, "3 112 112"]:
    """Move a face by the least-squares similarity that takes its five points to ArcFace's template.

    Args:
        image: in [-1, 1].
        points: in pixels of a 256 px frame.
    """
    scale = image.shape[-1] / CROP_FRAME
    x, y = (points.double() * scale + (scale - 1) / 2).numpy().T
    one, none = np.ones_like(x), np.zeros_like(x)
    rows = np.concatenate([np.stack([x, -y, one, none], 1), np.stack([y, x, none, one], 1)])
    a, b, right, down = np.linalg.lstsq(rows, np.array(TEMPLATE).T.ravel(), rcond=None)[0]
    matrix = np.array([[a, -b, right], [b, a, down]])
    pixels = np.ascontiguousarray(image.permute(1, 2, 0).numpy())
    moved = cv2.warpAffine(pixels, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return torch.from_numpy(moved).permute(2, 0, 1)


class ArcFace:
    """An ArcFace network from an ONNX file, run by cv2.dnn: RGB in [-1, 1], 112 px -> F numbers.

    Raises:
        OSError: the file is missing.
        ValueError: cv2.dnn cannot read it, or it does not turn a face into one vector.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.sha256 = digest(path)
        try:
            self.network: Any = cv2.dnn.readNetFromONNX(os.fspath(path))
            vectors = self._run(torch.zeros(1, 3, SIDE, SIDE))
        except cv2.error as error:
            raise ValueError(f"arcface: cv2.dnn cannot use {os.fspath(path)!r} ({first_line(error)})") from error
        if vectors.ndim != 2 or len(vectors) != 1 or vectors.shape[1] < 2:
            raise ValueError(f"arcface: expected one vector of a face, got {tuple(vectors.shape)}")
        self.features = vectors.shape[1]

    def _run(self, faces: Tensor) -> Tensor:
        self.network.setInput(np.ascontiguousarray(faces.numpy(), np.float32))
        return torch.from_numpy(np.array(self.network.forward()))

    def embed(self, frames: Float[Tensor, "N 3 S S"], points: Float[Tensor, "N 478 2"]) -> Float[Tensor, "N F"]:
        """Embeddings of frames by their detected landmarks, in pixels of a 256 px frame; NaN where these are NaN.

        One by one, since some files take no larger batch.
        """
        vectors = torch.full((len(frames), self.features), torch.nan)
        for number, (frame, five) in enumerate(zip(frames, five_points(points), strict=True)):
            if bool(five.isfinite().all()):
                vectors[number] = self._run(align(frame, five)[None])[0]
        return vectors


class Inception:
    """An Inception network from a TorchScript file, for FID: it takes uint8 RGB (N,3,H,W) and resizes them itself.

    It is called with ``return_features`` if it has that argument, as the file ``inception-2015-12-05.pt`` does.

    Raises:
        OSError: the file is missing.
        ValueError: it is not TorchScript, or does not give 2,048 features.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.sha256 = digest(path)
        try:
            self.network: Any = torch.jit.load(os.fspath(path), map_location="cpu").eval()
            self.options = {"return_features": True}
            if "return_features" not in {argument.name for argument in self.network.forward.schema.arguments}:
                self.options = {}
            features = self.embed(torch.zeros(1, 3, 64, 64))
        except (RuntimeError, TypeError) as error:
            raise ValueError(f"inception: cannot use {os.fspath(path)!r} ({first_line(error)})") from error
        if tuple(features.shape) != (1, INCEPTION):
            raise ValueError(f"inception: expected {INCEPTION} features a picture, got {tuple(features.shape)}")

    @torch.no_grad()
    def embed(self, frames: Float[Tensor, "N 3 S S"], batch: int = 16) -> Float[Tensor, "N F"]:
        """The features of frames in [-1, 1]."""
        return torch.cat([self.network(chunk, **self.options).float() for chunk in to_bytes(frames).split(batch)])
