"""Measures one pair: a row of numbers for the method and for its baselines."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ...datasets import Pair
from ...morphable import PARTS
from ..scores.metrics import affine_flow, bent_error, blur, end_point_error, gradient, psnr, warp_image
from .method import Method, Reenacted, on_background

SIGMAS = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)  # pixels at 64; reports show the best of these blurred copies
FACE = ("skin", "ear", "eyes", "mouth", "brows")
UNSEEN = 0.5 / 255  # a matte below this is 0 in 8 bits: the silhouette ends there
FEWEST = 8  # pixels; a smaller region is not measured

Row = dict[str, float]
Pairs = Mapping[int, Pair]  # by seed
Region = Bool[Tensor, "S S"]


def regions(pair: Pair) -> dict[str, Region]:
    """The regions of a pair: "union" of both silhouettes; the target's "face", and its "features", eyes and mouth;
    "seen", the part of the person that both frames show; "behind", where both frames truly show background; and of
    the target, the "ears" and the whole "person"."""
    source, target = pair.source_alpha[0], pair.target_alpha[0]
    return {
        "union": (source > 0) | (target > 0),
        "face": labelled(pair.labels, FACE),
        "features": labelled(pair.labels, ("eyes", "mouth")),
        "seen": pair.seen,
        "behind": (source <= 0) & (target <= 0),
        "ears": labelled(pair.labels, ("ear",)),
        "person": target > 0.5,
    }


def labelled(labels: Tensor, names: tuple[str, ...]) -> Region:
    """Pixels (S,S) of ``labels`` (1,S,S) that show one of the named parts."""
    return torch.isin(labels[0], torch.tensor([PARTS[name] for name in names]))


def baselines(pair: Pair) -> dict[str, Float[Tensor, "3 S S"]]:
    """Pictures made without a network: the source, blurred copies of it, and its warps by affine map and exact flow.

    Both warps use the true matte and the true background, so that all their error is the warp's.
    """
    affine = affine_flow(pair.flow, regions(pair)["seen"])
    warps = {"least-squares affine": affine, "exact-flow warp": pair.flow}
    pictures = {"copy": pair.source} | {f"blur {sigma:g}": blur(pair.source, sigma) for sigma in SIGMAS}
    for name, flow in warps.items():
        warped = warp_image(pair.source, flow)
        pictures[name] = pair.target_alpha * warped + (1 - pair.target_alpha) * pair.background
    return pictures


def reenact_pair(method: Method, pair: Pair, window: Float[Tensor, "73 27"] | None = None) -> Reenacted:
    """One frame of a pair's source, driven by the pair's window or by another."""
    driving = pair.driving_window if window is None else window
    return method(pair.source, pair.source_alpha, pair.source_window, driving[None])


def measure_pairs(method: Method, pairs: Pairs, more: Callable[[Pair, Reenacted], Row] | None = None) -> dict[int, Row]:
    """The row of every pair, by seed; ``more`` adds numbers to it."""
    rows = {}
    for seed, pair in pairs.items():
        reenacted = reenact_pair(method, pair)
        rows[seed] = measure_pair(pair, reenacted) | (more(pair, reenacted) if more else {})
    return rows


def measure_pair(pair: Pair, reenacted: Reenacted) -> Row:
    """All numbers of a pair; ``reenacted`` holds one frame. Numbers that method or pair lack are NaN."""
    output = reenacted.output[0]
    pictures = {"output": output}
    pictures |= {n: on_background(layer[0], a[0], pair.background) for n, (layer, a) in reenacted.layers.items()}
    areas = regions(pair)
    row = {"yaw": pair.yaw_difference, **picture_row(pictures | baselines(pair), pair.target, areas)}
    row |= flow_row(reenacted.flow, pair, areas)
    sharp = {"output": output, "copy": pair.source, "truth": pair.target, "blurred truth": blur(pair.target, 1)}
    row |= {f"gradient {name}": gradient(picture, areas["face"]) for name, picture in sharp.items()}
    row |= {f"ears {name}": psnr_of(picture, pair.target, areas["ears"]) for name, picture in sharp.items()}
    row["brightest"] = float(((output - pair.target) / 2).amin(0)[areas["person"]].amax())
    return row | background_row(reenacted, pair, areas["behind"])


def picture_row(
    pictures: Mapping[str, Float[Tensor, "3 S S"]], truth: Float[Tensor, "3 S S"], areas: Mapping[str, Region]
) -> Row:
    """PSNR of every picture, on the union of the silhouettes and on the target's eyes and mouth."""
    row = {f"psnr {name}": psnr(picture, truth, areas["union"]) for name, picture in pictures.items()}
    for name, picture in pictures.items():
        row[f"features {name}"] = psnr_of(picture, truth, areas["features"])
    return row


def psnr_of(picture: Float[Tensor, "3 S S"], truth: Float[Tensor, "3 S S"], where: Region) -> float:
    """PSNR on a region; NaN where it has fewer than ``FEWEST`` pixels."""
    return psnr(picture, truth, where) if int(where.sum()) >= FEWEST else float("nan")


def flow_row(flow: Float[Tensor, "B 2 S S"] | None, pair: Pair, areas: Mapping[str, Region]) -> Row:
    """Sums of end-point errors on the visible person, and on its eyes and mouth; ``zero`` is the zero flow's."""
    names = [f"{what} {whose}" for what in ("flow", "local", "bent") for whose in ("error", "zero")]
    seen, features = areas["seen"], areas["seen"] & areas["features"]
    row = {name: float("nan") for name in (*names, "flow affine", "local affine", "flow pixels", "bent pixels")}
    if flow is None:
        return row
    full = torch.cat([flow[0], torch.zeros_like(flow[0, :1])])
    affine = affine_flow(pair.flow, seen)
    row["flow error"], row["flow zero"] = end_point_error(full, pair.flow, seen)
    row["flow affine"], row["flow pixels"] = end_point_error(affine, pair.flow, seen)[0], float(seen.sum())
    if int(features.sum()) >= FEWEST:
        row["local error"], row["local zero"] = end_point_error(full, pair.flow, features)
        row["local affine"] = end_point_error(affine, pair.flow, features)[0]
        row["bent error"], row["bent zero"] = bent_error(full, pair.flow, seen, features)
        row["bent pixels"] = float(features.sum())
    return row


def background_row(reenacted: Reenacted, pair: Pair, behind: Region) -> Row:
    """How far the background is from the source's, in units of the whole range (1/255 is one step of 8 bits).

    ``worst`` is the largest difference outside the source's silhouette and the method's own. ``kept`` is the share of
    the true background that lies there, ``leak`` the mean difference over all of the true background.
    """
    row = {f"{what}{how}": float("nan") for what in ("worst", "leak") for how in ("", " unpasted")}
    row["kept"] = float("nan")
    if reenacted.alpha is None:
        return row
    outside = (pair.source_alpha[0] <= 0) & (reenacted.alpha[0, 0] <= UNSEEN)
    row["kept"] = float((outside & behind).sum() / behind.sum().clamp_min(1))
    for how, pictures in {"": reenacted.output, " unpasted": reenacted.unpasted}.items():
        if pictures is not None:
            difference = (pictures[0] - pair.source).abs().amax(0) / 2
            row["worst" + how] = float(difference[outside].max()) if bool(outside.any()) else float("nan")
            row["leak" + how] = float(difference[behind].mean()) if bool(behind.any()) else float("nan")
    return row
