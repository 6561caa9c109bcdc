"""Talking-head trajectories: pose, speech, blinks, gaze and moods at 25 frames a second, from a seed."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from ..checks import Whole, check_integer
from ..sizes import EXPRESSION_COUNT
from .coefficients import Coefficients
from .head.expressions import EXPRESSIONS
from .head.fields import smoothstep

FPS = 25.0
BLINK_REACH = 17  # frames before its middle at which the longest blink begins
MAX_YAW = 0.85  # radians, 49 degrees: beyond it little of a face is left to re-enact

# each face of making_faces: its expressions, how far they go at most in either direction, and how often it comes
FACES: tuple[tuple[tuple[str, ...], float, float, int], ...] = (
    (("smile",), 0.0, 1.1, 3), (("pucker",), 0.0, 1.0, 2), (("gaze_x",), -1.0, 1.0, 2), (("brow_up",), 0.0, 1.0, 2),
    (("jaw_open",), 0.0, 1.1, 1), (("blink_right", "blink_left"), 0.0, 1.0, 1), (("gaze_y",), -1.0, 1.0, 1),
    (("brow_down",), 0.0, 1.0, 1), (("frown",), 0.0, 0.9, 1), (("wide_eyes",), 0.0, 1.0, 1),
)  # fmt: skip

Track = NDArray[np.float64]


def _wander(rng: np.random.Generator, time: Track) -> Callable[[float], Track]:
    """Return a maker of smooth random tracks of about unit size whose fastest part has the given frequency (Hz)."""

    def track(frequency: float) -> Track:
        waves = [
            rng.uniform(0.5, 1) * np.sin(2 * np.pi * (rng.uniform(0.3, 1) * frequency * time + rng.random()))
            for _ in range(4)
        ]
        return 1.5 * np.mean(waves, axis=0)

    return track


def _blinks(rng: np.random.Generator, frames: int) -> Track:
    """Closed eyes are 1: blinks of 4 to 6 frames every 0.7 to 2.4 s, some of them held.

    How often ``rng`` is asked depends on ``frames``, so nothing else may draw from it.
    """
    closed, position = np.zeros(frames), rng.uniform(-40, 20)
    moment = np.arange(frames)
    while position < frames + BLINK_REACH:
        half, hold = rng.uniform(4, 6), rng.uniform(0, 11) * (rng.random() < 0.4)
        shape = 1.25 * (1 - np.maximum(0, np.abs(moment - position) - hold) / (0.85 * half))
        closed = np.maximum(closed, np.clip(shape, 0, 1))
        position += rng.uniform(18, 60)
    return closed


def talking_head(frames: Whole, seed: Whole) -> Coefficients:
    """Return ``frames`` frames, at 25 a second, of a person who talks, looks around and blinks.

    The same for the same seed; more frames continue fewer. Yaw stays within ``MAX_YAW``, blinks within [0, 1].

    Raises:
        TypeError: ``frames`` or ``seed`` is not an integer.
        ValueError: ``frames`` below 1, or a negative seed.
    """
    frames, seed = check_integer(frames, "frames", 1), check_integer(seed, "seed", 0)
    rng = np.random.default_rng([seed, 2])
    w = _wander(rng, np.arange(frames) / FPS)
    named: dict[str, Track] = {}
    yaw = rng.uniform(-0.45, 0.45) + 1.05 * w(0.40)
    named["yaw"] = MAX_YAW * np.tanh(yaw / MAX_YAW)
    named["pitch"] = rng.uniform(-0.08, 0.08) + 0.17 * w(0.30)
    named["roll"] = 0.11 * w(0.30)
    named["translation_x"], named["translation_y"] = 0.07 * w(0.2), 0.04 * w(0.2)
    named["translation_z"] = 0.18 * w(0.15)
    named["crop_scale"] = np.full(frames, 1 + rng.uniform(-0.04, 0.04))
    named["crop_x"], named["crop_y"] = 3.0 * rng.normal() + 1.2 * w(0.2), 2.0 * rng.normal() + 1.0 * w(0.2)

    speaking = smoothstep(-0.5, 0.2, w(0.5))
    named["jaw_open"] = np.clip((0.50 + 0.60 * w(2.4)) * speaking, 0, 1.1)
    smile = np.clip(rng.uniform(-0.1, 0.6) + 0.6 * w(0.35), 0, 1.1)
    named["smile"] = smile
    named["frown"] = np.clip(-0.2 + 0.9 * w(0.35), 0, 0.9) * (smile < 0.3) * (1 - smile / 0.3).clip(0, 1)
    named["pucker"] = np.clip(0.9 * w(1.0) - 0.1, 0, 1) * speaking * (1 - 0.8 * np.clip(smile, 0, 1))
    up, down = w(0.4), w(0.4)
    named["brow_up"] = np.clip(up - 0.1, 0, 1)
    named["brow_down"] = np.clip(down - 0.35, 0, 1) * (1 - named["brow_up"])
    named["brow_inner_up"] = np.clip(w(0.4) - 0.4, 0, 1)
    blink = _blinks(np.random.default_rng([seed, 4]), frames)
    wink = rng.random() < 0.25
    lag = rng.uniform(0.6, 1.0) if wink else 1.0
    named["blink_right"], named["blink_left"] = blink, blink * lag
    named["wide_eyes"] = np.clip(w(0.4) - 0.5, 0, 1) * (1 - blink)
    named["squint"] = np.clip(w(0.4) - 0.4, 0, 1) * (1 - blink)
    named["gaze_x"], named["gaze_y"] = np.clip(0.75 * w(0.5), -1, 1), np.clip(0.5 * w(0.4), -1, 1)
    named["upper_lip_up"] = np.clip(0.5 * w(1.8), 0, 1) * speaking
    named["lower_lip_down"] = np.clip(0.6 * w(1.8), 0, 1) * speaking
    for name in ("cheek_puff", "sneer", "mouth_stretch", "lip_press", "chin_raise"):
        named[name] = np.clip(0.5 * (w(0.4) - 0.4), 0, 1)
    for name in ("jaw_side", "mouth_side"):
        named[name] = 0.35 * w(0.5)
    side = np.clip(w(0.3) - 0.4, 0, 1) * (1 - np.clip(smile, 0, 1))
    named["smile_right" if rng.random() < 0.5 else "smile_left"] = side
    tensors = {name: torch.as_tensor(track, dtype=torch.float32) for name, track in named.items()}
    values = Coefficients.neutral(frames).replace(**tensors).values
    nameless = np.stack([0.6 * w(0.3) for _ in range(EXPRESSION_COUNT - len(EXPRESSIONS))], -1)
    values[:, len(EXPRESSIONS) : EXPRESSION_COUNT] = torch.as_tensor(nameless, dtype=torch.float32)
    return Coefficients(values)


def making_faces(frames: Whole, seed: Whole) -> Coefficients:
    """Return ``frames`` frames, at 25 a second, of a person whose head hardly moves and who makes faces, one by one.

    People who talk seldom smile broadly, look far aside or purse their lips, and they turn their heads meanwhile. Here
    each expression goes to half of its range or more, is held for 0.2 to 0.6 s, and is let go. The same for the same
    seed.

    Raises:
        TypeError: ``frames`` or ``seed`` is not an integer.
        ValueError: ``frames`` below 1, or a negative seed.
    """
    frames, seed = check_integer(frames, "frames", 1), check_integer(seed, "seed", 0)
    rng = np.random.default_rng([seed, 6])
    time = np.arange(frames, dtype=np.float64)
    w = _wander(rng, time / FPS)
    named: dict[str, Track] = {
        "yaw": rng.uniform(-0.6, 0.6) + 0.08 * w(0.4),
        "pitch": rng.uniform(-0.15, 0.15) + 0.04 * w(0.3),
        "roll": rng.uniform(-0.08, 0.08) + 0.02 * w(0.3),
        "translation_x": 0.03 * w(0.2), "translation_y": 0.02 * w(0.2), "translation_z": 0.06 * w(0.15),
        "crop_scale": np.full(frames, 1 + rng.uniform(-0.04, 0.04)),
        "crop_x": np.full(frames, 3.0 * rng.normal()), "crop_y": np.full(frames, 2.0 * rng.normal()),
    }  # fmt: skip
    tracks = {name: np.zeros(frames) for names, *_ in FACES for name in names}
    often = np.array([times for *_, times in FACES], float)
    position = rng.uniform(-12, 4)
    while position < frames:
        rise, hold = rng.uniform(2, 5), rng.uniform(5, 14)
        since: Track = time - position
        shape = smoothstep(0, rise, since) * (1 - smoothstep(rise + hold, 2 * rise + hold, since))
        for choice in rng.choice(len(FACES), size=rng.integers(1, 3), replace=False, p=often / often.sum()):
            names, least, most, _ = FACES[choice]
            bound = least if least and rng.random() < 0.5 else most
            size = bound * rng.uniform(0.5, 1)
            for name in names:
                larger = np.abs(size * shape) > np.abs(tracks[name])
                tracks[name] = np.where(larger, size * shape, tracks[name])
        position += rise + hold + rng.uniform(0, 5)
    tensors = {name: torch.as_tensor(track, dtype=torch.float32) for name, track in (named | tracks).items()}
    return Coefficients.neutral(frames).replace(**tensors)
