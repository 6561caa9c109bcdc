"""The 80 identity fields (B_id of Eq. 1): 24 with a name, 56 small mirrored ones without."""

import numpy as np

from ...sizes import IDENTITY_COUNT
from .fields import EYE_HALF_WIDTH, EYE_X, EYE_Y, EYE_Z, MOUTH_Y, Array, bump, smoothstep
from .skin import eye_region

IDENTITY_NAMES = (
    "head_width", "head_height", "head_depth", "jaw_width", "chin_length", "chin_forward", "cheek_fullness",
    "cheekbones", "brow_ridge", "forehead", "nose_length", "nose_tip", "nose_width", "nose_bridge", "eye_spacing",
    "eye_size", "eye_slant", "mouth_width", "upper_lip", "lower_lip", "brow_height", "brow_slant", "mouth_height",
    "temple_width",
)  # fmt: skip


def _raw(points: Array) -> Array:
    """(80, V, 3) before the eyes are kept rigid."""
    x, y, z = points.T
    face = smoothstep(-0.15, 0.35, z)
    field = np.zeros((IDENTITY_COUNT, len(points), 3))

    def put(name: str, dx: Array | float = 0.0, dy: Array | float = 0.0, dz: Array | float = 0.0) -> None:
        for axis, value in enumerate((dx, dy, dz)):
            field[IDENTITY_NAMES.index(name), :, axis] = value

    low = smoothstep(-0.10, -0.75, y)
    nose = bump(x, y, (0.0, -0.28), (0.10, 0.16)) * face
    tip = bump(x, y, (0.0, -0.34), (0.09, 0.08)) * face
    lips = bump(x, y, (0.0, MOUTH_Y), (0.22, 0.10)) * face
    put("head_width", 0.045 * x)
    put("head_height", 0.0, 0.020 * y * smoothstep(-1.2, 0.4, y))
    put("head_depth", 0.0, 0.0, 0.035 * z)
    put("jaw_width", 0.075 * x * low)
    put("chin_length", 0.0, -0.040 * smoothstep(-0.62, -1.0, y))
    put("chin_forward", 0.0, 0.0, 0.045 * bump(x, y, (0.0, -0.86), (0.17, 0.13)) * face)
    cheek = bump(x, y, (0.42, -0.38), (0.18, 0.22)) * face
    put("cheek_fullness", 0.040 * np.tanh(x / 0.3) * cheek, 0.0, 0.030 * cheek)
    put("cheekbones", 0.0, 0.0, 0.026 * bump(x, y, (0.43, -0.16), (0.15, 0.12)) * face)
    put("brow_ridge", 0.0, 0.0, 0.020 * bump(x, y, (0.25, 0.22), (0.20, 0.09)) * face)
    put("forehead", 0.0, 0.0, 0.035 * smoothstep(0.2, 0.8, y) * face)
    put("nose_length", 0.0, -0.018 * tip, 0.028 * nose)
    put("nose_tip", 0.0, 0.028 * tip, 0.012 * tip)
    put("nose_width", 0.24 * x * bump(x, y, (0.0, -0.34), (0.15, 0.10)) * face)
    put("nose_bridge", 0.0, 0.0, 0.022 * bump(x, y, (0.0, -0.06), (0.06, 0.14)) * face)
    put("eye_spacing", 0.020 * np.tanh(x / 0.2) * bump(x, y, (0.0, EYE_Y), (0.9, 0.28)) * face)
    put("mouth_width", 0.14 * x * bump(x, y, (0.0, MOUTH_Y), (0.30, 0.14)) * face)
    upper, lower = lips * (y > MOUTH_Y), lips * (y < MOUTH_Y)
    put("upper_lip", 0.0, 0.014 * upper * smoothstep(0.0, 0.05, y - MOUTH_Y), 0.012 * upper)
    put("lower_lip", 0.0, -0.014 * lower * smoothstep(0.0, 0.05, MOUTH_Y - y), 0.012 * lower)
    brow = bump(x, y, (0.27, 0.26), (0.22, 0.09)) * face
    put("brow_height", 0.0, 0.022 * brow)
    put("brow_slant", 0.0, 0.028 * brow * np.tanh((np.abs(x) - 0.27) / 0.12))
    put("mouth_height", 0.0, 0.024 * bump(x, y, (0.0, MOUTH_Y), (0.35, 0.16)) * face)
    put("temple_width", 0.035 * np.tanh(x / 0.4) * bump(x, y, (0.0, 0.30), (1.0, 0.26)))
    rng = np.random.default_rng(80)  # the bases are constants of the model
    for k in range(len(IDENTITY_NAMES), IDENTITY_COUNT):
        for _ in range(3):
            cx, cy, cz = rng.uniform(0, 0.6), rng.uniform(-0.9, 0.7), rng.uniform(0.0, 0.9)
            vector = rng.normal(0, 0.010, 3)
            reach = np.exp(-((y - cy) ** 2 + (z - cz) ** 2) / (2 * 0.28**2))
            right, left = (np.exp(-((x - s * cx) ** 2) / (2 * 0.28**2)) * reach for s in (1, -1))
            field[k] += np.stack([right - left, right + left, right + left], -1) * vector
    return field


def identity_fields(points: Array) -> Array:
    """Return (80, V, 3) displacements of ``points`` (V, 3) of the mean head.

    Lids move rigidly with the eyeballs (plus one size and one slant), so that no identity parts them.
    """
    centre = np.array([[-EYE_X, EYE_Y, EYE_Z + 0.2], [EYE_X, EYE_Y, EYE_Z + 0.2]])
    field, at_eyes = _raw(points), _raw(centre)
    x, y, z = points.T
    rigid = (eye_region(x, y) * smoothstep(0.2, 0.4, z))[None, :, None]
    side = smoothstep(-0.02, 0.02, x)[None, :, None]
    field = field * (1 - rigid) + rigid * (at_eyes[:, :1] * (1 - side) + at_eyes[:, 1:] * side)
    size, slant = IDENTITY_NAMES.index("eye_size"), IDENTITY_NAMES.index("eye_slant")
    middle = np.stack([np.sign(x) * EYE_X, 0 * x + EYE_Y, 0 * x + EYE_Z], -1)
    field[size] = 0.055 * (points - middle) * rigid[0]
    field[slant, :, 1] = 0.020 * np.tanh((np.abs(x) - EYE_X) / EYE_HALF_WIDTH) * rigid[0, :, 0]
    return field
