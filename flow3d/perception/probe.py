"""What a network is tried with before it is used: a person drawn of twelve ellipses, and points on a wave."""

import numpy as np
from jaxtyping import Float32

WALL = (0.55, 0.6, 0.65)  # red, green, blue from 0 to 1
# Centre right and down, half width and half height in shares of the side; colour. Later ones cover earlier ones.
PERSON = (
    (0.50, 1.15, 0.420, 0.420, (0.20, 0.25, 0.40)),  # shoulders
    (0.50, 0.75, 0.100, 0.200, (0.75, 0.55, 0.45)),  # neck
    (0.50, 0.42, 0.235, 0.310, (0.25, 0.15, 0.10)),  # hair
    (0.50, 0.48, 0.200, 0.280, (0.85, 0.65, 0.55)),  # face
    (0.42, 0.43, 0.045, 0.020, (0.95, 0.95, 0.95)),  # eyes
    (0.58, 0.43, 0.045, 0.020, (0.95, 0.95, 0.95)),
    (0.42, 0.43, 0.020, 0.020, (0.10, 0.08, 0.05)),
    (0.58, 0.43, 0.020, 0.020, (0.10, 0.08, 0.05)),
    (0.42, 0.37, 0.055, 0.012, (0.20, 0.12, 0.08)),  # brows
    (0.58, 0.37, 0.055, 0.012, (0.20, 0.12, 0.08)),
    (0.50, 0.55, 0.030, 0.020, (0.70, 0.48, 0.40)),  # nose
    (0.50, 0.63, 0.070, 0.022, (0.70, 0.30, 0.30)),  # mouth
)


def drawn_person(size: int) -> Float32[np.ndarray, "3 S S"]:
    """A person before a wall, (3,S,S) from 0 to 1; the same numbers at every call and on every machine."""
    y, x = (np.mgrid[:size, :size] + 0.5) / size
    picture = np.broadcast_to(np.array(WALL)[:, None, None], (3, size, size))
    for right, down, half_width, half_height, colour in PERSON:
        inside = 1 - np.hypot((x - right) / half_width, (y - down) / half_height)
        share = np.clip(inside * min(half_width, half_height) * size + 0.5, 0, 1)  # a rim of about one pixel
        picture = picture * (1 - share) + np.array(colour)[:, None, None] * share
    return picture.astype(np.float32)


def wave(count: int) -> Float32[np.ndarray, "N 2"]:
    """Points on a closed wave, from 0 to 1."""
    turn = 2 * np.pi * np.arange(count) / count
    return np.stack([0.5 - 0.5 * np.cos(turn), 0.5 + 0.5 * np.sin(3 * turn)], -1).astype(np.float32)
