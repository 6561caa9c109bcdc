"""The paper's losses, Eq. 2 to 9 (section 3.5), each a function named after its symbol.

All are means, never sums, so that the lambdas fit every preset. Images are (B,3,H,W) in [-1, 1]; a loss that compares
features also takes the pyramid of an image in its place (:meth:`Perceptual.pyramid`).
"""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..fields import Configuration, Weight
from .perceptual import Images, Perceptual

Scalar = Float[Tensor, ""]
PERCEPTUAL = ("pw", "3df", "inp", "pr", "sr")  # the terms that compare features of a network


def loss_pw(w: Images, t: Images, judge: Perceptual) -> Scalar:
    """Eq. 2: perceptual distance of the warped foreground ``w`` to the target's foreground ``t``."""
    return judge.distance(w, t)


def loss_cw(i_bw: Float[Tensor, "B 3 H W"], i: Float[Tensor, "B 3 H W"]) -> Scalar:
    """Eq. 3, the cyclic warp loss: mean absolute difference of the picture of :func:`cyclic_warp` and the source."""
    return _difference(i_bw, i, "i_bw", "i").abs().mean()


def cyclic_warp(
    stage: Callable[[Tensor, Tensor], Tensor],
    w: Float[Tensor, "B 3 H W"],
    z_s: Float[Tensor, "B Z"],
    *,
    cyclic_detach: bool = False,
) -> Float[Tensor, "B 3 H W"]:
    """I_bw of Fig. 3: the warped picture ``w`` sent through the same 3D warping stage, back to the source's motion.

    Args:
        stage: picture (B,3,H,W) and motion vector (B,Z) -> warped picture: encoder, flow, warp and decoder.
        w: the source as the stage warped it. ``z_s``: the source's motion vector.
        cyclic_detach: let no gradient reach the first flow through ``w``. The paper (section 3.5) does not say. The
            default is False, because True trains the way back alone, on pictures that the network made itself.
    """
    return stage(w.detach() if cyclic_detach else w, z_s)


def loss_3dw(
    f_w: Float[Tensor, "B C D H W"], t_if: Float[Tensor, "B C D H W"], *, target_detach: bool = False
) -> Scalar:
    """Eq. 4: mean squared error of the warped feature volume ``f_w`` to that of the target's foreground, ``t_if``.

    ``target_detach`` stops the gradient to ``t_if``: else the encoder may lower the loss by blurring its features. The
    paper (section 3.5) does not say. The default takes the formula literally.
    """
    return _difference(f_w, t_if.detach() if target_detach else t_if, "f_w", "t_if").square().mean()


def loss_3df(i_o: Images, i: Images, judge: Perceptual) -> Scalar:
    """Eq. 5: perceptual distance of ``i_o``, the source encoded and decoded without a warp, to the source ``i``."""
    return judge.distance(i_o, i)


def loss_inp(o: Images, t: Images, judge: Perceptual) -> Scalar:
    """Eq. 6: perceptual distance of the inpainted frame ``o`` to the whole target ``t``, background included."""
    return judge.distance(o, t)


def loss_pr(r: Images, t: Images, judge: Perceptual) -> Scalar:
    """Eq. 7: perceptual distance of the refined foreground ``r`` to the target's foreground ``t``."""
    return judge.distance(r, t)


def loss_sr(r: Images, t: Images, judge: Perceptual) -> Scalar:
    """Eq. 8: style distance (Gram matrices) of the refined foreground ``r`` to the target's foreground ``t``."""
    return judge.style(r, t)


@dataclass(frozen=True)
class Lambdas(Configuration):
    """The weights of Eq. 9; the defaults are the paper's.

    Raises:
        ValueError: a negative weight, or one that is no finite number.
    """

    lambda_pw: Weight = 2.5
    lambda_cw: Weight = 2.5
    lambda_3dw: Weight = 100.0
    lambda_3df: Weight = 100.0
    lambda_inp: Weight = 2.5
    lambda_pr: Weight = 4.0
    lambda_sr: Weight = 1000.0

    def by_term(self) -> dict[str, float]:
        """The weights by the names of the terms: "pw", "cw", "3dw", "3df", "inp", "pr" and "sr"."""
        return {name.removeprefix("lambda_"): value for name, value in dataclasses.asdict(self).items()}


