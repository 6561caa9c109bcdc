"""The skin: a grid of latitudes and longitudes over a skull, with a face raised on it and two slits.

The latitudes of the mouth and of the eyes exist twice and no triangle joins the copies. Where the copies coincide the
slit is shut; moving them apart opens it. Lids and lips are therefore exactly linear in the coefficients.
"""

from dataclasses import dataclass

import numpy as np

from .fields import EYE_HALF_WIDTH, EYE_RADIUS, EYE_X, EYE_Y, EYE_Z, MOUTH_Y, Array, bump, profile, smoothstep

LID_CLEARANCE = 0.02  # skin above the eyeball: lids move on chords, which cut 0.007 below the sphere's arc


@dataclass(frozen=True)
class Grid:
    """Rows (latitudes, chin to crown) times columns (longitudes, closed around the back).

    ``above`` is +1 on the upper copy of a slit row, -1 on the lower copy and 0 elsewhere.
    """

    y: Array  # (R,)
    u: Array  # (C,)
    above: Array  # (R,)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self.y), len(self.u)

    def row(self, y: float, above: int) -> int:
        """Index of one copy of the slit row at latitude ``y``."""
        return int(np.flatnonzero((np.abs(self.y - y) < 1e-9) & (self.above == above))[0])


def _spaced(stops: list[tuple[float, float]], end: float, detail: float) -> Array:
    """Points from (start, spacing) pairs up to ``end``; ``detail`` divides every spacing."""
    starts = [s for s, _ in stops] + [end]
    parts = [
        np.linspace(a, b, max(1, round((b - a) * detail / step)), endpoint=False)
        for a, b, step in zip(starts[:-1], starts[1:], [step for _, step in stops], strict=True)
    ]
    return np.concatenate([*parts, [end]])


def make_grid(detail: float) -> Grid:
    """Return the grid: dense at eyes and mouth, sparse at the back of the head."""
    low = _spaced([(-0.985, 0.03), (-0.86, 0.034), (-0.72, 0.025)], MOUTH_Y, detail)
    middle = _spaced([(MOUTH_Y, 0.025), (-0.42, 0.034), (-0.12, 0.025)], EYE_Y, detail)
    high = _spaced([(EYE_Y, 0.022), (0.2, 0.045), (0.42, 0.075), (0.78, 0.055), (0.94, 0.028)], 0.997, detail)
    y = np.concatenate([[-1.0], low, middle, high, [1.0]])
    copies = np.zeros(len(y))
    for latitude in (MOUTH_Y, EYE_Y):
        first, second = np.flatnonzero(np.abs(y - latitude) < 1e-9)
        copies[first], copies[second] = -1, 1
    half = _spaced([(0.0, 0.034), (0.7, 0.075), (1.35, 0.15)], np.pi, detail)
    return Grid(y, np.concatenate([-half[-2:0:-1], half]), copies)


def skull(y: Array, u: Array) -> Array:
    """Points (..., 3) of the bare skull at latitude height ``y`` and longitude ``u`` (0 is the front)."""
    y, u = np.broadcast_arrays(y, u)
    round_ = np.sqrt(np.clip(1 - y * y, 0, None))
    width = np.where(y < 0, round_**0.72, round_**0.92)
    depth = np.where(y < 0, round_**0.86, round_**0.94)
    jaw = np.clip((-y - 0.12) / 0.88, 0, 1)
    x = 0.715 * np.sin(u) * width * (1 - 0.20 * jaw**1.8)
    x = x * (1 + 0.03 * np.exp(-(((y - 0.30) / 0.4) ** 2) / 2))
    back = np.cos(u) < 0
    z = 0.83 * np.cos(u) * depth
    z = np.where(back, z * 1.06 * (1 - 0.40 * smoothstep(0.0, 0.95, -y)), z)
    # a flatter front than an ellipsoid's: faces are wider than they are deep
    flat = smoothstep(0.1, 0.95, np.cos(u)) * (1 - jaw)
    z = z - 0.045 * flat * np.cos(u) ** 6
    return np.stack([x, y * np.ones_like(x), z + 0.30 * jaw**1.7], -1)


def front(u: Array) -> Array:
    """Mask of the face's side of the head."""
    return smoothstep(0.05, 0.5, np.cos(u))


