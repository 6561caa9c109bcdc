"""What a regressor learns from: cached frames before backgrounds, in lights and blurs that change all the time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from ..datasets.cache import FrameCache
from ..morphable.appearance import random_alpha
from ..preprocessing.regressor import SIZE


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
        """Random frames and what is to be said of them; with ``vary`` before any background and in any light."""
        who, frame = rng.integers(self.count, size=count), rng.integers(self.frames, size=count)
        places = list(zip(who.tolist(), frame.tolist(), strict=True))
        person = self._stack("black", places)
        alpha = self._stack("alpha", places)[:, None] / 255
        kind = rng.random(count) if vary else np.zeros(count)  # below .3 their own, .8 another's, .85 plain, else black
        behind = np.where(kind < 0.3, who, rng.integers(self.count, size=count))
        background = self._stack("background", behind)
        if vary:
            mirrored = torch.from_numpy(np.flatnonzero((rng.random(count) < 0.5) & (kind >= 0.3)))
            background[mirrored] = background[mirrored].flip(3)
            plain = np.flatnonzero((kind >= 0.8) & (kind < 0.85))
            colour = rng.uniform(0, 255, (len(plain), 3, 1, 1)).astype(np.float32)
            background[torch.from_numpy(plain)] = torch.from_numpy(colour)
            background[torch.from_numpy(kind >= 0.85)] = 0
        images = person.addcmul_(1 - alpha, background).div_(127.5).sub_(1)
        if vary:
            images = _vary(images, torch.from_numpy(kind >= 0.85), rng)
        return images, self.targets[torch.from_numpy(who), torch.from_numpy(frame)]

    def _stack(self, name: str, places: Iterable[Any]) -> Tensor:
        return torch.from_numpy(np.stack([self.arrays[name][place] for place in places])).float()


def identity_of(seed: int) -> Float[Tensor, " 80"]:
    """The identity coefficients of :meth:`Person.random`, without building the person."""
    return random_alpha(np.random.default_rng([seed, 1]))


def _vary(images: Tensor, cut_out: Tensor, rng: np.random.Generator) -> Tensor:
    """Change light and sharpness; black behind a person that is cut out stays black."""
    count = len(images)

    def draw(low: float, high: float, channels: int) -> Tensor:
        return torch.from_numpy(rng.uniform(low, high, (count, channels, 1, 1)).astype(np.float32))

    offset = draw(-0.15, 0.15, 1) * ~cut_out[:, None, None, None]
    gain = draw(0.8, 1.2, 1) * draw(0.93, 1.07, 3)
    images = images.mul_(gain).add_(gain - 1 + offset).clamp_(-1, 1)
    soft = torch.from_numpy(np.flatnonzero(rng.random(count) < 0.2))
    if len(soft):  # as a picture of fewer pixels, enlarged
        side = int(rng.integers(30, SIZE))
        small = functional.interpolate(images[soft], (side, side), mode="bilinear", antialias=True)
        images[soft] = functional.interpolate(small, (SIZE, SIZE), mode="bilinear")
    for k in np.flatnonzero(rng.random(count) < 0.1):
        pixels = ((images[k] + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(50, 96))]
        decoded = cv2.imdecode(cv2.imencode(".jpg", pixels, quality)[1], cv2.IMREAD_COLOR)
        images[k] = torch.from_numpy(np.asarray(decoded)).permute(2, 0, 1).float() / 127.5 - 1
    noisy = np.flatnonzero((rng.random(count) < 0.1) & ~cut_out.numpy())
    grain = 0.03 * rng.standard_normal((len(noisy), *images.shape[1:]), np.float32)
    images[torch.from_numpy(noisy)] += torch.from_numpy(grain)
    return images.clamp_(-1, 1)