@dataclass(frozen=True, eq=False)
class LossTerms:
    """One step's losses: ``raw`` as the equations give them, ``weighted`` by their lambdas, and the ``total``.

    ``judge`` names the feature network of the perceptual terms, None where there are none.
    """

    raw: dict[str, Scalar]
    weighted: dict[str, Scalar]
    total: Scalar
    judge: str | None

    def numbers(self) -> dict[str, float]:
        """Plain numbers for a log: "raw/pw", "weighted/pw", ..., "total"."""
        named = {f"{kind}/{k}": v for kind in ("raw", "weighted") for k, v in getattr(self, kind).items()}
        named["total"] = self.total
        return dict(zip(named, torch.stack(list(named.values())).tolist(), strict=True))


def loss_total(
    raw: Mapping[str, Scalar],
    lambdas: Lambdas | None = None,
    *,
    judge: Perceptual | str | None = None,
    extensions: Mapping[str, float] | None = None,
) -> LossTerms:
    """Eq. 9: the weighted sum, in float32, of the terms that this phase of the training has.

    Args:
        raw: the terms by name, unweighted; see :meth:`Lambdas.by_term`.
        lambdas: their weights; None means the paper's.
        judge: the feature network, or its name, of the perceptual terms.
        extensions: weights of further terms in ``raw`` that the paper does not have, such as ``{"alpha": 1.0}``.

    Raises:
        ValueError: no term, a term without a weight, an extension named as one of the paper's terms, or perceptual
            terms without a ``judge``.
    """
    weights, extra = (lambdas or Lambdas()).by_term(), dict(extensions or {})
    if clash := weights.keys() & extra.keys():
        raise ValueError(f"extensions: {', '.join(sorted(clash))} belongs to the paper; change its lambda instead")
    weights |= extra
    if not raw:
        raise ValueError("raw: expected at least one term")
    for name in raw:
        if name not in weights:
            near = difflib.get_close_matches(name, list(weights), n=1, cutoff=0.0)[0]
            raise ValueError(f"raw: no weight for the term {name!r}; the nearest is {near!r}")
    if judge is None and (unnamed := [name for name in raw if name in PERCEPTUAL]):
        raise ValueError(f"judge: expected the feature network of {', '.join(unnamed)}")
    terms = {name: value.float() for name, value in raw.items()}
    weighted = {name: weights[name] * value for name, value in terms.items()}
    total = torch.stack(list(weighted.values())).sum()
    return LossTerms(terms, weighted, total, judge.name if isinstance(judge, Perceptual) else judge)


def check_finite(terms: LossTerms | Mapping[str, Scalar]) -> None:
    """Stop a training before a bad loss reaches the weights.

    Raises:
        FloatingPointError: a term, or the total, is NaN or infinite; the message names each with its value.
    """
    raw = {**terms.raw, "total": terms.total} if isinstance(terms, LossTerms) else dict(terms)
    values = torch.stack([value.detach().float() for value in raw.values()]).tolist() if raw else []
    bad = [f"{name} = {value}" for name, value in zip(raw, values, strict=True) if not math.isfinite(value)]
    if bad:
        raise FloatingPointError(f"loss: expected finite terms, got {', '.join(bad)}")


def _difference(value: Tensor, expected: Tensor, name: str, expected_name: str) -> Tensor:
    if value.shape != expected.shape:
        wanted = f"the shape of {expected_name}, {tuple(expected.shape)}"
        raise ValueError(f"{name}: expected {wanted}, got {tuple(value.shape)}")
    return value.float() - expected.float()
