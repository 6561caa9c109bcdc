"""Solid parts of the head: eyeballs, ears, neck and torso."""

from dataclasses import dataclass

import numpy as np

from .fields import EYE_RADIUS, EYE_X, EYE_Y, EYE_Z, Array, Index, smoothstep

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
    across, deep = (np.sign(v) * np.abs(v) ** square for v in (s, c))
    return np.stack([half[0] * across, y + 0 * a, z + half[1] * deep], -1)


def neck() -> Part:
    """The neck, from inside the head to inside the collar. ``local``: height 0 to 1, unused."""
    rows = [(-0.50, 0.36, 0.33), (-0.75, 0.37, 0.35), (-0.92, 0.37, 0.36), (-1.05, 0.37, 0.365), (-1.18, 0.385, 0.38),
            (-1.32, 0.43, 0.40), (-1.45, 0.52, 0.42)]  # fmt: skip
    rings = np.stack([_ring(y, (w, d), -0.10 - 0.05 * i / 6, 0.95, 28) for i, (y, w, d) in enumerate(rows)])
    points, faces = revolve(rings, flip=True)
    level = np.repeat(np.linspace(0, 1, len(rows)), 28)
    return Part("neck", points, faces, np.stack([level, 0 * level], -1))


def torso() -> Part:
    """Shoulders and chest in a garment with a collar. ``local``: height 0 (collar) to 1, turn."""
    rows = [(-1.10, 0.43, 0.40), (-1.115, 0.455, 0.43), (-1.17, 0.48, 0.44), (-1.24, 0.60, 0.46), (-1.30, 0.80, 0.48),
            (-1.38, 1.02, 0.50), (-1.50, 1.20, 0.53), (-1.70, 1.32, 0.56), (-2.1, 1.38, 0.60),
            (-2.9, 1.40, 0.62)]  # fmt: skip
    rings = np.stack([_ring(y, (w, d), -0.14, 0.9, 44) for y, w, d in rows])
    rings[:4, :, 1] -= 0.10 * smoothstep(-0.1, 0.5, rings[:4, :, 2] + 0.14) * np.array([1, 1, 0.9, 0.5])[:, None]
    points, faces = revolve(rings, flip=True)
    level = np.repeat(np.linspace(0, 1, len(rows)), 44)
    turn = np.tile(np.linspace(0, 2 * np.pi, 44, endpoint=False), len(rows))
    return Part("cloth", points, faces, np.stack([level, turn], -1))
