"""Training (section 3.5 of the paper): losses and the features they look through."""

from .checkpoint import Checkpoint, read_checkpoint
from .config import TrainingConfig, training
from .frames import hold_on_card
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
from .perceptual import (
    Features,
    HeadFeatures,
    Perceptual,
    Pyramid,
    PyramidFeatures,
    VGG19Features,
    gram,
    region_distance,
)
from .trainer import Trainer

__all__ = [
    "Checkpoint", "Features", "HeadFeatures", "Lambdas", "LossTerms", "Perceptual", "Pyramid", "PyramidFeatures",
    "Trainer", "TrainingConfig", "VGG19Features", "check_finite", "cyclic_warp", "gram", "hold_on_card", "loss_3df",
    "loss_3dw", "loss_cw", "loss_inp", "loss_pr", "loss_pw", "loss_sr", "loss_total", "read_checkpoint",
    "region_distance", "training",
]  # fmt: skip
