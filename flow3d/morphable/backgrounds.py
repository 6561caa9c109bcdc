"""Backgrounds: complete textured walls and rooms, a little out of focus as behind a portrait."""

import cv2
import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from .appearance import BACKGROUNDS

Image = NDArray[np.float64]
_SIDE = 256  # painted once at this size, then reduced: the same scene at every image size


def _palette(rng: np.random.Generator, count: int) -> Image:
    """Muted colours around one hue."""
    hue = rng.uniform(0, 180)
    hues = (hue + rng.normal(0, 14, count)) % 180
    hsv = np.stack([hues, rng.uniform(25, 130, count), rng.uniform(50, 215, count)], -1)
    return cv2.cvtColor(hsv[None].astype(np.uint8), cv2.COLOR_HSV2RGB)[0] / 255.0


def _noise(rng: np.random.Generator, cells: int) -> Image:
    coarse = rng.uniform(-1, 1, (cells, cells)).astype(np.float32)
    return cv2.resize(coarse, (_SIDE, _SIDE), interpolation=cv2.INTER_CUBIC).astype(float)


def _bricks(rng: np.random.Generator, x: Image, y: Image) -> Image:
    colours, rows = _palette(rng, 64), rng.integers(8, 14)
    row = np.floor(y * rows)
    column = np.floor(x * rows * 0.45 + 0.5 * (row % 2))
    fx, fy = (x * rows * 0.45 + 0.5 * (row % 2)) % 1, (y * rows) % 1
    image = colours[(row * 13 + column * 29).astype(int) % 64] * (1 + 0.12 * _noise(rng, 60)[..., None])
    mortar = (fx < 0.05) | (fy < 0.10)
    return np.where(mortar[..., None], 0.65 * colours.mean(0) + 0.2, image)


def _bookshelf(rng: np.random.Generator, x: Image, y: Image) -> Image:
    colours, shelves = _palette(rng, 48), rng.integers(3, 6)
    colours = np.concatenate([colours, _palette(rng, 48)])  # of two hues
    image = np.zeros((_SIDE, _SIDE, 3)) + 0.12
    for shelf in range(shelves):
        top, bottom = shelf * _SIDE // shelves, (shelf + 1) * _SIDE // shelves
        left = 0
        while left < _SIDE:
            wide, tall = int(rng.integers(7, 18)), rng.uniform(0.62, 0.93)
            start = int(bottom - 6 - (bottom - top) * tall * 0.9)
            book = colours[rng.integers(96)]
            round_ = 0.75 + 0.25 * np.sin(np.linspace(0.3, np.pi - 0.3, wide))[None, :, None]
            span = image[start : bottom - 6, left : left + wide]
            span[:] = (book * round_)[:, : span.shape[1]]
            band = start + int((bottom - 6 - start) * rng.uniform(0.15, 0.4))
            image[band : band + 4, left : left + wide] = book * 0.5 + 0.4 * rng.random()
            left += wide + 1
        image[bottom - 6 : bottom] = np.array([0.35, 0.24, 0.15])
    return image


def _tiles(rng: np.random.Generator, x: Image, y: Image) -> Image:
    sites, colours = rng.random((70, 2)) * 1.2 - 0.1, _palette(rng, 70)
    distance = np.stack([np.hypot(x - sx, y - sy) for sx, sy in sites])
    order = np.partition(distance, 1, axis=0)
    edge = np.clip((order[1] - order[0]) / 0.012, 0, 1)
    return colours[distance.argmin(0)] * (0.35 + 0.65 * edge)[..., None]


def _plaid(rng: np.random.Generator, x: Image, y: Image) -> Image:
    colours, k = _palette(rng, 4), rng.uniform(25, 50)
    wx, wy = 0.5 + 0.5 * np.tanh(4 * np.sin(k * x)), 0.5 + 0.5 * np.tanh(4 * np.sin(k * y))
    thin = ((np.sin(k * x * 2 + 1) > 0.93) | (np.sin(k * y * 2 + 1) > 0.93))[..., None]
    image = colours[0] * (wx * wy)[..., None] + colours[1] * ((1 - wx) * wy)[..., None]
    image = image + colours[2] * (wx * (1 - wy))[..., None] + colours[3] * ((1 - wx) * (1 - wy))[..., None]
    return np.where(thin, 0.6 * image + 0.3, image)


