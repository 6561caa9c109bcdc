"""Separating a person from a background where the matte is not known: a well-kept algorithm, not a network."""

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from .images import check_image, to_uint8


def grabcut(
    image: Float[Tensor, "3 H W"], likely: Float[Tensor, "1 H W"] | None = None, *, iterations: int = 5
) -> Float[Tensor, "1 H W"]:
    """Return a soft matte (1,H,W) by OpenCV's GrabCut (Rother, Kolmogorov and Blake, 2004).

    Args:
        image: the picture, in [-1, 1].
        likely: where the person probably is, above 0.5; such as a fitted head's silhouette. None takes the tall
            ellipse that a talking-head crop is cut to.
        iterations: rounds of the algorithm.

    Raises:
        ValueError: an image of another shape, or ``likely`` of another size, empty or full.
    """
    check_image(image, "image")
    height, width = image.shape[1:]
    if likely is None:
        y, x = np.mgrid[0:height, 0:width]
        far = np.hypot((x / width - 0.5) / 0.36, (y / height - 0.52) / 0.46)
        guess = (far < 1) | ((y > 0.85 * height) & (np.abs(x / width - 0.5) < 0.22))
    else:
        if likely.shape != (1, height, width):
            raise ValueError(f"likely: expected shape (1, {height}, {width}), got {tuple(likely.shape)}")
        guess = likely[0].numpy() > 0.5
    if guess.all() or not guess.any():
        raise ValueError("likely: expected a person and a background, got only one of them")
    core = cv2.erode(guess.astype(np.uint8), np.ones((3, 3), np.uint8), iterations=max(1, height // 16))
    rim = cv2.dilate(guess.astype(np.uint8), np.ones((3, 3), np.uint8), iterations=max(1, height // 16))
    mask = np.where(rim == 0, cv2.GC_PR_BGD, cv2.GC_PR_FGD).astype(np.uint8)
    mask[core == 1] = cv2.GC_FGD
    mask[:2][rim[:2] == 0] = cv2.GC_BGD  # the upper edge is background wherever nobody is near
    back, front = np.zeros((1, 65)), np.zeros((1, 65))
    bgr = np.ascontiguousarray(to_uint8(image)[..., ::-1])
    cv2.setRNGSeed(0)  # its mixtures start at random: the same picture must get the same matte
    cv2.grabCut(bgr, mask, (0, 0, width, height), back, front, iterations, cv2.GC_INIT_WITH_MASK)
    person = ((mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD)).astype(np.float32)
    return torch.from_numpy(cv2.GaussianBlur(person, (0, 0), max(0.5, height / 256)))[None]
