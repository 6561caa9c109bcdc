"""Notebook 06's helpers: pairs whose background is known, OpenCV's fills, and a flow extended into the background."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ...datasets.pairs import CLIP_FRAMES
from ...evaluation.measure.pair_rows import FEWEST
from ...evaluation.scores.metrics import psnr
from ...morphable import Person, exact_flow, talking_head
from ...preprocessing.images import from_uint8, to_uint8
from ...synthesis import cut_out, hole_of, project
from ...synthesis.projection import FILL

Image = Float[Tensor, "3 S S"]
Matte = Float[Tensor, "1 S S"]
Images = Float[Tensor, "B 3 S S"]
Mattes = Float[Tensor, "B 1 S S"]
Windows = Float[Tensor, "B 73 27"]
Where = Bool[Tensor, "B S S"]
FLAGS = {"telea": cv2.INPAINT_TELEA, "ns": cv2.INPAINT_NS}
RADIUS = 3  # pixels: how far OpenCV looks around a pixel that it fills
TOUCHED = 0.25 / 255  # mattes below a quarter of a grey step together change a picture by less than one
MAGENTA = torch.tensor([0.8, -0.6, 0.6])[:, None, None]


@dataclass(frozen=True, eq=False)
class Scenes:
    """B pairs as phase 1 trains the inpainter on them (Fig. 5): the true new person over the source's background.

    Images are (B,3,S,S) in [-1, 1], mattes (B,1,S,S) in [0, 1].

    Attributes:
        source, target: whole pictures of one person; ``target`` is the true answer.
        background: the true background behind the person.
        foreground, alpha: the target's person on black, and matte.
        source_alpha: the source's matte.
        source_window, window: raw coefficients around source and target.
        flow: exact, backward, from target to source, in pixels; zero beside the target's person.
    """

    source: Images
    target: Images
    background: Images
    foreground: Images
    alpha: Mattes
    source_alpha: Mattes
    source_window: Windows
    window: Windows
    flow: Images

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, chosen: slice | list[int] | Tensor) -> Scenes:
        """Some of the pairs."""
        return Scenes(*(getattr(self, field.name)[chosen] for field in fields(self)))

    @property
    def composite(self) -> Images:
        """The new person over the source's background, blank in the hole."""
        return project(self.foreground, self.alpha, self.source, self.source_alpha)

    @property
    def hole(self) -> Mattes:
        """1 where background must be invented."""
        return hole_of(self.source_alpha, self.alpha)

    @property
    def known(self) -> Mattes:
        """1 where the source shows the background and the new person does not cover it."""
        return (1 - self.source_alpha) * (1 - self.alpha)

    @property
    def untouched(self) -> Where:
        """True where neither person changes the picture by a grey step."""
        return outside(self.source_alpha, self.alpha)


def outside(*mattes: Mattes) -> Where:
    """True where no matte changes a picture by a grey step."""
    return torch.cat(mattes, 1).amax(1) < TOUCHED


