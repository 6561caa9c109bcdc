"""Hair: a shell over the skull that dips under the skin at the hairline, with curtains for the long styles."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from .fields import Array, Index, Mask, smoothstep
from .parts import grid_faces
from .skin import skull

ROWS, COLUMNS = 36, 72
# longitudes (radians from the front) at which a style's hairline heights are given
LONGITUDES = (0.0, 0.35, 0.62, 0.85, 1.02, 1.18, 1.35, 1.55, 1.80, 2.20, 3.15)


@dataclass(frozen=True)
class HairStyle:
    """One cut: where it begins, how thick it is, how far it falls.

    ``hairline``: height at ``LONGITUDES``. ``thickness``: off the skull; ``crown`` and ``sides`` scale it there.
    ``fall``: height to which the curtain hangs (None: no curtain), open in front of longitude ``curtain``.
    """

    hairline: tuple[float, ...]
    thickness: float
    crown: float = 1.4
    sides: float = 1.0
    locks: float = 0.010
    curl: float = 0.0
    sweep: float = 0.0
    fall: float | None = None
    curtain: float = 1.05
    ears_covered: bool = False


_SHORT = (0.56, 0.55, 0.50, 0.38, 0.24, 0.02, -0.10, 0.17, 0.02, -0.30, -0.42)
_CROP = (0.60, 0.59, 0.55, 0.43, 0.28, 0.08, -0.02, 0.19, 0.06, -0.26, -0.38)
_PART = (0.54, 0.53, 0.48, 0.37, 0.22, 0.00, -0.12, 0.17, 0.00, -0.32, -0.44)
_CURLY = (0.50, 0.50, 0.45, 0.34, 0.20, -0.05, -0.15, 0.10, -0.10, -0.40, -0.50)
_LOW = (0.56, 0.54, 0.47, 0.32, 0.08, -0.30, -0.45, -0.50, -0.55, -0.60, -0.62)
_FRINGE = (0.31, 0.31, 0.30, 0.26, 0.05, -0.30, -0.45, -0.50, -0.55, -0.60, -0.62)
_BUN = (0.60, 0.58, 0.52, 0.40, 0.22, 0.02, -0.06, 0.15, 0.00, -0.34, -0.46)
_RECEDING = (0.74, 0.78, 0.70, 0.46, 0.26, 0.04, -0.06, 0.17, 0.02, -0.28, -0.40)
_SHOULDER = partial(HairStyle, _LOW, crown=1.2, ears_covered=True)
STYLES = {
    "short": HairStyle(_SHORT, 0.085, sweep=0.05),
    "crop": HairStyle(_CROP, 0.040, crown=1.15, locks=0.004),
    "side_part": HairStyle(_PART, 0.095, crown=1.15, sweep=0.12, locks=0.014),
    "quiff": HairStyle(_SHORT, 0.070, crown=1.5, sides=0.6, sweep=0.02, locks=0.016),
    "curly": HairStyle(_CURLY, 0.105, crown=1.0, locks=0.006, curl=0.020),
    "bob": _SHOULDER(0.09, sweep=0.05, fall=-0.86, curtain=0.98, locks=0.008),
    "fringe": HairStyle(_FRINGE, 0.095, crown=1.25, fall=-0.80, curtain=1.00, ears_covered=True, locks=0.007),
    "long": _SHOULDER(0.09, sweep=0.07, fall=-1.75, curtain=1.00, locks=0.012),
    "wavy": _SHOULDER(0.095, sweep=0.09, fall=-1.55, curtain=0.98, locks=0.018, curl=0.010),
    "bun": HairStyle(_BUN, 0.045, crown=1.2, locks=0.006),
    "receding": HairStyle(_RECEDING, 0.045, crown=1.0, locks=0.004),
}


def hair_grid() -> tuple[Array, Array]:
    """Heights (ROWS,) and longitudes (COLUMNS,) of the hair's own grid, coarser than the skin's."""
    y = np.concatenate([np.linspace(-0.66, 0.9, ROWS - 7), [0.93, 0.955, 0.972, 0.985, 0.993, 0.998, 1.0]])
    return y, np.linspace(-np.pi, np.pi, COLUMNS, endpoint=False)


def hair_base() -> tuple[Array, Index, Array]:
    """Skull points (V, 3) under the hair, its faces, and (V, 2) longitude and height for the strands' pattern."""
    y, u = hair_grid()
    points = skull(y[:, None], u[None])
    local = np.stack([u[None] + 0 * y[:, None], y[:, None] + 0 * u[None]], -1)
    return points.reshape(-1, 3), grid_faces(ROWS, COLUMNS, closed=True), local.reshape(-1, 2)


