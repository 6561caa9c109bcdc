"""The variants that are compared. Each changes one thing in its baseline and is named after the change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ...config import Recipe, RendererConfig, preset
from ...training.config import TrainingConfig, training

Windows = Literal["exact", "observed", "observed, one frame"]
OPTIMISER = ("learning_rate", "betas", "decay", "decay_at", "rate_linear", "rate_warmup", "clip", "ema", "lambdas")
# When the recipes last changed. Results hold it among their settings; those of other recipes are another experiment.
RECIPES_OF = "2026-11-29"


@dataclass(frozen=True)
class Row:
    """What a table says of one of its rows.

    Attributes:
        name: of the row.
        claim: what the paper or this project says about it, and where.
        baseline: the row that it is compared with; empty for the one that starts a comparison.
        recipe: "strict" or "extended", before the changes.
    """

    name: str
    claim: str
    baseline: str
    recipe: Recipe = "extended"


@dataclass(frozen=True)
class Variant(Row):
    """A row that can be trained and measured.

    Attributes:
        renderer, training: fields that differ, of :class:`RendererConfig` and of both phases' :class:`TrainingConfig`.
        trained_on, measured_on: exact coefficients, or those with a regressor's errors, as whole windows or one frame
            repeated.
        extended_optimiser: take learning rate, clipping, averaging and weights of the terms from the extended recipe.
    """

    renderer: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    trained_on: Windows = "exact"
    measured_on: Windows = "exact"
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


def _without(
    switches: str, claim: str, renderer: Mapping[str, Any] | None = None, training: Mapping[str, Any] | None = None
) -> Variant:
    return Variant(
        f"without {switches}", f"ours: {claim}", "extended", renderer=renderer or {}, training=training or {}
    )


_WARM = {"flow_weight": 5.0, "flow_warmup": 0.75, "coarse_flow": 1.0}
_PIXELS = {"rgb_loss": 0.1, "mask_loss": 0.15, "painted_loss": 1.0}
_NO_MATTE = {"refiner_alpha": False, "matte_residual": False}
_ALL_OBSERVED = {"observed": 0.0}  # their own windows are observed already, every one
VARIANTS: dict[str, Variant] = {
    variant.name: variant
    for variant in (
        Variant("extended", "every extension at once", ""),
        _without("pose_flow", "a turn of the whole head is computed, not learned", {"pose_flow": False}),
        Variant(
            "2D flow", "Table 2a: a 3D flow beats a 2D one", "without pose_flow",
            renderer={"pose_flow": False, "flow_dimensions": 2},
        ),
        Variant(
            "no refiner", "Table 2b: the refiner adds detail", "extended",
            renderer={"refine": False, **_NO_MATTE}, training={"alpha_loss": 0.0},
        ),
        Variant("no cyclic loss", "Table 2c: L_cw helps the flow", "extended", training={"lambda_cw": 0.0}),
        Variant(
            "no separation", "Table 3a: the background spoils the warp", "extended",
            renderer={"separate": False, "background_plate": False, **_NO_MATTE}, training={"alpha_loss": 0.0},
        ),
        Variant(
            "extended, observed windows", "the same renderer, given what the regressor reads", "extended",
            measured_on="observed",
        ),
        Variant(
            "observed windows, k = 13", "Table 3b: windows average errors out", "extended, observed windows",
            training=_ALL_OBSERVED, trained_on="observed", measured_on="observed",
        ),
        Variant(
            "observed windows, k = 0", "Table 3b: windows average errors out", "observed windows, k = 13",
            training=_ALL_OBSERVED, trained_on="observed, one frame", measured_on="observed, one frame",
        ),
        Variant(
            "without observed", "ours: who trained on observed inputs too bears them better",
            "extended, observed windows", training={"observed": 0.0}, measured_on="observed",
        ),
        _without("matte_residual", "the matte starts from the source's, warped", {"matte_residual": False}),
        _without("norm_safe", "no bright spots", {"norm_safe": False}),
        _without("background_plate", "what the person hides is painted once", {"background_plate": False}),
        _without(
            "hole_margin, hole_dilation", "holes are wider than mattes say", {"hole_margin": 0}, {"hole_dilation": 0}
        ),
        _without("relight", "another light for half of the pairs", training={"relight": 0.0}),
        _without(
            "volume_weight, depth_weight", "every voxel is taught what is true there",
            training={"volume_weight": 0.0, "depth_weight": 0.0},
        ),
        _without("residual_where_seen", "the 2D residual moves what is seen", {"residual_where_seen": False}),
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
# Rows of results without RECIPES_OF that are no variant any more, or were held against another one.
EARLIER: dict[str, Row] = {
    row.name: row
    for row in (
        Row("2D flow", "Table 2a: a 3D flow beats a 2D one", "extended"),
        Row("observed windows, k = 13", "Table 3b: windows average errors out", "extended"),
        Row("told the pose", "ours: a turn of the whole head is computed, not learned", "extended"),
        Row("warped matte", "ours: the matte starts from the source's, warped", "extended"),
        Row("told the pose, warped matte", "ours: both", "told the pose"),
    )
}


def is_of_today(result: Mapping[str, Any]) -> bool:
    """Whether a result was trained by the recipes of :data:`RECIPES_OF`."""
    return result.get("settings", {}).get("recipes of") == RECIPES_OF


def rows_of(results: Sequence[Mapping[str, Any]]) -> dict[str, Row]:
    """What to say of the rows of results of one time, by name, in the results' order; unknown ones are left out."""
    known = {**VARIANTS} if all(map(is_of_today, results)) else {**VARIANTS, **EARLIER}
    return {name: known[name] for name in dict.fromkeys(r["leg"] for r in results) if name in known}
