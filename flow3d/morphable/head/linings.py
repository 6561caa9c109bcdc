"""What lies behind the slits: lid rims, the inside of the mouth, teeth and tongue."""

from dataclasses import dataclass

import numpy as np

from .fields import EYE_HALF_WIDTH, EYE_X, EYE_Y, MOUTH_HALF_WIDTH, MOUTH_Y, Array, Index
from .parts import Part, grid_faces, revolve
from .skin import Grid


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
    faces: Index  # (F, 3)
    local: Array  # (V, 2): position across, depth 0 at the edge to 1 inside


def _lining(material: str, upper: Index, lower: Index, across: Array, shape: Array) -> Lining:
    """``shape`` (R, 4): share of the upper edge, offset y, offset z, depth, for each row from upper to lower edge."""
    rows, columns = len(shape), len(upper)
    share, dy, dz, depth = (np.repeat(column[:, None], columns, 1) for column in shape.T)
    middle = np.clip(1 - across**2, 0, None)[None] ** 0.5  # the lining is deep in the middle and shallow at the corners
    offset = np.stack([-0.02 * across[None] * np.abs(dz), dy * middle, dz * (0.25 + 0.75 * middle)], -1)
    local = np.stack([np.broadcast_to(across, share.shape), depth], -1)
    return Lining(
        material=material,
        upper=np.tile(upper, rows),
        lower=np.tile(lower, rows),
        share=share.ravel(),
        offset=offset.reshape(-1, 3),
        faces=grid_faces(rows, columns, flip=True),
        local=local.reshape(-1, 2),
    )


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
        chosen = _slit_columns(grid, side * x, EYE_X - EYE_HALF_WIDTH, EYE_X + EYE_HALF_WIDTH)
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
                      [0, -0.12, -0.085, 0.6], [0, -0.03, -0.055, 0.3], [0, -0.002, -0.025, 0.15],
                      [0, 0, 0, 0]])  # fmt: skip
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
