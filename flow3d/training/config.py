"""How a training runs: the paper's numbers (section 3.5), and our switches, all off in ``strict``."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass, field
from typing import Any, Literal

from ..config import PRESETS, Recipe, check_fields
from .losses import Lambdas

EXTENSIONS = ("flow", "rgb", "mask", "painted", "alpha")  # terms that the paper does not have


@dataclass(frozen=True)
class TrainingConfig:
    """Numbers and switches of one phase. What a switch bought is what a prototype at 64 px showed, in one run each.

    The paper:
        preset, recipe, phase: which renderer, and which of the two phases.
        steps: of this phase; the learning rate's schedule counts by it.
        batch: pictures a step and process; half of them pairs, half the same pairs the other way round.
        seed: of the first weights and of the order of the pairs.
        learning_rate, decay, decay_at: Adam's, and the factor it falls by when this share of the steps is done.
        lambdas: the weights of Eq. 9.
        features: the network the perceptual losses look through, "vgg19", "head" or "pyramid".

    The paper is silent:
        clip: largest norm of the gradient. Without it the first steps, of norms near 1,000, throw the weights far off.
        ema: decay of the averaged weights, which are those that are kept.

    Extensions:
        rate_warmup: steps over which the learning rate grows from zero.
        flow_warmup: share of phase 1 that trains nothing but the flow, on the exact one. The prototype needed 60 s for
            what took 150 s beside the photometric losses, which disturb the flow while it is still wrong.
        flow_weight: weight of the exact flow (in halves of the frame). Second only to the source's coefficients: the
            flow's error fell from 4.1 px to 2.2 px.
        flow_rest: share of that weight which is left at the end of phase 1, after a fall in a line from the warm-up's
            end, and in phase 2. With 0.2 the photometric losses pulled the flow away again: its error on unseen pairs
            rose from 13.8 % of the zero flow's to 14.6 % in 2,050 steps.
        coarse_flow: share of the exact flow's loss that looks at the flow network alone, before the residual flow.
            Without it the residual, which is 2D, learns nearly all of the motion: the flow network's own flow kept
            60 % of the zero flow's error.
        rgb_loss: weight of the source's warped pixels. They made pictures crisp: sharpness .67 instead of .56.
        mask_loss: weight of the mask between warped and painted, against what is visible in the source.
        painted_loss: weight of the painted layer alone. Hidden behind a mask near one it got a twentieth of the
            gradient, and an opened mouth stayed a red smear.
        alpha_loss: weight of the refiner's matte.
        rate_linear: after ``decay_at`` the learning rate falls in a line, to ``decay`` times less at the last step,
            instead of at once.
        cross_pairs: share of pairs whose target moves as another person does; the frames need two clips.
        hard_pairs: share of pairs that differ in one expression rather than in pose. Blinks rose from a response of
            .05 to .45 with them and the weights below.
        region_weights: weights of the eyes, which are 28 of 4,096 pixels, and brows; and of the mouth, which is 45.
        sparse_terms: the 3D warp loss and the autoencoder take turns, each on every n-th step, the cyclic loss on
            every 2n-th; 1 is every step.
        frozen_warp: share of phase 2 during which the warping stage stands still, and refiner and inpainter train at
            twice the speed.
    """

    preset: str = "tiny"
    recipe: Recipe = "strict"
    phase: Literal[1, 2] = 1
    steps: int = 20_000
    batch: int = 8
    seed: int = 0
    learning_rate: float = 1e-4
    decay: float = 5.0
    decay_at: float = 0.5
    lambdas: Lambdas = field(default_factory=Lambdas)
    features: str = "pyramid"
    clip: float = 10.0
    ema: float = 0.998
    rate_warmup: int = 0
    flow_warmup: float = 0.0
    flow_weight: float = 0.0
    flow_rest: float = 1.0
    coarse_flow: float = 0.0
    rgb_loss: float = 0.0
    mask_loss: float = 0.0
    painted_loss: float = 0.0
    alpha_loss: float = 0.0
    rate_linear: bool = False
    cross_pairs: float = 0.0
    hard_pairs: float = 0.0
    region_weights: tuple[float, float] | None = None
    sparse_terms: int = 1
    frozen_warp: float = 0.0

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            raise ValueError(f"preset: expected one of {', '.join(PRESETS)}, got {self.preset!r}")
        if self.recipe not in ("strict", "extended"):
            raise ValueError(f"recipe: expected 'strict' or 'extended', got {self.recipe!r}")
        if self.phase not in (1, 2):
            raise ValueError(f"phase: expected 1 or 2, got {self.phase!r}")
        if self.batch < 2 or self.batch % 2:
            raise ValueError(f"batch: expected an even number, for both directions of a pair, got {self.batch}")
        if self.seed < 0:
            raise ValueError(f"seed: expected 0 or more, got {self.seed}")
        for name in ("steps", "sparse_terms"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected at least 1, got {getattr(self, name)}")
        for name in ("learning_rate", "decay", "clip"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise ValueError(f"{name}: expected a positive number, got {getattr(self, name)}")
        for name in ("decay_at", "ema", "flow_warmup", "flow_rest", "cross_pairs", "hard_pairs", "frozen_warp"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name}: expected a share from 0 to 1, got {getattr(self, name)}")
        for name in ("flow_weight", "coarse_flow", "rgb_loss", "mask_loss", "painted_loss", "alpha_loss"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) >= 0):
                raise ValueError(f"{name}: expected a weight of at least 0, got {getattr(self, name)}")
        if self.flow_warmup and not self.flow_weight:
            raise ValueError("flow_weight: expected more than 0 where flow_warmup trains the flow alone, got 0")

    @property
    def warmup_steps(self) -> int:
        """Steps that train nothing but the flow."""
        return round(self.flow_warmup * self.steps) if self.phase == 1 else 0

    @property
    def frozen_steps(self) -> int:
        """Steps during which the warping stage stands still."""
        return round(self.frozen_warp * self.steps) if self.phase == 2 else 0

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        warm = min(1.0, (step + 1) / self.rate_warmup) if self.rate_warmup else 1.0
        if self.rate_linear:
            rest = (1 - self.decay_at) * self.steps
            passed = min(1.0, max(0.0, step - self.decay_at * self.steps) / rest) if rest else 0.0
            return warm * self.learning_rate * (1 - passed * (1 - 1 / self.decay))
        return warm * self.learning_rate / (self.decay if step >= self.decay_at * self.steps else 1.0)

    def extensions(self, step: int) -> dict[str, float]:
        """The weights, at this step, of the terms that the paper does not have."""
        rest = self.steps - self.warmup_steps
        passed = min(1.0, max(0, step - self.warmup_steps) / (0.6 * rest)) if rest else 0.0
        flow = self.flow_weight * (1 - (1 - self.flow_rest) * (passed if self.phase == 1 else 1.0))
        values = (flow, self.rgb_loss, self.mask_loss, self.painted_loss, self.alpha_loss)
        return dict(zip(EXTENSIONS, values, strict=True))

    def replace(self, **changes: Any) -> TrainingConfig:
        """A copy with some fields changed; ``lambda_pw`` and the others of Eq. 9 may be named as if they were fields.

        Raises:
            ValueError: there is no such field (the nearest is suggested), or its value is not allowed.
        """
        weights = {name: changes.pop(name) for name in list(changes) if hasattr(self.lambdas, name)}
        check_fields(self, changes)
        plain = dataclasses.replace(self, **changes)
        return dataclasses.replace(plain, lambdas=dataclasses.replace(plain.lambdas, **weights)) if weights else plain

    def to_json(self) -> str:
        """The configuration as JSON."""
        return json.dumps(dataclasses.asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> TrainingConfig:
        """The reverse of :meth:`to_json`."""
        content = json.loads(text)
        pair = content.pop("region_weights")
        return cls().replace(
            **content | {"lambdas": Lambdas(**content["lambdas"]), "region_weights": pair and (pair[0], pair[1])}
        )


def training(preset: str = "tiny", recipe: Recipe = "strict", phase: Literal[1, 2] = 1) -> TrainingConfig:
    """The recipe of a phase: the paper's own (strict), or the one that works on a small budget (extended).

    Raises:
        ValueError: an unknown preset, recipe or phase.
    """
    plain = TrainingConfig(preset=preset, recipe=recipe, phase=phase)
    if recipe == "strict":
        return plain
    lambdas = Lambdas(
        lambda_pw=1.0, lambda_cw=2.0, lambda_3dw=0.2, lambda_3df=1.0, lambda_inp=1.0, lambda_pr=2.0, lambda_sr=60.0
    )
    return plain.replace(
        learning_rate=1e-3, decay=25.0, decay_at=0.5, rate_linear=True, lambdas=lambdas, clip=2.0, rate_warmup=100,
        flow_warmup=0.75, flow_weight=5.0, coarse_flow=1.0, rgb_loss=0.1, mask_loss=0.15, painted_loss=1.0,
        alpha_loss=0.6, cross_pairs=0.3, hard_pairs=0.7, region_weights=(16.0, 12.0), sparse_terms=4,
        frozen_warp=0.35,
    )  # fmt: skip
