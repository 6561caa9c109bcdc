"""Scores of pictures and flows, as functions of tensors; each has a hand-computed test."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from flow3d_kernels import warp3d

from ...preprocessing.images import decibels
from .arguments import check_embeddings, check_pictures, check_region


def warp_image(image: Float[Tensor, "C H W"], flow: Float[Tensor, "3 H W"]) -> Float[Tensor, "C H W"]:
    """Sample ``image`` at ``p + flow(p)``: an image is a volume of one slice, and dz is left out.

    Convention:
        ``flow`` is backward, in pixels, channels (dx, dy, dz): +x right, +y down. Outside, the edge is repeated. Zero
        flow returns the image.
    """
    plane = torch.cat([flow[:2], torch.zeros_like(flow[:1])])
    return warp3d(image[None, :, None], plane[None, :, None])[0, :, 0]


def affine_flow(flow: Float[Tensor, "3 H W"], where: Bool[Tensor, "H W"]) -> Float[Tensor, "3 H W"]:
    """The least-squares affine map of ``flow`` (dx, dy) over the pixels ``where``, as a flow of the whole frame.

    Raises:
        ValueError: fewer than three pixels, which do not fix a map.
    """
    if int(where.sum()) < 3:
        raise ValueError(f"where: expected at least 3 pixels, got {int(where.sum())}")
    y, x = torch.meshgrid(*(torch.arange(n, dtype=torch.float64) for n in flow.shape[-2:]), indexing="ij")
    basis = torch.stack([x, y, torch.ones_like(x)], -1)  # (H, W, 3)
    chosen = flow[:2, where].T.double()
    solution = torch.linalg.lstsq(basis[where], chosen).solution  # (3, 2)
    fitted = (basis @ solution).permute(2, 0, 1).to(flow.dtype)
    return torch.cat([fitted, torch.zeros_like(flow[:1])])


def psnr(a: Float[Tensor, "3 H W"], b: Float[Tensor, "3 H W"], where: Bool[Tensor, "H W"] | None = None) -> float:
    """Peak signal-to-noise ratio in dB over the pixels ``where``, or over the whole frame; pictures in [-1, 1].

    It is :func:`~flow3d.preprocessing.images.decibels` of the mean square error (MSE).

    Raises:
        TypeError: no floating-point pictures, or a region that holds no truth values.
        ValueError: shapes or devices that do not fit, no pixel, NaN, or numbers outside of [-1, 1].
    """
    check_pictures(a, b)
    exact = torch.promote_types(torch.promote_types(a.dtype, b.dtype), torch.float32)  # float16 cannot hold the squares
    difference = a.detach().to(exact) - b.detach().to(exact)
    if where is not None:
        check_region(where, a)
        difference = difference[:, where]
    return float(decibels((difference**2).mean()))


def ssim(a: Float[Tensor, "3 H W"], b: Float[Tensor, "3 H W"]) -> float:
    """Structural similarity of whole frames (Wang et al., 2004), by scikit-image; the mean over pixels and channels.

    Pictures in [-1, 1] are first moved to [0, 1], where the data range is 1: the score's luminance term depends on
    where black lies. A Gaussian window of 11 x 11, sigma 1.5, K of .01 and .03; scikit-image's own default is another
    window. The five outermost pixels cannot be the middle of a window and are left out.

    Raises:
        TypeError: no floating-point pictures.
        ValueError: two different shapes or devices, less than 11 px, NaN, or numbers outside of [-1, 1].
    """
    from skimage.metrics import structural_similarity

    check_pictures(a, b)
    if min(a.shape[1:]) < 11:
        raise ValueError(f"a: expected pictures of at least 11 px, got {tuple(a.shape)}")
    first, second = ((picture.detach().cpu().double().numpy() + 1) / 2 for picture in (a, b))
    similarity = structural_similarity(
        first, second, channel_axis=0, data_range=1.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    return float(similarity)


def csim(a: Float[Tensor, "N F"], b: Float[Tensor, "N F"]) -> list[float]:
    """CSIM of N pairs: <a, b> / |a||b| of their embeddings, from -1 to 1. A score's label names the embedding.

    Raises:
        TypeError: no floating-point tensors.
        ValueError: shapes or devices that do not fit, no pair, NaN, or a vector of length zero.
    """
    check_embeddings(a, b)
    return functional.cosine_similarity(a.double(), b.double(), dim=1).tolist()


def blur(image: Float[Tensor, "C H W"], sigma: float) -> Float[Tensor, "C H W"]:
    """Gaussian blur, ``sigma`` in pixels, cut off at four sigma; the frame's edge is repeated.

    Raises:
        ValueError: ``sigma`` is not positive.
    """
    if not sigma > 0:
        raise ValueError(f"sigma: expected a positive number of pixels, got {sigma}")
    reach = math.ceil(4 * sigma)
    line = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, dtype=image.dtype) / sigma) ** 2)
    line = line / line.sum()
    wide = functional.pad(image[:, None], (reach,) * 4, mode="replicate")
    return functional.conv2d(functional.conv2d(wide, line[None, None, :, None]), line[None, None, None])[:, 0]


def gradient(image: Float[Tensor, "3 H W"], where: Bool[Tensor, "H W"]) -> float:
    """Mean length of the gradient (dx, dy) in [-1, 1] units a pixel, over the channels.

    Forward differences at the pixels of ``where`` whose right and lower neighbours are in it too, so that the edge of
    the region does not count. 0.0 where there is no such pixel.
    """
    inside = where[:-1, :-1] & where[:-1, 1:] & where[1:, :-1]
    dx, dy = image[:, :-1, 1:] - image[:, :-1, :-1], image[:, 1:, :-1] - image[:, :-1, :-1]
    lengths = (dx**2 + dy**2).sqrt()[:, inside]
    return float(lengths.mean()) if lengths.numel() else 0.0


def end_point_error(
    flow: Float[Tensor, "_ H W"], truth: Float[Tensor, "_ H W"], where: Bool[Tensor, "H W"]
) -> tuple[float, float]:
    """Sums over ``where`` of the distance to the true flow and of the true flow's length, in pixels.

    The second is the zero flow's error. Sums rather than means, so that the pixels of many pairs can be pooled. Flows
    are (dx, dy) or (dx, dy, dz); dz is left out.
    """
    lengths = [v[:, where].norm(dim=0).double().sum() for v in (flow[:2] - truth[:2], truth[:2])]
    return float(lengths[0]), float(lengths[1])


def mean_end_point_error(
    flows: Float[Tensor, "B _ H W"], truths: Float[Tensor, "B _ H W"], where: Bool[Tensor, "B H W"]
) -> float:
    """Mean distance to the true flow in pixels, over the pixels ``where`` of all B pairs together.

    Raises:
        ValueError: ``where`` holds no pixel.
    """
    if not bool(where.any()):
        raise ValueError("where: expected at least one pixel, got none")
    sums = [end_point_error(*pair)[0] for pair in zip(flows, truths, where, strict=True)]
    return sum(sums) / int(where.sum())


def bent_error(
    flow: Float[Tensor, "3 H W"],
    truth: Float[Tensor, "3 H W"],
    seen: Bool[Tensor, "H W"],
    where: Bool[Tensor, "H W"],
) -> tuple[float, float]:
    """:func:`end_point_error` over ``where`` of what no affine map of the pixels ``seen`` explains.

    Each flow loses its own best affine map over ``seen``, the true one and the estimated one: expression and depth
    remain, pose is gone. Fitting is linear, so this equals subtracting the best affine map from the error. The zero
    flow, and any affine flow, err by exactly the rest of the truth.
    """
    error, rest = flow - truth, truth - affine_flow(truth, seen)
    error = error - affine_flow(error, seen)
    return end_point_error(error + rest, rest, where)


def response(
    change: Float[Tensor, "3 H W"], truth: Float[Tensor, "3 H W"], where: Bool[Tensor, "H W"]
) -> tuple[float, float, float]:
    """Sums over ``where`` of change², truth² and change times truth. They can be pooled; see measure/edits.py."""
    a, b = change[:, where].double(), truth[:, where].double()
    return float((a * a).sum()), float((b * b).sum()), float((a * b).sum())