def relief(x: Array, y: Array) -> Array:
    """Depth (towards the viewer) that the features add to the bare skull at (x, y)."""
    z = 0.030 * bump(x, y, (0.25, 0.225), (0.19, 0.09))  # brow ridge
    z = z + 0.016 * bump(x, y, (0.0, 0.20), (0.12, 0.10))  # glabella
    z = z - 0.022 * bump(x, y, (0.29, 0.02), (0.16, 0.13))  # sockets
    z = z + 0.050 * bump(x, y, (0.41, -0.22), (0.15, 0.13))  # cheekbones
    z = z - 0.022 * bump(x, y, (0.40, -0.55), (0.12, 0.16))  # hollow below them
    z = z + 0.034 * bump(x, y, (0.30, -0.16), (0.16, 0.075))  # the cheek carries the lower lid
    z = z + 0.028 * bump(x, y, (0.135, -0.08), (0.055, 0.09))  # and the nose's flank meets it softly
    bridge = (-0.50, -0.43, -0.375, -0.30, -0.20, -0.05, 0.10, 0.26)
    ridge = profile(y, bridge, [0, 0.045, 0.15, 0.185, 0.15, 0.105, 0.065, 0])
    wide = profile(y, [-0.5, -0.33, -0.18, 0.0, 0.25], [0.095, 0.090, 0.062, 0.058, 0.085])
    z = z + ridge * np.exp(-(np.abs(x / wide) ** 2.2) / 2)
    z = z + 0.070 * bump(x, y, (0.098, -0.355), (0.036, 0.042))  # wings
    z = z - 0.030 * bump(x, y, (0.155, -0.40), (0.035, 0.07))  # fold beside them
    z = z + 0.045 * bump(x, y, (0.0, -0.57), (0.21, 0.13))  # the mound the lips sit on
    lips = np.clip(1 - (x / 0.245) ** 2, 0, None)
    z = z + lips**0.8 * 0.056 * np.exp(-(((y + 0.522) / 0.034) ** 2) / 2)
    z = z + lips**0.8 * 0.070 * np.exp(-(((y + 0.625) / 0.038) ** 2) / 2)
    z = z - 0.030 * lips**0.5 * np.exp(-(((y - MOUTH_Y) / 0.016) ** 2) / 2)  # the line where they meet
    z = z - 0.014 * bump(x, y, (0.0, -0.465), (0.026, 0.035))  # philtrum
    z = z - 0.032 * bump(x, y, (0.0, -0.72), (0.14, 0.040))  # fold over the chin
    return z + 0.070 * bump(x, y, (0.0, -0.87), (0.14, 0.085))  # chin


def _almond(x: Array) -> tuple[Array, Array]:
    """Heights of the upper and lower lid's arch at ``x``, both 1 at most."""
    q = (np.abs(x) - EYE_X) / EYE_HALF_WIDTH
    inside = np.clip(1 - q * q, 0, None)
    upper = inside**0.72 * (1 + 0.10 * -q)  # highest a little towards the nose
    lower = inside**0.85 * (1 + 0.18 * q)  # lowest a little towards the temple
    return upper, lower


def eye_region(x: Array, y: Array) -> Array:
    """1 over the lids, falling smoothly to 0 around them."""
    below = smoothstep(0.05, -0.10, y - EYE_Y)
    q = np.hypot((np.abs(x) - EYE_X) / 0.225, (y - EYE_Y - 0.01) / (0.185 + 0.045 * below))
    return 1 - smoothstep(0.55, 1.60, q)


def _on_eyeball(points: Array, weight: Array) -> Array:
    """Lay the skin on the eyeball, a little above its surface, where ``weight`` is 1."""
    x, y, z = np.moveaxis(points, -1, 0)
    distance2 = (np.abs(x) - EYE_X) ** 2 + (y - EYE_Y) ** 2
    radius2 = (EYE_RADIUS + LID_CLEARANCE) ** 2
    ball = EYE_Z + np.sqrt(np.clip(radius2 - distance2, 0.0025, None))
    return np.stack([x, y, z + weight * (ball - z)], -1)


def surface(grid: Grid) -> tuple[Array, Array]:
    """Return the skin with open eyes and what closing them subtracts: two arrays (R, C, 3)."""
    bare = skull(grid.y[:, None], grid.u[None])
    x, y = bare[..., 0], bare[..., 1]
    mask = front(grid.u)[None] * np.ones_like(x)
    bare[..., 2] += relief(x, y) * mask
    region = eye_region(x, y) * mask
    above = (y > EYE_Y + 1e-9) | (grid.above[:, None] > 0) & (np.abs(y - EYE_Y) < 1e-9)
    upper, lower = _almond(x)
    away = np.abs(y - EYE_Y)
    lift = np.where(above, 0.086 * upper * np.exp(-away / 0.12), -0.062 * lower * np.exp(-away / 0.10)) * mask
    # the temple's corner stands a little higher than the nose's
    slant = 0.020 * np.tanh((np.abs(x) - EYE_X) / 0.1) * eye_region(x, y) * mask
    shut = slant - 0.030 * upper * region * np.exp(-((away / 0.10) ** 2))  # shut lids meet low, in an arch
    closed = _on_eyeball(bare + np.stack([0 * x, shut, 0 * x], -1), region)
    opened = _on_eyeball(bare + np.stack([0 * x, slant + lift, 0 * x], -1), region)
    return opened, opened - closed
