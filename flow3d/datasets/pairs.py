"""Source, driving frame and true answer: two frames of one clip, for one person or two, with exact flow."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..checks import Whole, check_integer, check_size
from ..morphable import Coefficients, Person, exact_flow, random_alpha, talking_head
from ..morphable.coefficients import POSE
from ..morphable.volume_flow import Surfaces, VolumeTruth, rays_of, surface_flow, volume_truth
from ..sizes import RADIUS

Moment = tuple[Coefficients, int]  # a clip's coefficients and the number of a frame

CLIP_FRAMES = 160  # 6.4 s, long enough for the head to turn away and back
APART = 12  # frames: half a second
BLOCK = 1_000_000  # seeds: the first block trains, the next is published, and a pair stays within its block
DRIVER_STEP = 500_009


@dataclass(frozen=True, eq=False)
class Pair:
    """A source, what drives it, and the true answer. Images (3,H,W) in [-1, 1], masks (1,H,W) in [0, 1], CPU.

    Attributes:
        source: the source person on their background.
        target: the true answer: the same person, background and light with the driving coefficients.
        driving: the frame that drives; it equals ``target`` unless the pair is a cross pair.
        source_alpha, target_alpha: soft mattes.
        background: the source's background, complete.
        source_window, driving_window: (73, 27) raw, exact coefficients around the two frames.
        flow: (3,H,W) pixels, backward, from target to source; see :func:`flow3d.morphable.exact_flow`.
        visible: where a point is seen in both target and source.
        labels: (1,H,W) parts of the target, integers of ``flow3d.morphable.PARTS``.
        yaw_difference: degrees between source and target.
        surfaces: every surface along the rays of the target's volume, with its exact displacement.
        source_foreground, source_depth: colours of the source's person and the depth of each pixel, head half-heights.
    """

    source: Float[Tensor, "3 H W"]
    target: Float[Tensor, "3 H W"]
    driving: Float[Tensor, "3 H W"]
    source_alpha: Float[Tensor, "1 H W"]
    target_alpha: Float[Tensor, "1 H W"]
    background: Float[Tensor, "3 H W"]
    source_window: Float[Tensor, "73 27"]
    driving_window: Float[Tensor, "73 27"]
    flow: Float[Tensor, "3 H W"]
    visible: Float[Tensor, "1 H W"]
    labels: Int[Tensor, "1 H W"]
    yaw_difference: float
    surfaces: Surfaces
    source_foreground: Float[Tensor, "3 H W"]
    source_depth: Float[Tensor, "1 H W"]

    def volume_truth(self, depths: Float[Tensor, " D"]) -> VolumeTruth:
        """What is true at every voxel of the target's volume; see :func:`flow3d.morphable.volume_flow.volume_truth`."""
        source, target = (window[POSE, RADIUS][None] for window in (self.source_window, self.driving_window))
        return volume_truth(self.surfaces, source, target, depths)

    @property
    def seen(self) -> Bool[Tensor, "H W"]:
        """Pixels of the target's person that the source shows too, see :func:`seen_person`."""
        return seen_person(self.visible, self.target_alpha)


def seen_person(visible: Float[Tensor, "*B 1 H W"], target_alpha: Float[Tensor, "*B 1 H W"]) -> Bool[Tensor, "*B H W"]:
    """Pixels of the target's person that the source shows too: only there can a flow be right or wrong."""
    return ((visible > 0.5) & (target_alpha > 0.5)).squeeze(-3)


@lru_cache(maxsize=8)
def person_of(seed: int) -> Person:
    """The person of a seed; the last few are kept, since pairs of a seed share one."""
    return Person.random(seed)


def identity_of(seed: int) -> Float[Tensor, " 80"]:
    """The identity coefficients of :meth:`Person.random`, without building the person."""
    return random_alpha(np.random.default_rng([seed, 1]))


