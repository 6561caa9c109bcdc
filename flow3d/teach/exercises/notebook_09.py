"""Exercises of notebook 09: relative motion, the error of a flow, and the output's response to an edit."""

import torch
from torch import Tensor

from flow3d.evaluation.scores.metrics import end_point_error, response
from flow3d.morphable.transfer import SCALE, relative_windows
from flow3d.sizes import COEFFICIENT_COUNT, RADIUS, WINDOW
from flow3d.teach.exercises.exercise import Exercise


def _windows(frames: int, seed: int) -> Tensor:
    """Windows of a smooth motion whose crop scales lie around 1."""
    generator = torch.Generator().manual_seed(seed)
    motion = torch.randn(frames + 2 * RADIUS, COEFFICIENT_COUNT, generator=generator).cumsum(0) * 0.05
    motion[:, SCALE] = 1.2 + 0.1 * torch.rand(frames + 2 * RADIUS, generator=generator)
    return motion.unfold(0, WINDOW, 1).clone()


def _moved(frames: int, seed: int) -> tuple[Tensor, Tensor]:
    return _windows(frames, seed), _windows(1, seed + 1)[0]


def _still(windows: Tensor, source: Tensor) -> Tensor:
    return windows.clone()


def _scale_added(windows: Tensor, source: Tensor) -> Tensor:
    return windows + (source[:, RADIUS] - windows[0, :, RADIUS])[:, None]


def _ratio(windows: Tensor, moved: Tensor, source: Tensor) -> Tensor:
    moved = moved.clone()
    moved[:, SCALE] = windows[:, SCALE] * (source[SCALE, RADIUS] / windows[0, SCALE, RADIUS])
    return moved


def _first_column(windows: Tensor, source: Tensor) -> Tensor:
    moved = windows + (source[:, 0] - windows[0, :, 0])[:, None]
    moved[:, SCALE] = windows[:, SCALE] * (source[SCALE, 0] / windows[0, SCALE, 0])
    return moved


def _every_frame_its_own_start(windows: Tensor, source: Tensor) -> Tensor:
    return _ratio(windows, windows + (source[:, RADIUS] - windows[..., RADIUS])[..., None], source)


def _reversed(windows: Tensor, source: Tensor) -> Tensor:
    return _ratio(windows, windows - (source[:, RADIUS] - windows[0, :, RADIUS])[:, None], source)


def _flows(seed: int, whole: bool = False) -> tuple[Tensor, Tensor, Tensor]:
    """A flow, the truth with a depth of its own, and which pixels count."""
    generator = torch.Generator().manual_seed(seed)
    flow, truth = (3 * torch.randn(3, 6, 7, generator=generator) for _ in range(2))
    where = torch.rand(6, 7, generator=generator) > 0.4
    return flow, truth, torch.ones_like(where) if whole else where


def _changes(seed: int, strength: float) -> tuple[Tensor, Tensor, Tensor]:
    """A change that follows the true one at some strength, plus noise; the true one; and which pixels count."""
    generator = torch.Generator().manual_seed(seed)
    truth, other = (torch.randn(3, 6, 7, generator=generator) for _ in range(2))
    return strength * truth + 0.3 * other, truth, torch.rand(6, 7, generator=generator) > 0.3


def _sums(a: Tensor, b: Tensor, where: Tensor) -> tuple[float, float, float]:
    a, b = a[:, where], b[:, where]
    return float((a * a).sum()), float((b * b).sum()), float((a * b).sum())


def _lengths(a: Tensor, b: Tensor, where: Tensor, power: int = 1) -> tuple[float, float]:
    first, second = ((v[:2, where].norm(dim=0) ** power).sum() for v in (a - b, b))
    return float(first), float(second)


EXERCISES = [
    Exercise(
        name="relative_windows",
        reference=relative_windows,
        cases={
            "five frames": lambda: _moved(5, 1),
            "one frame: the source's own middle": lambda: _moved(1, 7),
        },
        mistakes={
            "absolute motion: the source's pose is not used": _still,
            "the crop's scale added like the others": _scale_added,
            "the window's first column taken for its middle": _first_column,
            "every frame less itself: nothing moves": _every_frame_its_own_start,
            "source and driver swapped in the difference": _reversed,
        },
        hint="windows + (source - first)[:, None], both at column 13; then set row SCALE: it multiplies",
    ),
    Exercise(
        name="end_point_error",
        reference=end_point_error,
        cases={
            "some pixels": lambda: _flows(3),
            "the whole frame": lambda: _flows(4, whole=True),
        },
        mistakes={
            "dz counted": lambda a, b, where: tuple(
                float(v[:, where].norm(dim=0).sum()) for v in (a - b, b)
            ),
            "|dx| + |dy| instead of the length": lambda a, b, where: tuple(
                float(v[:2, where].abs().sum()) for v in (a - b, b)
            ),
            "squares of the lengths": lambda a, b, where: _lengths(a, b, where, 2),
            "means instead of sums": lambda a, b, where: tuple(v / int(where.sum()) for v in _lengths(a, b, where)),
            "pixels outside the mask counted": lambda a, b, where: _lengths(a, b, torch.ones_like(where)),
            "the estimate's length instead of the truth's": lambda a, b, where: _lengths(b, a, where),
        },
        hint="v[:2, where].norm(dim=0).sum() for the difference and for the truth",
    ),
    Exercise(
        name="edit_response",
        reference=response,
        cases={
            "half as strong": lambda: _changes(5, 0.5),
            "the wrong way round": lambda: _changes(6, -0.8),
        },
        mistakes={
            "the whole frame, whatever the mask": lambda a, b, where: _sums(a, b, torch.ones_like(where)),
            "means instead of sums": lambda a, b, where: tuple(
                v / (3 * int(where.sum())) for v in _sums(a, b, where)
            ),
            "lengths instead of their squares": lambda a, b, where: (
                *(v**0.5 for v in _sums(a, b, where)[:2]), _sums(a, b, where)[2],
            ),
            "the product's size, which forgets the direction": lambda a, b, where: (
                *_sums(a, b, where)[:2], float((a * b)[:, where].abs().sum()),
            ),
        },
        hint="a, b = change[:, where], truth[:, where]; three sums of products",
    ),
]  # fmt: skip
