"""Everything of the head that is not skin: eyeballs, lid rims, mouth, teeth, tongue, ears, neck, torso."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .fields import EYE_HALF_WIDTH, EYE_RADIUS, EYE_X, EYE_Y, EYE_Z, MOUTH_HALF_WIDTH, MOUTH_Y, Array, smoothstep
from .skin import Grid

Index = NDArray[np.int64]

MATERIALS = ("skin", "eyeball", "rim", "bag", "teeth", "tongue", "hair", "ear", "neck", "cloth")
MATERIAL = {name: number for number, name in enumerate(MATERIALS)}


@dataclass(frozen=True)
class Part:
    """A piece of surface; ``local`` are two coordinates of its own that the materials paint by."""

    material: str
    points: Array  # (V, 3)
    faces: Index  # (F, 3)
    local: Array  # (V, 2)


def grid_faces(rows: int, columns: int, *, closed: bool = False, flip: bool = False) -> Index:
    """Two triangles for each cell of a (rows, columns) grid of vertices, counter-clockwise from outside."""
    i = np.arange(rows * columns).reshape(rows, columns)
    if closed:
        i = np.concatenate([i, i[:, :1]], 1)
    a, b, c, d = i[:-1, :-1].ravel(), i[:-1, 1:].ravel(), i[1:, 1:].ravel(), i[1:, :-1].ravel()
    faces = np.concatenate([np.stack([a, b, c], -1), np.stack([a, c, d], -1)])
    return faces[:, ::-1].copy() if flip else faces


def revolve(rings: Array, closed: bool = True, *, flip: bool = False) -> tuple[Array, Index]:
    """Join rings of points (R, C, 3) into one surface."""
    rows, columns = rings.shape[:2]
    return rings.reshape(-1, 3), grid_faces(rows, columns, closed=closed, flip=flip)


def eyeball(side: int) -> Part:
    """The front cap of one eyeball; ``side`` is -1 on the viewer's left. ``local`` is its unit direction (x, y)."""
    tilt = np.concatenate([[0.0], np.linspace(0.10, 1.32, 11)])[:, None]
    turn = np.linspace(0, 2 * np.pi, 22, endpoint=False)[None]
    direction = np.stack([np.sin(tilt) * np.cos(turn), np.sin(tilt) * np.sin(turn), np.cos(tilt) + 0 * turn], -1)
    points, faces = revolve(direction, flip=True)
    centre = np.array([side * EYE_X, EYE_Y, EYE_Z])
    return Part("eyeball", centre + EYE_RADIUS * points, faces, points[:, :2])


@dataclass(frozen=True)
class Lining:
    """Surface hung on the two copies of a slit: each vertex is a blend of its upper and lower edge plus an offset.

    It moves with the edges, so that no gap opens between it and the skin whatever the expression.
    """

    material: str
    upper: Index  # (V,) skin vertex
    lower: Index  # (V,)
    share: Array  # (V,) of the upper edge
    offset: Array  # (V, 3)
    faces: Index
    local: Array  # (V, 2): position across, depth 0 at the edge to 1 inside


def _lining(material: str, upper: Index, lower: Index, across: Array, shape: Array) -> Lining:
    """``shape`` (R, 4): share of the upper edge, offset y, offset z, depth, for each row from upper to lower edge."""
    rows, columns = len(shape), len(upper)
    share, dy, dz, depth = (np.repeat(column[:, None], columns, 1) for column in shape.T)
    middle = np.clip(1 - across**2, 0, None)[None] ** 0.5  # the lining is deep in the middle and shallow at the corners
    offset = np.stack([-0.02 * across[None] * np.abs(dz), dy * middle, dz * (0.25 + 0.75 * middle)], -1)
    local = np.stack([np.broadcast_to(across, share.shape), depth], -1)
    tile = lambda a: np.tile(a, rows)  # noqa: E731
    faces = grid_faces(rows, columns, flip=True)
    return Lining(material, tile(upper), tile(lower), share.ravel(), offset.reshape(-1, 3), faces, local.reshape(-1, 2))


def _slit_columns(grid: Grid, x: Array, low: float, high: float) -> Index:
    """Columns of a slit row whose x lies in [low, high], one more on either side."""
    inside = np.flatnonzero((x >= low) & (x <= high) & (np.cos(grid.u) > 0))
    return np.arange(inside[0] - 1, inside[-1] + 2)