def driver_of(seed: int) -> int:
    """The seed of the person who drives the cross pair of ``seed``: another one of the same block."""
    return seed // BLOCK * BLOCK + (seed + DRIVER_STEP) % BLOCK


def two_frames(seed: int, yaw: Float[Tensor, " N"]) -> tuple[int, int]:
    """The numbers of the source's and the driving frame, in clips of N frames whose source has this ``yaw``.

    Three draws of frames at least ``APART`` apart are made, and the one with the middle change of yaw is taken: in most
    pairs the head turns, seldom not at all and seldom from ear to ear.
    """
    rng = np.random.default_rng([seed, 3])
    first = rng.integers(len(yaw), size=3)
    second = (first + rng.integers(APART, len(yaw) - APART + 1, size=3)) % len(yaw)
    middle = int((yaw[first] - yaw[second]).abs().argsort()[1])
    return int(first[middle]), int(second[middle])


def make_pair(seed: Whole, size: int = 64, cross: bool = False) -> Pair:
    """Return the pair of a seed; the same bytes for the same seed.

    In self-ID source and target are two frames of one clip of one person. In cross-ID the driving frame shows another
    person, and ``target`` is the true answer, which no video has: the source person with the driver's coefficients.

    Args:
        seed: the person, the clip and the two frames. Below 1,000,000 to train, below 2,000,000 to publish.
        size: side of the images in pixels, a power of two from 16 to 2048.
        cross: let another person drive.

    Raises:
        TypeError: ``seed`` or ``size`` is not an integer, or ``cross`` is not True or False.
        ValueError: a negative seed, or another size.
    """
    seed, size = check_integer(seed, "seed", 0), check_size(size)
    if not isinstance(cross, bool):
        raise TypeError(f"cross: expected True or False, got {cross!r}")
    person, motion = person_of(seed), talking_head(CLIP_FRAMES, seed)
    moves = talking_head(CLIP_FRAMES, driver_of(seed)) if cross else motion
    first, second = two_frames(seed, motion["yaw"])
    driver = person_of(driver_of(seed)) if cross else person
    return pair_of(person, (motion, first), driver, (moves, second), size)


def make_expression_pair(seed: Whole, size: int = 64) -> Pair:
    """The self-ID pair of a seed with the source's pose in both frames: only the expression differs.

    Raises:
        TypeError, ValueError: see :func:`make_pair`.
    """
    seed, size = check_integer(seed, "seed", 0), check_size(size)
    person, motion = person_of(seed), talking_head(CLIP_FRAMES, seed)
    first, second = two_frames(seed, motion["yaw"])
    still = motion.values.clone()
    still[:, POSE] = still[first, POSE]
    held = Coefficients(still)
    return pair_of(person, (held, first), person, (held, second), size)


def pair_of(person: Person, start: Moment, driver: Person, end: Moment, size: int) -> Pair:
    """The pair of a person at one moment and a driver at another; ``driver`` may be the person.

    Args:
        person: the source; the true answer shows them too.
        start, end: of the source and of what drives it: a clip's coefficients, and the number of a frame.
        driver: who is seen in the driving frame.
        size: side of the images in pixels.
    """
    (motion, first), (moves, second) = start, end
    source = person.render(motion.frame(first), size)
    target = person.render(moves.frame(second), size)
    driving = target if driver is person else driver.render(moves.frame(second), size)
    flow, visible = exact_flow(target, source)
    yaw = torch.rad2deg((moves["yaw"][second] - motion["yaw"][first]).abs())
    return Pair(
        source=source.image,
        target=target.image,
        driving=driving.image,
        source_alpha=source.alpha,
        target_alpha=target.alpha,
        background=person.background(size).clone(),
        source_window=motion.windows()[first],
        driving_window=moves.windows()[second],
        flow=flow,
        visible=visible,
        labels=target.labels,
        yaw_difference=float(yaw),
        surfaces=surface_flow(rays_of(target), source.placed[None], size),
        source_foreground=source.foreground,
        source_depth=source.depth,
    )
