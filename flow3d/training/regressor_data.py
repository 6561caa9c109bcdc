"""Training data of a regressor: cached frames with their coefficients, each time in another light, blur and place."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import cv2
import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ..datasets.cache import FrameCache
from ..datasets.pairs import identity_of
from ..morphable.coefficients import CROP_SHIFT, NAMES, index
from ..morphable.head.expressions import EXPRESSIONS
from ..perception.regressor import SIZE
from ..preprocessing.images import from_bytes, from_uint8, mask_from_bytes, to_uint8
from ..sizes import ANSWER_COUNT, COEFFICIENT_COUNT, CROP_FRAME, EXPRESSION_COUNT

NEGATED = tuple(index(n) for n in ("gaze_x", "jaw_side", "mouth_side", "yaw", "roll", "translation_x", "crop_x"))
SIDES = {"right": "left", "left": "right"}


def _opposite(name: str) -> str:
    head, _, side = name.rpartition("_")
    return f"{head}_{SIDES[side]}" if side in SIDES else name


MIRROR = (*(index(_opposite(name)) for name in NAMES), *range(COEFFICIENT_COUNT, ANSWER_COUNT))


class Pictures:
    """Cached frames with their 73 + 80 coefficients.

    Raises:
        ValueError: frames of another size than 64 px.
    """

    def __init__(self, cache: FrameCache) -> None:
        if cache.size != SIZE:
            raise ValueError(f"data: expected frames of {SIZE} px, got {cache.size}")
        self.arrays, self.count, self.frames = cache.arrays, cache.identities, cache.frames
        people = torch.stack([identity_of(cache.seed + k) for k in range(self.count)])
        self.targets = torch.cat([cache.kept, people[:, None].expand(-1, self.frames, -1)], -1)  # (I, M, 153)

    def draw(
        self, rng: np.random.Generator, count: int, vary: bool = True
    ) -> tuple[Float[Tensor, "B 3 64 64"], Float[Tensor, "B 153"]]:
        """Random frames and their coefficients; with ``vary``, mirrored at times, on random backgrounds, relit."""
        who, frame = rng.integers(self.count, size=count), rng.integers(self.frames, size=count)
        places = list(zip(who.tolist(), frame.tolist(), strict=True))
        person = self._stack("black", places)
        alpha = mask_from_bytes(self._stack("alpha", places)[:, None])
        kind = rng.random(count) if vary else np.zeros(count)  # below .3 own background, .8 another's, .85 plain
        behind = np.where(kind < 0.3, who, rng.integers(self.count, size=count))
        background = self._stack("background", behind)
        if vary:
            mirrored = torch.from_numpy(np.flatnonzero((rng.random(count) < 0.5) & (kind >= 0.3)))
            background[mirrored] = background[mirrored].flip(3)
            plain = np.flatnonzero((kind >= 0.8) & (kind < 0.85))
            colour = rng.uniform(0, 255, (len(plain), 3, 1, 1)).astype(np.float32)
            background[torch.from_numpy(plain)] = torch.from_numpy(colour)
            background[torch.from_numpy(kind >= 0.85)] = 0
        images = from_bytes(person.addcmul_(1 - alpha, background))
        targets = self.targets[torch.from_numpy(who), torch.from_numpy(frame)]
        if vary:
            chosen = torch.from_numpy(np.flatnonzero(rng.random(count) < 0.5))
            images[chosen], targets[chosen] = images[chosen].flip(3), self.mirrored(targets[chosen])
            images, targets = shifted(images, targets, rng.integers(-1, 2, (count, 2)))
            images = _vary(images, torch.from_numpy(kind >= 0.85), rng)
        return images, targets

    def mirrored(self, targets: Float[Tensor, "B 153"]) -> Float[Tensor, "B 153"]:
        """The coefficients of the mirrored pictures. Identity is symmetric.

        The unnamed expressions are not; they hardly show, so each is replaced by its mean.
        """
        swapped = targets[:, list(MIRROR)]
        swapped[:, list(NEGATED)] *= -1
        nameless = slice(len(EXPRESSIONS), EXPRESSION_COUNT)
        swapped[:, nameless] = self.targets[..., nameless].mean((0, 1))
        return swapped

    def _stack(self, name: str, places: Iterable[Any]) -> Tensor:
        return torch.from_numpy(np.stack([self.arrays[name][place] for place in places])).float()


def shifted(
    images: Float[Tensor, "B 3 64 64"], targets: Float[Tensor, "B 153"], by: NDArray[np.int64]
) -> tuple[Float[Tensor, "B 3 64 64"], Float[Tensor, "B 153"]]:
    """Shift each picture and its crop by whole pixels (B, 2), right and down, by 1 at most; edges repeat."""
    padded = functional.pad(images, (1, 1, 1, 1), mode="replicate")
    moved = torch.stack(
        [p[:, 1 - y : 1 - y + SIZE, 1 - x : 1 - x + SIZE] for p, (x, y) in zip(padded, by, strict=True)]
    )
    targets = targets.clone()
    targets[:, CROP_SHIFT] += torch.from_numpy(by).float() * (CROP_FRAME / SIZE)
    return moved, targets


def _vary(images: Tensor, cut_out: Tensor, rng: np.random.Generator) -> Tensor:
    """Change light and sharpness; black behind a person that is cut out stays black."""
    count = len(images)

    def draw(low: float, high: float, channels: int) -> Tensor:
        return torch.from_numpy(rng.uniform(low, high, (count, channels, 1, 1)).astype(np.float32))

    offset = draw(-0.15, 0.15, 1) * ~cut_out[:, None, None, None]
    gain = draw(0.8, 1.2, 1) * draw(0.93, 1.07, 3)
    images = images.mul_(gain).add_(gain - 1 + offset).clamp_(-1, 1)
    soft = torch.from_numpy(np.flatnonzero(rng.random(count) < 0.2))
    if len(soft):  # as if enlarged from fewer pixels
        side = int(rng.integers(30, SIZE))
        small = functional.interpolate(images[soft], (side, side), mode="bilinear", antialias=True)
        images[soft] = functional.interpolate(small, (SIZE, SIZE), mode="bilinear")
    for k in np.flatnonzero(rng.random(count) < 0.1):
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(50, 96))]
        decoded = cv2.imdecode(cv2.imencode(".jpg", to_uint8(images[k]), quality)[1], cv2.IMREAD_COLOR)
        images[k] = from_uint8(np.asarray(decoded))
    noisy = np.flatnonzero((rng.random(count) < 0.1) & ~cut_out.numpy())
    grain = 0.03 * rng.standard_normal((len(noisy), *images.shape[1:]), np.float32)
    images[torch.from_numpy(noisy)] += torch.from_numpy(grain)
    return images.clamp_(-1, 1)