def linings(grid: Grid, skin: Array) -> list[Lining]:
    """Rims of the lids and the inside of the mouth, for a skin of shape (R, C, 3)."""
    columns = grid.shape[1]
    made = []
    top, bottom = grid.row(EYE_Y, 1), grid.row(EYE_Y, -1)
    for side in (-1, 1):
        x = skin[top, :, 0]
        chosen = _slit_columns(grid, side * x if side > 0 else -x, EYE_X - EYE_HALF_WIDTH, EYE_X + EYE_HALF_WIDTH)
        if side < 0:
            chosen = _slit_columns(grid, x, -EYE_X - EYE_HALF_WIDTH, -EYE_X + EYE_HALF_WIDTH)
        across = np.clip((x[chosen] - side * EYE_X) / EYE_HALF_WIDTH, -1, 1)
        shape = np.array([[1, 0, 0, 0], [1, 0.006, -0.030, 0.3], [0.9, 0.01, -0.09, 1], [0.5, 0, -0.16, 1],
                          [0.1, -0.01, -0.09, 1], [0, -0.006, -0.030, 0.3], [0, 0, 0, 0]])  # fmt: skip
        made.append(_lining("rim", top * columns + chosen, bottom * columns + chosen, across, shape))
    top, bottom = grid.row(MOUTH_Y, 1), grid.row(MOUTH_Y, -1)
    x = skin[top, :, 0]
    chosen = _slit_columns(grid, x, -MOUTH_HALF_WIDTH, MOUTH_HALF_WIDTH)
    across = np.clip(x[chosen] / MOUTH_HALF_WIDTH, -1, 1)
    shape = np.array([[1, 0, 0, 0], [1, 0.002, -0.025, 0.15], [1, 0.03, -0.055, 0.3], [1, 0.10, -0.085, 0.6],
                      [0.9, 0.10, -0.25, 1], [0.5, 0.0, -0.48, 1], [0.1, -0.12, -0.25, 1],
                      [0, -0.12, -0.085, 0.6], [0, -0.03, -0.055, 0.3], [0, -0.002, -0.025, 0.15], [0, 0, 0, 0]])  # fmt: skip
    made.append(_lining("bag", top * columns + chosen, bottom * columns + chosen, across, shape))
    return made


def teeth(grid: Grid, skin: Array, *, upper: bool) -> Part:
    """A strip that follows the lips' curve a little behind them. ``local``: position along, height from the gum."""
    row = skin[grid.row(MOUTH_Y, 1)]
    chosen = _slit_columns(grid, row[:, 0], -0.175, 0.175)
    along = np.linspace(-1, 1, 21)
    lip_z = np.interp(along * 0.165, row[chosen, 0], row[chosen, 2])
    base, tip = (-0.475, -0.612) if upper else (-0.700, -0.598)
    behind = 0.066 if upper else 0.082
    height = np.array([0.0, 0.5, 1.0])[:, None]
    y = base + (tip - base) * height + (0.012 if upper else -0.008) * along**4 * height
    z = lip_z - behind - 0.03 * along**2 - 0.01 * (1 - height)
    points = np.stack([0.165 * along + 0 * height, y + 0 * along, z], -1)
    local = np.stack([along + 0 * height, height + 0 * along], -1).reshape(-1, 2)
    return Part("teeth", points.reshape(-1, 3), grid_faces(3, 21, flip=upper), local)


def tongue() -> Part:
    """A flat ellipsoid behind the lower teeth."""
    tilt, turn = np.linspace(0, np.pi, 8)[:, None], np.linspace(0, 2 * np.pi, 14, endpoint=False)[None]
    unit = np.stack([np.sin(tilt) * np.cos(turn), np.sin(tilt) * np.sin(turn), np.cos(tilt) + 0 * turn], -1)
    points, faces = revolve(unit, flip=True)
    return Part("tongue", np.array([0, -0.70, 0.50]) + points * np.array([0.12, 0.045, 0.17]), faces, points[:, :2])