def style_hair(style: HairStyle, volume: float, seed: int) -> tuple[Array, Mask, Array]:
    """Return the offset from the base (V, 3), which vertices are hair (V,), and a shade in [0, 1] (V,)."""
    rng = np.random.default_rng(seed)
    y, u = (a for a in np.meshgrid(*hair_grid(), indexing="ij"))
    base = skull(y, u)
    outward = base / np.array([0.72, 1.0, 0.85]) ** 2
    outward[..., 1] = np.where(y < 0, 0.3 * outward[..., 1], outward[..., 1])
    outward /= np.linalg.norm(outward, axis=-1, keepdims=True)
    part = style.sweep * np.sin(u + 0.6) * smoothstep(0.9, 0.2, np.abs(u)) * (1 if seed % 2 else -1)
    line = np.interp(np.abs(u), LONGITUDES, style.hairline) + part
    ragged = sum(rng.normal(0, 0.010) * np.sin(k * u + rng.uniform(0, 6.28)) for k in (7, 11, 17, 23))
    cover = smoothstep(-0.035, 0.10, y - line - ragged)
    curtain = np.zeros_like(y)
    drop = np.zeros_like(y)
    if style.fall is not None:
        edge = style.curtain + 0.10 * np.sin(3 * y + rng.uniform(0, 6.28)) * smoothstep(0.3, -0.3, y)
        curtain = smoothstep(edge - 0.06, edge + 0.06, np.abs(u)) * smoothstep(0.22, -0.05, y)
        cover = np.maximum(cover, curtain)
        depth = np.clip((0.10 - y) / 0.76, 0, 1)
        drop = curtain * depth
    crown = 1 + (style.crown - 1) * smoothstep(0.35, 0.95, y)
    sides = 1 + (style.sides - 1) * smoothstep(0.5, 1.1, np.abs(u)) * smoothstep(0.75, 0.4, y)
    phase = rng.uniform(0, 6.28, 4)
    lock = np.sin(17 * u + 3 * np.sin(3 * y + phase[0]) + phase[1]) + 0.7 * np.sin(29 * u + 2 * y + phase[2])
    curls = np.sin(23 * u + phase[3]) * np.sin(26 * y + phase[0]) + np.sin(31 * y + 9 * u)
    thick = style.thickness * volume * crown * sides + style.locks * lock + style.curl * curls
    offset = outward * (thick * cover - 0.07 * (1 - cover))[..., None]
    if style.fall is not None:
        # the curtain hangs straight from the widest part of the head, drawing in a little towards its end
        across, deep = 0.745 * np.sin(u) * (1 - 0.10 * drop), 0.80 * np.cos(u) * (1 - 0.05 * drop) - 0.06 * drop
        hang = np.stack([across, 0.10 - (0.10 - style.fall) * drop, deep], -1)
        hang[..., (0, 2)] += outward[..., (0, 2)] * (thick * (1 + 0.5 * np.sin(np.pi * drop)))[..., None]
        share = (curtain * smoothstep(0.0, 0.12, drop))[..., None]
        offset = offset * (1 - share) + (hang - base) * share
    shade = 0.5 + 0.25 * lock / 1.7 + 0.2 * curls * (style.curl > 0)
    return offset.reshape(-1, 3), (cover > 0.04).ravel(), np.clip(shade, 0, 1).ravel()
