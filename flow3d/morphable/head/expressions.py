"""The 64 expression fields of the skin (B_exp of Eq. 1): 24 with a name, 40 small ones without.

Left and right in a name are the person's own; gaze_x, jaw_side and mouth_side go to the viewer's right.
"""

import numpy as np

from ...sizes import EXPRESSION_COUNT
from .fields import EYE_X, EYE_Y, MOUTH_HALF_WIDTH, MOUTH_Y, Array, Mask, bump, smoothstep
from .skin import eye_region

EXPRESSIONS = (
    "jaw_open", "smile", "frown", "pucker", "brow_up", "brow_down", "brow_inner_up", "blink_right", "blink_left",
    "wide_eyes", "gaze_x", "gaze_y", "upper_lip_up", "lower_lip_down", "cheek_puff", "squint", "sneer", "jaw_side",
    "smile_right", "smile_left", "mouth_stretch", "lip_press", "chin_raise", "mouth_side",
)  # fmt: skip
JAW_ANGLE = 0.30  # radians at jaw_open = 1
GAZE = (0.38, 0.25)  # radians at gaze_x = 1, gaze_y = 1
JAW_HINGE = np.array([0.0, -0.15, -0.05])


def jaw_motion(points: Array) -> Array:
    """Linearised rotation of the jaw about its hinge, for points (..., 3) that move with it fully."""
    arm = points - JAW_HINGE
    return JAW_ANGLE * np.stack([np.zeros_like(arm[..., 0]), -arm[..., 2], 0.75 * arm[..., 1]], -1)


def jaw_weight(points: Array, below: Mask) -> Array:
    """How far a point of the skin follows the jaw; ``below`` is True below the lips' slit."""
    x, y, z = np.moveaxis(points, -1, 0)
    s2 = np.clip((x / MOUTH_HALF_WIDTH) ** 2, 0, 1)
    lower = 1 - 0.62 * s2
    upper = 0.38 * s2 * np.exp(-(((y - MOUTH_Y) / 0.16) ** 2))
    outside = np.exp(-((np.clip(np.abs(x) - MOUTH_HALF_WIDTH, 0, None) / 0.35) ** 2))
    lips = np.where(below, lower, upper) * outside
    jaw = smoothstep(-0.30, 0.35, z)
    deep = smoothstep(-0.57, -0.80, y)
    return (1 - deep) * lips * smoothstep(0.0, 0.35, z) + deep * jaw