def ear(side: int) -> Part:
    """A disc with a raised rim and a hollow, standing off the head. ``local``: distance from the centre, turn."""
    r = np.array([0, 0.18, 0.36, 0.54, 0.68, 0.80, 0.90, 1.0, 1.0, 0.86])[:, None]
    turn = np.linspace(0, 2 * np.pi, 26, endpoint=False)[None]
    lobe = 1 - 0.30 * smoothstep(0.2, 1.0, -np.sin(turn)) + 0.06 * smoothstep(0.2, 1, np.sin(turn))
    back, up = 0.115 * r * np.cos(turn) * lobe, 0.215 * r * np.sin(turn) * (1 + 0 * lobe)
    helix = np.exp(-(((r - 0.88) / 0.10) ** 2)) * smoothstep(-0.9, -0.2, np.sin(turn) + 0.35 * np.cos(turn) + 0.3)
    fold = 0.5 * np.exp(-(((r - 0.52) / 0.12) ** 2)) * smoothstep(-0.3, 0.5, np.cos(turn))
    hollow = np.exp(-((r / 0.42) ** 2))
    out = 0.030 * helix + 0.030 * fold - 0.035 * hollow
    index = np.arange(len(r))[:, None]
    out = np.where(index == 8, -0.03, np.where(index == 9, -0.10, out))  # the back of the rim, down to the head
    splay = 0.34 * (back + 0.115)  # the ear opens backwards, away from the skull
    x = 0.705 + out + splay + 0 * turn
    y, z = -0.055 + up + 0.10 * back, -0.035 - back
    points = np.stack([x, y, z], -1).reshape(-1, 3)
    local = np.stack([r + 0 * turn, np.sin(turn) + 0 * r], -1).reshape(-1, 2)
    points[:, 0] *= side
    return Part("ear", points, grid_faces(len(r), turn.shape[1], closed=True, flip=side > 0), local)


def _ring(y: float, half: tuple[float, float], z: float, square: float, count: int) -> Array:
    """A super-elliptic ring at height ``y``."""
    a = np.linspace(0, 2 * np.pi, count, endpoint=False)
    s, c = np.sin(a), np.cos(a)
    return np.stack([half[0] * np.sign(s) * np.abs(s) ** square, y + 0 * a, z + half[1] * np.sign(c) * np.abs(c) ** square], -1)


def neck() -> Part:
    """The neck, from inside the head to inside the collar. ``local``: height 0 to 1, unused."""
    heights = np.array([-0.50, -0.75, -0.92, -1.05, -1.18, -1.32, -1.45])
    half = np.array([0.36, 0.37, 0.37, 0.37, 0.385, 0.43, 0.52])
    depth = np.array([0.33, 0.35, 0.36, 0.365, 0.38, 0.40, 0.42])
    rings = np.stack([_ring(y, (w, d), -0.10 - 0.05 * i / 6, 0.95, 28) for i, (y, w, d) in enumerate(zip(heights, half, depth, strict=True))])
    points, faces = revolve(rings, flip=True)
    level = np.repeat(np.linspace(0, 1, len(heights)), 28)
    return Part("neck", points, faces, np.stack([level, 0 * level], -1))


def torso() -> Part:
    """Shoulders and chest in a garment with a collar. ``local``: height 0 (collar) to 1, turn."""
    rows = [(-1.10, 0.43, 0.40), (-1.115, 0.455, 0.43), (-1.17, 0.48, 0.44), (-1.24, 0.60, 0.46), (-1.30, 0.80, 0.48),
            (-1.38, 1.02, 0.50), (-1.50, 1.20, 0.53), (-1.70, 1.32, 0.56), (-2.1, 1.38, 0.60), (-2.9, 1.40, 0.62)]  # fmt: skip
    rings = np.stack([_ring(y, (w, d), -0.14, 0.9, 44) for y, w, d in rows])
    rings[:4, :, 1] -= 0.10 * smoothstep(-0.1, 0.5, rings[:4, :, 2] + 0.14) * np.array([1, 1, 0.9, 0.5])[:, None]
    points, faces = revolve(rings, flip=True)
    level = np.repeat(np.linspace(0, 1, len(rows)), 44)
    turn = np.tile(np.linspace(0, 2 * np.pi, 44, endpoint=False), len(rows))
    return Part("cloth", points, faces, np.stack([level, turn], -1))