def scene(person: Person, windows: tuple[Tensor, Tensor], size: int = 64) -> Scenes:
    """One pair: a person at the middle of two windows (73, 27), source and target."""
    source, target = (person.render(window[:, window.shape[1] // 2], size) for window in windows)
    black = cut_out(target.foreground[None], target.alpha[None])[0]
    pictures = (source.image, target.image, person.background(size), black, target.alpha, source.alpha)
    return Scenes(*(tensor[None] for tensor in (*pictures, *windows, exact_flow(target, source)[0])))


def scenes(seeds: Iterable[int], targets: int = 4, size: int = 64) -> Scenes:
    """Render ``targets`` pairs of each seed's person, with one source frame and that person's own motion.

    Args:
        seeds: below 1,000,000 for training, from there on for published numbers.
        targets: frames beside the source, anywhere in the clip.
        size: side of the pictures in pixels.

    Raises:
        ValueError: no seeds, or no targets.
    """
    pairs: list[Scenes] = []
    for seed in seeds:
        person, windows = Person.random(seed), talking_head(CLIP_FRAMES, seed).windows()
        first, *others = np.random.default_rng([seed, 6]).permutation(CLIP_FRAMES)[: targets + 1].tolist()
        pairs += [scene(person, (windows[first], windows[other]), size) for other in others]
    if not pairs:
        raise ValueError(f"seeds, targets: expected at least one of each, got {targets} targets and no pair")
    return Scenes(*(torch.cat([getattr(pair, field.name) for pair in pairs]) for field in fields(Scenes)))


def fill(image: Image, where: Matte, method: str = "ns") -> Image:
    """Let ``cv2.inpaint`` fill every pixel that ``where`` touches: Telea (2004) or Navier-Stokes (Bertalmio, 2001).

    Raises:
        ValueError: an unknown method.
    """
    if method not in FLAGS:
        raise ValueError(f"method: expected one of {', '.join(FLAGS)}, got {method!r}")
    mask = (where[0] > TOUCHED).numpy().astype(np.uint8)
    return from_uint8(cv2.inpaint(to_uint8(image), mask, RADIUS, FLAGS[method]))


def over_plate(data: Scenes, method: str = "ns", matte: Tensor | None = None) -> Images:
    """Fill the whole area of the source's person (its matte, or ``matte``), then lay the new person over it."""
    mattes = data.source_alpha if matte is None else matte
    plate = torch.stack([fill(image, alpha, method) for image, alpha in zip(data.source, mattes, strict=True)])
    return data.foreground + (1 - data.alpha) * (plate - FILL)


def over_composite(data: Scenes, method: str = "ns") -> Images:
    """Fill the hole of the composite: the new person is among the hole's neighbours."""
    return torch.stack([fill(image, hole, method) for image, hole in zip(data.composite, data.hole, strict=True)])


def over_mean(data: Scenes) -> Images:
    """Fill the hole with the mean colour of the background that the source shows."""
    known = 1 - data.source_alpha
    colour = (data.source * known).sum((2, 3), keepdim=True) / known.sum((2, 3), keepdim=True).clamp_min(1e-6)
    return data.composite + data.hole * (colour - FILL)


def region_psnr(pictures: Images, truths: Images, where: Where) -> Float[Tensor, " B"]:
    """Peak signal-to-noise ratio of each pair in dB over ``where``; NaN where that holds fewer than 8 pixels."""
    triples = zip(pictures, truths, where, strict=True)
    return torch.tensor([psnr(*one) if int(one[2].sum()) >= FEWEST else float("nan") for one in triples])


def grey_steps(pictures: Images, truths: Images, where: Where) -> Float[Tensor, " B"]:
    """The largest difference of each pair over ``where``, in grey steps of 1/255."""
    return ((pictures - truths).abs().amax(1) * where).amax((1, 2)) * 127.5


def mark(image: Image, where: Matte) -> Image:
    """Paint ``where`` magenta."""
    return where * MAGENTA + (1 - where) * image


def extend_flow(flow: Image, alpha: Matte, reach: float) -> Image:
    """Carry the person's flow on into the background, where it fades over ``reach`` pixels.

    Each background pixel takes the flow of the nearest pixel of the person, times ``exp(-(distance / reach)^2)``. A
    reach of 0 stops at the silhouette; a long one also moves the person's surroundings, as a smooth flow does.

    Raises:
        ValueError: a negative reach, or nobody in the picture.
    """
    inside = alpha[0] > 0.5
    if reach < 0 or not inside.any():
        raise ValueError(f"reach: expected at least 0 and a person, got {reach} and {int(inside.sum())} pixels")
    beside = (~inside).numpy().astype(np.uint8)
    distance, label = cv2.distanceTransformWithLabels(
        beside, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    number = torch.from_numpy(label).long()  # which pixel of the person is nearest
    owner = torch.zeros(int(number.max()) + 1, dtype=torch.long)
    owner[number[inside]] = torch.arange(inside.numel()).view_as(inside)[inside]
    nearest = flow.flatten(1)[:, owner[number].flatten()].view_as(flow)
    fade = torch.exp(-((torch.from_numpy(distance) / max(reach, 1e-3)) ** 2))
    return torch.where(inside, flow, nearest * fade)