def skin_expressions(points: Array, above_eye: Mask, above_mouth: Mask, front: Array, opening: Array) -> Array:
    """Return (64, V, 3) displacements of skin ``points`` (V, 3) at the rest pose.

    ``above_eye`` and ``above_mouth`` tell the copies of the slits apart, ``front`` masks the face,
    ``opening`` (V, 3) is what an open lid adds to a closed one.
    """
    x, y, _ = points.T
    field = np.zeros((EXPRESSION_COUNT, len(points), 3))

    def add(name: str, dx: Array | float = 0.0, dy: Array | float = 0.0, dz: Array | float = 0.0) -> None:
        for axis, value in enumerate((dx, dy, dz)):
            field[EXPRESSIONS.index(name), :, axis] += value * front

    left, right = smoothstep(-0.04, 0.04, x), smoothstep(0.04, -0.04, x)  # the person's own: left is at +x
    sign = np.tanh(x / 0.06)
    # lips near the slit move as a strip: both copies together, so that a smile keeps a shut mouth shut
    corner = bump(x, y, (0.225, MOUTH_Y), (0.085, 0.095))
    cheek = bump(x, y, (0.37, -0.30), (0.14, 0.13))
    across2 = np.clip(1 - (x / (MOUTH_HALF_WIDTH * 0.95)) ** 2, 0, None)
    near_lip = np.exp(-(((y - MOUTH_Y) / 0.085) ** 2))

    jaw = jaw_motion(points) * jaw_weight(points, ~above_mouth)[:, None]
    add("jaw_open", *jaw.T)
    for name, part in (("smile", 1.0), ("smile_right", right), ("smile_left", left)):
        up, out = 0.095 * corner + 0.035 * cheek, -0.055 * corner + 0.045 * cheek
        add(name, part * sign * 0.085 * corner, part * up, part * out)
        lower_lid = -0.22 * opening[:, 1] * ~above_eye
        add(name, 0.0, part * lower_lid, 0.0)
    add("frown", sign * 0.012 * corner, -0.095 * corner, -0.010 * corner)
    add("frown", 0.0, 0.018 * bump(x, y, (0.0, -0.74), (0.14, 0.06)), 0.025 * bump(x, y, (0.0, -0.80), (0.12, 0.08)))
    mouth = bump(x, y, (0.0, MOUTH_Y), (0.16, 0.12))
    add("pucker", -0.52 * x * bump(x, y, (0.0, MOUTH_Y), (0.21, 0.15)), 0.10 * (y - MOUTH_Y) * mouth, 0.115 * mouth)
    still = 1 - 0.9 * eye_region(x, y)  # brows leave the lids where they are
    add("brow_up", 0.0, 0.115 * bump(x, y, (0.27, 0.27), (0.20, 0.13)) * still, 0.0)
    knit = bump(x, y, (0.21, 0.25), (0.18, 0.10)) * still
    add("brow_down", -0.030 * sign * knit, -0.090 * knit, 0.018 * knit)
    add("brow_inner_up", 0.0, 0.115 * bump(x, y, (0.12, 0.26), (0.11, 0.11)) * still, 0.0)
    add("blink_right", *(-opening * right[:, None]).T)
    add("blink_left", *(-opening * left[:, None]).T)
    add("wide_eyes", *(0.32 * opening).T)
    add("gaze_y", *(0.22 * opening * above_eye[:, None]).T)
    over, under = np.clip(y - MOUTH_Y, 0, None), np.clip(MOUTH_Y - y, 0, None)
    add("upper_lip_up", 0.0, 0.062 * across2 * above_mouth * np.exp(-((over / 0.11) ** 2)))
    add("lower_lip_down", 0.0, -0.068 * across2 * ~above_mouth * np.exp(-((under / 0.12) ** 2)))
    puff = bump(x, y, (0.40, -0.47), (0.15, 0.14))
    add("cheek_puff", 0.150 * sign * puff, 0.0, 0.115 * puff)
    add("cheek_puff", 0.0, 0.0, 0.050 * bump(x, y, (0.0, MOUTH_Y), (0.24, 0.13)))
    narrow, pouch = np.where(above_eye, -0.25, -0.55), bump(x, y, (0.33, -0.16), (0.13, 0.07))
    add("squint", 0.0, opening[:, 1] * narrow, opening[:, 2] * narrow)
    add("squint", 0.0, 0.022 * pouch, 0.014 * pouch)
    nose_side = bump(x, y, (0.115, -0.34), (0.07, 0.08))
    within = smoothstep(MOUTH_HALF_WIDTH, 0.8 * MOUTH_HALF_WIDTH, np.abs(x))  # the lips' corners stay joined
    lip_side = 0.030 * bump(x, y, (0.11, -0.49), (0.08, 0.05)) * above_mouth * within
    add("sneer", 0.0, 0.040 * nose_side + lip_side, 0.012 * nose_side)
    add("jaw_side", 0.085 * jaw_weight(points, ~above_mouth), 0.0, 0.0)
    add("mouth_stretch", sign * 0.085 * corner, -0.035 * corner, -0.045 * corner)
    add("lip_press", 0.0, 0.30 * (MOUTH_Y - y) * across2 * near_lip, -0.022 * across2 * near_lip)
    chin = 0.060 * bump(x, y, (0.0, -0.82), (0.16, 0.10))
    add("chin_raise", 0.0, chin + 0.030 * across2 * near_lip, 0.012 * across2 * near_lip)
    add("mouth_side", 0.085 * bump(x, y, (0.0, MOUTH_Y), (0.22, 0.13)), 0.0, 0.0)

    rng = np.random.default_rng(64)  # the bases are constants of the model
    calm = 1 - bump(x, y, (EYE_X, EYE_Y), (0.19, 0.14)).clip(0, 1)  # lids must stay on the eyeballs
    for k in range(len(EXPRESSIONS), EXPRESSION_COUNT):
        for _ in range(2):
            cx, cy = rng.uniform(-0.45, 0.45), rng.uniform(-0.85, 0.35)
            vector = rng.normal(0, 0.011, 3)
            blob = np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * 0.2**2)) * front * calm
            field[k] += blob[:, None] * vector
    return field


def gaze_motion(points: Array, centre: Array) -> tuple[Array, Array]:
    """Linearised rotation of an eyeball's points (V, 3) about ``centre`` for gaze_x (right) and gaze_y (up)."""
    arm = points - centre
    zero = np.zeros(len(points))
    gaze_x = GAZE[0] * np.stack([arm[:, 2], zero, -arm[:, 0]], -1)
    gaze_y = GAZE[1] * np.stack([zero, arm[:, 2], -arm[:, 1]], -1)
    return gaze_x, gaze_y
