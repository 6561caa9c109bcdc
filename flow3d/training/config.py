"""How a training runs: the paper's numbers (section 3.5), and our switches, all off in ``strict``."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Annotated, Literal

from ..config import Preset, Recipe
from ..field_kinds import Range
from ..fields import Batch, Configuration, Count, Positive, Seed, Share, Weight, Whole
from .loop import warmed_up
from .losses import Lambdas

Beta = Annotated[float, Range(0, 1 - 1e-9, noun="share")]
EXTENSIONS = ("flow", "volume", "depth", "rgb", "mask", "painted", "alpha")  # terms that the paper does not have


@dataclass(frozen=True)
class TrainingConfig(Configuration):
    """Numbers and switches of one phase; a gain quoted beside a switch comes from one run of a 64 px prototype.

    ``lambda_pw`` and the other weights of Eq. 9 may be set as if they were fields.

    Raises:
        ValueError: a value that does not fit its field, or fields that do not fit each other.
    """

    # The paper (section 3.5)
    preset: Preset = "tiny"
    recipe: Recipe = "strict"
    phase: Literal[1, 2] = 1
    steps: Count = 20_000  # of this phase; the learning rate's schedule spans them
    batch: Batch = 8  # pictures per step and process: half are pairs, half the same pairs the other way round
    seed: Seed = 0  # of the first weights and of the order of the pairs
    learning_rate: Positive = 1e-4  # Adam's
    decay: Positive = 5.0  # the learning rate is divided by it ...
    decay_at: Share = 0.5  # ... after this share of the steps
    lambdas: Lambdas = field(default_factory=Lambdas)  # the weights of Eq. 9
    features: Literal["vgg19", "head", "pyramid"] = "pyramid"  # the network of the perceptual losses

    # The paper is silent: its formulas literally, and PyTorch's defaults
    betas: tuple[Beta, Beta] = (0.9, 0.999)  # Adam's
    cyclic_detach: bool = False  # Eq. 3: True stops the gradient at the warped picture, so only the way back is trained
    # Eq. 4: True stops the gradient to the target's features; else the encoder may lower the loss by blurring them.
    target_detach: bool = False

    # Extensions: how the steps are spent
    rate_warmup: Whole = 0  # steps over which the learning rate grows from zero
    # Largest norm of the gradient, None for any. The first steps reach 1,000 and may spoil the weights.
    clip: Positive | None = None
    ema: Share = 0.0  # decay of the averaged weights, which are the ones to use; 0 uses the last ones
    rate_linear: bool = False  # after ``decay_at`` the learning rate falls linearly, to 1 / ``decay`` at the end
    # Share of phase 1 that trains the flow alone, against the exact flow. 60 s of it did as much as 150 s together with
    # the photometric losses, which disturb a flow that is still wrong.
    flow_warmup: Share = 0.0
    # The 3D warp loss and the autoencoder take turns, each on every n-th step, the cyclic loss on every 2n-th.
    sparse_terms: Count = 1
    frozen_warp: Share = 0.0  # share of phase 2 in which the warping stage is frozen; the rest trains twice as fast

    # Extensions: losses
    # Weight of the distance to the exact flow, in halves of the frame. It lowered the flow's error from 4.1 px to
    # 2.2 px; only ``source_coefficients`` gained more.
    flow_weight: Weight = 0.0
    # Share of that weight, and of the two of the volume, at the end of phase 1, after a linear fall from the warm-up's
    # end, and in phase 2. At 0.2 the photometric losses pulled the flow away: its error on unseen pairs rose from
    # 13.8 % to 14.6 % of the zero flow's in 2,050 steps.
    flow_rest: Share = 1.0
    # Weight, in the exact flow's loss, of the flow before the residual. Without it the residual, which is 2D, learns
    # most of the motion: the flow network's own flow kept 60 % of the zero flow's error.
    coarse_flow: Weight = 0.0
    # Of every voxel's distance to what is true at that voxel, dz included. Without it nothing makes a 3D flow
    # three-dimensional: slices differed by 7 % of the flow where a true turn has 117 %.
    volume_weight: Weight = 0.0
    depth_weight: Weight = 0.0  # of the weights over depth, against the slices that hold the visible surface
    rgb_loss: Weight = 0.0  # of the source's warped pixels; sharpness rose from .56 to .67
    mask_loss: Weight = 0.0  # of the mask between warped and painted, against what the source shows
    # Of the painted layer alone. Behind a mask near one it got a twentieth of the gradient, and an opened mouth stayed
    # a red smear.
    painted_loss: Weight = 0.0
    alpha_loss: Weight = 0.0  # of the refiner's matte

    # Extensions: pairs and regions
    cross_pairs: Share = 0.0  # share of pairs whose target moves as another person does; the cache needs two clips
    # Share of pairs that differ in one expression instead of in pose. With them and the weights below, the response to
    # a blink rose from .05 to .45.
    hard_pairs: Share = 0.0
    # Another light for half of the pairs, the same in both frames: the most that a gain falls below 1.
    relight: Share = 0.0
    # Share of pairs whose windows have the shipped regressor's errors, and whose source matte is as badly cut as a
    # user's is. Exact ones alone made a renderer that lost 2.4 dB to observed ones.
    observed: Share = 0.0
    hole_dilation: Whole = 0  # the hole grows by 0 to this many pixels, in turn from step to step
    # Weights of eyes (28 of 4,096 pixels) and brows, and of the mouth (45 pixels).
    region_weights: tuple[Weight, Weight] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.batch % 2:
            raise ValueError(f"batch: expected an even number, for both directions of a pair, got {self.batch}")
        if self.flow_warmup and not self.flow_weight:
            raise ValueError("flow_weight: expected more than 0 where flow_warmup trains the flow alone, got 0")

    @property
    def largest_norm(self) -> float:
        """``clip``, infinite where nothing is clipped."""
        return math.inf if self.clip is None else self.clip

    @property
    def warmup_steps(self) -> int:
        """Steps that train nothing but the flow."""
        return round(self.flow_warmup * self.steps) if self.phase == 1 else 0

    @property
    def frozen_steps(self) -> int:
        """Steps during which the warping stage is frozen."""
        return round(self.frozen_warp * self.steps) if self.phase == 2 else 0

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        warm = warmed_up(step, self.rate_warmup)
        if self.rate_linear:
            rest = (1 - self.decay_at) * self.steps
            passed = min(1.0, max(0.0, step - self.decay_at * self.steps) / rest) if rest else 0.0
            return warm * self.learning_rate * (1 - passed * (1 - 1 / self.decay))
        return warm * self.learning_rate / (self.decay if step >= self.decay_at * self.steps else 1.0)

    def extensions(self, step: int) -> dict[str, float]:
        """The weights, at this step, of the terms that the paper does not have."""
        left = self.steps - self.warmup_steps
        passed = min(1.0, max(0, step - self.warmup_steps) / (0.6 * left)) if left else 0.0
        kept = 1 - (1 - self.flow_rest) * (passed if self.phase == 1 else 1.0)
        exact = (kept * weight for weight in (self.flow_weight, self.volume_weight, self.depth_weight))
        values = (*exact, self.rgb_loss, self.mask_loss, self.painted_loss, self.alpha_loss)
        return dict(zip(EXTENSIONS, values, strict=True))


def training(preset: str = "tiny", recipe: Recipe = "strict", phase: Literal[1, 2] = 1) -> TrainingConfig:
    """The recipe of a phase: the paper's own (strict), or the one that works on a small budget (extended).

    Raises:
        ValueError: an unknown preset, recipe or phase.
    """
    plain = TrainingConfig().replace(preset=preset, recipe=recipe, phase=phase)
    if recipe == "strict":
        return plain
    lambdas = Lambdas(
        lambda_pw=1.0, lambda_cw=2.0, lambda_3dw=0.2, lambda_3df=1.0, lambda_inp=1.0, lambda_pr=2.0, lambda_sr=60.0
    )
    return plain.replace(
        learning_rate=1e-3, decay=25.0, decay_at=0.5, rate_linear=True, lambdas=lambdas, clip=2.0, rate_warmup=100,
        ema=0.998, target_detach=True,
        flow_warmup=0.75, flow_weight=5.0, coarse_flow=1.0, rgb_loss=0.1, mask_loss=0.15, painted_loss=1.0,
        alpha_loss=0.6, cross_pairs=0.3, hard_pairs=0.7, region_weights=(16.0, 12.0), sparse_terms=4,
        frozen_warp=0.35, volume_weight=3.0, depth_weight=0.05, relight=0.4, observed=0.3, hole_dilation=3,
    )  # fmt: skip