def _bokeh(rng: np.random.Generator, x: Image, y: Image) -> Image:
    a, b = _palette(rng, 2)
    image = a * (1 - y)[..., None] * 0.6 + b * y[..., None] * 0.4
    for colour in _palette(rng, 40) * 0.6 + 0.3:
        cx, cy, r = rng.random(), rng.random(), rng.uniform(0.02, 0.09)
        d = np.hypot(x - cx, y - cy) / r
        disc = np.clip((1 - d) / 0.08, 0, 1) * (0.25 + 0.35 * np.clip(d, 0, 1) ** 4)
        image = image + disc[..., None] * colour
    return image


def _studio(rng: np.random.Generator, x: Image, y: Image) -> Image:
    base = _palette(rng, 1)[0]
    glow = np.exp(-(((x - rng.uniform(0.2, 0.8)) / 0.45) ** 2 + ((y - rng.uniform(0.2, 0.6)) / 0.5) ** 2))
    clouds = 0.10 * _noise(rng, 6) + 0.05 * _noise(rng, 24)
    return base * (0.45 + 0.75 * glow + clouds)[..., None]


def _foliage(rng: np.random.Generator, x: Image, y: Image) -> Image:
    canvas = np.tile(np.array([0.10, 0.16, 0.08], dtype=np.float32), (_SIDE, _SIDE, 1))
    for k in range(520):
        green = np.array([rng.uniform(0.1, 0.45), rng.uniform(0.3, 0.7), rng.uniform(0.05, 0.3)])
        colour = (green * (0.4 + 0.6 * k / 520)).tolist()
        centre = tuple(int(v) for v in rng.integers(0, _SIDE, 2))
        axes = (int(rng.integers(6, 16)), int(rng.integers(2, 6)))
        cv2.ellipse(canvas, centre, axes, float(rng.uniform(0, 180)), 0, 360, colour, -1, cv2.LINE_AA)
    return canvas.astype(float)


def _window(rng: np.random.Generator, x: Image, y: Image) -> Image:
    wall = _palette(rng, 1)[0] * 0.9
    sky = np.array([0.62, 0.75, 0.92]) * (1.1 - 0.4 * y)[..., None] + 0.1 * _noise(rng, 7)[..., None]
    hills = y > 0.55 + 0.08 * np.sin(6 * x + rng.uniform(0, 6)) + 0.03 * np.sin(17 * x)
    view = np.where(hills[..., None], np.array([0.30, 0.42, 0.25]), sky)
    left = rng.uniform(-0.1, 0.35)
    inside = (x > left) & (x < left + 0.62) & (y > 0.06) & (y < 0.80)
    bars = (np.abs((x - left) / 0.62 - 0.5) < 0.02) | (np.abs((y - 0.06) / 0.74 - 0.5) < 0.018)
    frame = (x > left - 0.03) & (x < left + 0.65) & (y > 0.03) & (y < 0.83)
    image = np.where(frame[..., None], 0.85, wall * (0.9 + 0.06 * _noise(rng, 16))[..., None])
    return np.where((inside & ~bars)[..., None], view, image)


_PAINTERS = dict(
    bricks=_bricks, bookshelf=_bookshelf, tiles=_tiles, plaid=_plaid, bokeh=_bokeh, studio=_studio, foliage=_foliage,
    window=_window,
)  # fmt: skip
assert tuple(_PAINTERS) == BACKGROUNDS


def paint_background(kind: str, seed: int, size: int) -> Float[Tensor, "3 H W"]:
    """Return a background in [-1, 1] of ``size`` x ``size`` pixels; the same scene at every size.

    Raises:
        ValueError: ``kind`` is not one of :data:`flow3d.morphable.BACKGROUNDS`.
    """
    if kind not in _PAINTERS:
        raise ValueError(f"kind: expected one of {', '.join(BACKGROUNDS)}, got {kind!r}")
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:_SIDE, 0:_SIDE] / _SIDE
    image = np.clip(_PAINTERS[kind](rng, x, y), 0, 1).astype(np.float32)
    image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.6, 2.2))
    way = cv2.INTER_AREA if size <= _SIDE else cv2.INTER_CUBIC
    image = np.clip(cv2.resize(image, (size, size), interpolation=way), 0, 1)
    return torch.from_numpy(image).permute(2, 0, 1).contiguous() * 2 - 1
