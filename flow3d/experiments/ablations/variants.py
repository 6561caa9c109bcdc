"""The variants that are compared. Each changes one thing in its baseline and is named after the change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ...config import Recipe, RendererConfig, preset
from ...training.config import TrainingConfig, training

Windows = Literal["exact", "observed", "observed, one frame"]
OPTIMISER = ("learning_rate", "decay", "decay_at", "rate_linear", "rate_warmup", "clip", "lambdas")


@dataclass(frozen=True)
class Variant:
    """One row of the table.

    Attributes:
        name: of the row.
        claim: what the paper or this project says about it, and where.
        baseline: the variant it is compared with; empty for the two that start a comparison.
        recipe: "strict" or "extended", before the changes below.
        renderer, training: fields that differ, of :class:`RendererConfig` and of both phases' :class:`TrainingConfig`.
        windows: exact coefficients, or those with a regressor's errors, as whole windows or one frame repeated.
        extended_optimiser: take learning rate, clipping and weights of the terms from the extended recipe.
    """

    name: str
    claim: str
    baseline: str
    recipe: Recipe = "extended"
    renderer: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    windows: Windows = "exact"
    extended_optimiser: bool = False

    def renderer_config(self, size: str) -> RendererConfig:
        """Its renderer at a preset."""
        return preset(size, self.recipe).replace(**self.renderer)

    def training_config(self, size: str, phase: Literal[1, 2], steps: int, seed: int) -> TrainingConfig:
        """Its training of a phase."""
        plain = training(size, self.recipe, phase)
        if self.extended_optimiser:
            extended = training(size, "extended", phase)
            plain = plain.replace(**{name: getattr(extended, name) for name in OPTIMISER})
        return plain.replace(steps=steps, seed=seed, **self.training)


def _alone(name: str, renderer: Mapping[str, Any], **changes: Any) -> Variant:
    base = "strict, quick"
    return Variant(f"{base} + {name}", "an extension alone", base, "strict", renderer, changes, extended_optimiser=True)


_WARM = {"flow_weight": 5.0, "flow_warmup": 0.75, "coarse_flow": 1.0}
_PIXELS = {"rgb_loss": 0.1, "mask_loss": 0.15, "painted_loss": 1.0}
VARIANTS: dict[str, Variant] = {
    variant.name: variant
    for variant in (
        Variant("extended", "every extension at once", ""),
        Variant("2D flow", "Table 2a: a 3D flow beats a 2D one", "extended", renderer={"flow_dimensions": 2}),
        Variant(
            "no refiner", "Table 2b: the refiner adds detail", "extended",
            renderer={"refine": False, "refiner_alpha": False}, training={"alpha_loss": 0.0},
        ),
        Variant("no cyclic loss", "Table 2c: L_cw helps the flow", "extended", training={"lambda_cw": 0.0}),
        Variant(
            "no separation", "Table 3a: the background spoils the warp", "extended",
            renderer={"separate": False, "refiner_alpha": False}, training={"alpha_loss": 0.0},
        ),
        Variant("observed windows, k = 13", "Table 3b: windows average errors out", "extended", windows="observed"),
        Variant(
            "observed windows, k = 0", "Table 3b: windows average errors out", "observed windows, k = 13",
            windows="observed, one frame",
        ),
        Variant(
            "told the pose", "ours: a turn of the whole head is computed, not learned", "extended",
            renderer={"pose_flow": True},
        ),
        Variant(
            "warped matte", "ours: the matte starts from the source's, warped", "extended",
            renderer={"matte_residual": True},
        ),
        Variant(
            "told the pose, warped matte", "ours: both", "told the pose",
            renderer={"pose_flow": True, "matte_residual": True},
        ),
        Variant("strict", "the paper as it is written", "extended", "strict"),
        Variant(
            "strict, quick", "the paper's networks and losses, our optimiser", "strict", "strict",
            extended_optimiser=True,
        ),
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
