"""Training (section 3.5 of the paper): losses and the features they look through."""

from .losses import (
    Lambdas,
    LossTerms,
    check_finite,
    cyclic_warp,
    loss_3df,
    loss_3dw,
    loss_cw,
    loss_inp,
    loss_pr,
    loss_pw,
    loss_sr,
    loss_total,
)
from .perceptual import Features, Perceptual, Pyramid, PyramidFeatures, VGG19Features, gram, region_distance

__all__ = [
    "Features", "Lambdas", "LossTerms", "Perceptual", "Pyramid", "PyramidFeatures", "VGG19Features", "check_finite",
    "cyclic_warp", "gram", "loss_3df", "loss_3dw", "loss_cw", "loss_inp", "loss_pr", "loss_pw", "loss_sr", "loss_total",
    "region_distance",
]  # fmt: skip
