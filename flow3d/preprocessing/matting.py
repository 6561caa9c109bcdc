"""A matte where none is known: a picture (3,H,W) -> a soft matte (1,H,W), by a network or by GrabCut (section 3.1)."""

from functools import cache

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from ..checks import check_picture
from ..morphable import Coefficients, Person
from ..opencv import ONE_THREAD
from ..perception.face.crops import planes_of, resized
from ..perception.networks import network
from .images import to_uint8

SEGMENTATION = "matte/selfie_segmentation.tflite"
SEGMENTED = 256  # pixels of what that network sees


def segment(image: Float[Tensor, "3 H W"]) -> Float[Tensor, "1 H W"]:
    """How much of each pixel is a person, from 0 to 1: MediaPipe's selfie segmentation, run by OpenCV.

    It was trained on people who are near the camera. The network sees the picture stretched to a square of 256 px, so
    the matte is no finer than that.

    Args:
        image: the picture in [-1, 1], of any size; on any device.

    Raises:
        TypeError: not a tensor of floating-point numbers.
        ValueError: another shape, no pixels, NaN, or numbers outside of [-1, 1].
        FileNotFoundError: the network is missing; the message says how to take one in.
    """
    check_picture(image, "image")
    planes = planes_of(image)
    with ONE_THREAD:
        (matte,) = network(SEGMENTATION)((resized(planes, (SEGMENTED, SEGMENTED))[None] + 1) / 2)
        return torch.from_numpy(resized(matte[None], (planes.shape[2], planes.shape[1]))).clamp(0, 1)


def grabcut(
    image: Float[Tensor, "3 H W"], likely: Float[Tensor, "1 H W"] | None = None, *, iterations: int = 5
) -> Float[Tensor, "1 H W"]:
    """Return a soft matte (1,H,W) by OpenCV's GrabCut (Rother, Kolmogorov and Blake, 2004).

    Args:
        image: the picture, in [-1, 1].
        likely: where the person is, above 0.5, to within a twenty-fourth of the height; such as a fitted head's
            silhouette. The edge is sought in that band only: walls share colours with people, and without it textured
            walls were taken for skin. None seeks in the whole picture, from the tall ellipse of a talking-head crop.
        iterations: rounds of the algorithm.

    Raises:
        ValueError: an image of another shape, or ``likely`` of another size, empty or full.
    """
    return _matte(to_uint8(image), likely, iterations)


def _matte(rgb: UInt8[np.ndarray, "H W 3"], likely: Tensor | None, iterations: int = 5) -> Float[Tensor, "1 H W"]:
    """:func:`grabcut` of a picture that is checked already."""
    height, width = rgb.shape[:2]
    if likely is None:
        y, x = np.mgrid[0:height, 0:width]
        far = np.hypot((x / width - 0.5) / 0.36, (y / height - 0.52) / 0.46)
        guess = (far < 1) | ((y > 0.85 * height) & (np.abs(x / width - 0.5) < 0.22))
    else:
        if likely.shape != (1, height, width):
            raise ValueError(f"likely: expected shape (1, {height}, {width}), got {tuple(likely.shape)}")
        guess = likely[0].cpu().numpy() > 0.5
    if guess.all() or not guess.any():
        raise ValueError("likely: expected a person and a background, got only one of them")
    reach = max(1, height // (16 if likely is None else 24))
    core = cv2.erode(guess.astype(np.uint8), np.ones((3, 3), np.uint8), iterations=reach)
    rim = cv2.dilate(guess.astype(np.uint8), np.ones((3, 3), np.uint8), iterations=reach)
    if likely is None:
        mask = np.where(rim == 0, cv2.GC_PR_BGD, cv2.GC_PR_FGD).astype(np.uint8)
        mask[:2][rim[:2] == 0] = cv2.GC_BGD  # the upper edge is background wherever nobody is near
    else:
        mask = np.where(rim == 0, cv2.GC_BGD, np.where(guess, cv2.GC_PR_FGD, cv2.GC_PR_BGD)).astype(np.uint8)
    mask[core == 1] = cv2.GC_FGD
    back, front = np.zeros((1, 65)), np.zeros((1, 65))
    bgr = np.ascontiguousarray(rgb[..., ::-1])
    cv2.setRNGSeed(0)  # its mixtures start at random: the same picture must get the same matte
    cv2.grabCut(bgr, mask, (0, 0, width, height), back, front, iterations, cv2.GC_INIT_WITH_MASK)
    person = ((mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD)).astype(np.float32)
    return torch.from_numpy(cv2.GaussianBlur(person, (0, 0), max(0.5, height / 256)))[None]


@cache
def _mean_person() -> Person:
    return Person()


def seeded_grabcut(image: Float[Tensor, "3 S S"], window: Float[Tensor, "73 27"]) -> Float[Tensor, "1 S S"]:
    """:func:`grabcut`, seeded by the mean head in the pose of the window's middle frame; square pictures.

    If that head lies outside the frame, there is no seed.

    Raises:
        ValueError: an image of another shape.
    """
    rgb = to_uint8(image)
    pose = Coefficients(window[:, window.shape[1] // 2][None].cpu())
    outline = _mean_person().render(pose, image.shape[-1]).alpha
    inside = outline > 0.5
    return _matte(rgb, outline if bool(inside.any()) and not bool(inside.all()) else None)
