"""What is compared: each leg differs from the one it is held against in what its name says, and in nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ...config import Recipe, RendererConfig, preset
from ...training.config import TrainingConfig, training

Windows = Literal["exact", "observed", "observed, one frame"]
OPTIMISER = ("learning_rate", "decay", "decay_at", "rate_linear", "rate_warmup", "clip", "lambdas")


@dataclass(frozen=True)
class Leg:
    """One row of the table.

    Attributes:
        name: of the row.
        claim: where the paper, or this project, says what it is good for.
        against: the leg it is compared with; empty for the two that start a comparison.
        recipe: "strict" or "extended", before the changes below.
        renderer, training: fields that differ, of :class:`RendererConfig` and of both phases' :class:`TrainingConfig`.
        windows: exact coefficients, or those that the regressor would see, as whole windows or one frame repeated.
        quick: learning rate, clipping and weights of the terms are those of the extended recipe.
    """

    name: str
    claim: str
    against: str
    recipe: Recipe = "extended"
    renderer: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    windows: Windows = "exact"
    quick: bool = False

    def described(self, size: str) -> RendererConfig:
        """The renderer at a preset."""
        return preset(size, self.recipe).replace(**self.renderer)

    def trained(self, size: str, phase: Literal[1, 2], steps: int, seed: int) -> TrainingConfig:
        """How a phase is trained."""
        plain = training(size, self.recipe, phase)
        if self.quick:
            extended = training(size, "extended", phase)
            plain = plain.replace(**{name: getattr(extended, name) for name in OPTIMISER})
        return plain.replace(steps=steps, seed=seed, **self.training)


def _alone(name: str, renderer: Mapping[str, Any], **changes: Any) -> Leg:
    base = "strict, quick"
    return Leg(f"{base} + {name}", "an extension alone", base, "strict", renderer, changes, quick=True)


_WARM = {"flow_weight": 5.0, "flow_warmup": 0.75, "coarse_flow": 1.0}
_PIXELS = {"rgb_loss": 0.1, "mask_loss": 0.15, "painted_loss": 1.0}
LEGS: dict[str, Leg] = {
    leg.name: leg
    for leg in (
        Leg("extended", "every extension at once", ""),
        Leg("2D flow", "Table 2a: a 3D flow beats a 2D one", "extended", renderer={"flow_dimensions": 2}),
        Leg(
            "no refiner", "Table 2b: the refiner adds detail", "extended",
            renderer={"refine": False, "refiner_alpha": False}, training={"alpha_loss": 0.0},
        ),
        Leg("no cyclic loss", "Table 2c: L_cw helps the flow", "extended", training={"lambda_cw": 0.0}),
        Leg(
            "no separation", "Table 3a: the background spoils the warp", "extended",
            renderer={"separate": False, "refiner_alpha": False}, training={"alpha_loss": 0.0},
        ),
        Leg("observed windows, k = 13", "Table 3b: windows average errors out", "extended", windows="observed"),
        Leg(
            "observed windows, k = 0", "Table 3b: windows average errors out", "observed windows, k = 13",
            windows="observed, one frame",
        ),
        Leg(
            "told the pose", "ours: a turn of the whole head is computed, not learned", "extended",
            renderer={"pose_flow": True},
        ),
        Leg(
            "warped matte", "ours: the matte starts from the source's, warped", "extended",
            renderer={"matte_residual": True},
        ),
        Leg(
            "told the pose, warped matte", "ours: both", "told the pose",
            renderer={"pose_flow": True, "matte_residual": True},
        ),
        Leg("strict", "the paper as it is written", "extended", "strict"),
        Leg("strict, quick", "the paper's networks and losses, our optimiser", "strict", "strict", quick=True),
        _alone("source coefficients", {"source_coefficients": True}),
        _alone("exact flow", {}, **_WARM),
        _alone("warped pixels", {"rgb_warp": True}, **_PIXELS),
        _alone("residual flow", {"rgb_warp": True, "residual_flow": True}, **_PIXELS),
        _alone("matte of its own", {"refiner_alpha": True}, alpha_loss=0.6),
        _alone("pasted background", {"hole_mask": True, "paste_known_background": True, "paste_person": True}),
        _alone("filled hole", {"hole_mask": True, "hole_fill": True}),
        _alone("hard pairs", {}, hard_pairs=0.7),
        _alone("region weights", {}, region_weights=(16.0, 12.0)),
    )
}  # fmt: skip
