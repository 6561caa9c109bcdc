"""What a renderer is made of: four presets of one dataclass, and the switches between the paper and our extensions."""

from __future__ import annotations

import dataclasses
import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Recipe = Literal["strict", "extended"]
POSE = 9  # the last coefficients: rotation, translation, crop


def check_fields(config: Any, changes: Mapping[str, Any]) -> None:
    """Raise ValueError for a name that is no field of the dataclass ``config``, suggesting the nearest."""
    known = [f.name for f in dataclasses.fields(config)]
    for name in changes:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]
            raise ValueError(f"{name}: expected a field of {type(config).__name__}; the nearest is {near!r}")


def read_fields(text: str) -> dict[str, Any]:
    """The fields of a configuration from JSON; lists become tuples.

    Raises:
        ValueError: not JSON, or no object.
    """
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"text: expected JSON, got {error}") from error
    if not isinstance(content, Mapping):
        raise ValueError(f"text: expected an object, got {type(content).__name__}")
    return {name: tuple(value) if isinstance(value, list) else value for name, value in content.items()}


@dataclass(frozen=True)
class RendererConfig:
    """Sizes and switches of all networks. ``strict`` is the paper's literal reading; the rest is ours and named so.

    Sizes:
        size: side of the image in pixels.
        motion: length of the motion vector z. ``adain_hidden``: width of the layer between z and scale and bias.
        flow_stem, flow_downs: channels and halvings of the flow network's 2D stem.
        flow_volume: channels and depth into which the stem's output is reshaped (section 6.1).
        flow_stages: channels of the 3D encoder's stages, each of which halves depth, height and width.
        encoder_stem, encoder_downs, encoder_channels: the feature encoder's; its depth is the flow volume's.
        decoder_width, decoder_blocks, decoder_ups: the feature decoder's width, residual blocks and doublings.
        unet: channels of the levels of both TransUNets.

    Switches (the paper's section where the choice arises):
        encoder_strides: height and width strides of the three ConvDown3D (6.1 keeps only depth fixed).
        flow_dimensions: 3, or 2 for the ablation of Tab. 2a.
        separate: the person is cut out before the warp (3.1, 3.4); False warps the whole picture (Tab. 3a).
        refine: the third stage exists; False hands on the decoded warp (Tab. 2b).
        adain_style: "channel" has one scale and bias per channel, "depth" one per channel and slice (3.2: "3D scale
            and bias").
        adain_in: where the TransUNet is modulated: "decoder" (6.1), "encoder" (3.3) or "both".
        refiner_alpha: the refiner predicts a matte beside the colours (the paper runs a matting network on them).
        hole_mask: the inpainter is told where the hole is (3.4 gives it the image alone).
        hole_fill: the inpainter starts from a smooth fill of the hole instead of from black: its normalisation forgets
            what colour the wall has, and without the fill a violet one grew a green hole (absent).
        paste_known_background: background that the source shows is kept as it is (absent from the paper).
        paste_person: the projected person is kept as well, so that the inpainter paints nothing but the hole; without
            it the person is painted a second time, and blurred (absent).
        source_coefficients: the flow network knows the source's motion too (absent).
        rgb_warp: the depth-collapsed flow also warps the source's pixels, and a mask chooses between these and what
            the refiner paints (absent).
        residual_flow: a second, finer 2D flow from the warped picture (absent).
        refine_residual: the refiner changes the decoded warp instead of painting it anew (absent).
        matte_residual: the refiner's matte starts from the source's, warped, instead of from the same grey everywhere,
            which for hundreds of steps left a dark rim beside a turned head (absent). No shipped weights have it.
        pose_flow: the flow of a head that turns and moves as a whole is computed from both poses; the flow network sees
            the source turned by it and adds what is left. The motion vector then ends in the pose (absent). No shipped
            weights have it.
    """

    name: str = "tiny"
    recipe: Recipe = "strict"
    size: int = 64
    motion: int = 64
    adain_hidden: int = 32
    flow_stem: int = 16
    flow_downs: int = 1
    flow_volume: tuple[int, int] = (16, 4)
    flow_stages: tuple[int, ...] = (24, 48, 96)
    encoder_stem: int = 16
    encoder_downs: int = 0
    encoder_channels: int = 8
    decoder_width: int = 48
    decoder_blocks: int = 3
    decoder_ups: int = 1
    unet: tuple[int, ...] = (16, 32, 48, 64)
    encoder_strides: tuple[int, int, int] = (2, 1, 1)
    flow_dimensions: Literal[2, 3] = 3
    separate: bool = True
    refine: bool = True
    adain_style: Literal["channel", "depth"] = "depth"
    adain_in: Literal["decoder", "encoder", "both"] = "decoder"
    refiner_alpha: bool = False
    hole_mask: bool = False
    hole_fill: bool = False
    paste_known_background: bool = False
    paste_person: bool = False
    source_coefficients: bool = False
    rgb_warp: bool = False
    residual_flow: bool = False
    refine_residual: bool = False
    matte_residual: bool = False
    pose_flow: bool = False

    def __post_init__(self) -> None:
        sides = (self.size >> self.flow_downs, self.size >> self.encoder_downs)
        strides = 1
        for stride in self.encoder_strides:
            strides *= stride
        feature_side = sides[1] // strides
        if self.size < 16 or self.size & (self.size - 1):
            raise ValueError(f"size: expected a power of two of at least 16, got {self.size}")
        if feature_side != sides[0]:
            raise ValueError(
                f"encoder_strides: expected a feature volume as wide as the flow, {sides[0]}, got {feature_side}"
            )
        if feature_side << self.decoder_ups != self.size:
            raise ValueError(
                f"decoder_ups: expected {feature_side} doubled to {self.size}, got {self.decoder_ups} doublings"
            )
        if sides[0] >> len(self.flow_stages) < 2:
            raise ValueError(
                f"flow_stages: expected more than one voxel at the bottom, got {len(self.flow_stages)} stages"
            )
        for name in ("separate", "refine"):
            if self.refiner_alpha and not getattr(self, name):
                raise ValueError(f"refiner_alpha: expected False where {name} is, got True")
        if self.hole_fill and not self.hole_mask:
            raise ValueError("hole_mask: expected True where hole_fill is, got False")
        if self.matte_residual and not (self.refiner_alpha and self.rgb_warp):
            raise ValueError("matte_residual: expected False without refiner_alpha and rgb_warp, got True")
        if self.pose_flow and not (self.source_coefficients and self.flow_dimensions == 3):
            raise ValueError("pose_flow: expected False without source_coefficients and a 3D flow, got True")
        if self.size >> (len(self.unet) - 1) < 2:
            raise ValueError(f"unet: expected at least 2 px at the last level, got {len(self.unet)} levels")

    @property
    def code(self) -> int:
        """Length of the motion vector that modulates the networks."""
        return self.motion + POSE * self.pose_flow

    @property
    def volume(self) -> tuple[int, int, int]:
        """Depth, height and width of the feature volume and of the flow."""
        side = self.size >> self.flow_downs
        return (self.flow_volume[1], side, side)

    def replace(self, **changes: Any) -> RendererConfig:
        """A copy with some fields changed.

        Raises:
            ValueError: there is no such field; the nearest is suggested.
        """
        check_fields(self, changes)
        return dataclasses.replace(self, **changes)

    def to_json(self) -> str:
        """The configuration as JSON."""
        return json.dumps(dataclasses.asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> RendererConfig:
        """The reverse of :meth:`to_json`.

        Raises:
            ValueError: not JSON, or an unknown field.
        """
        return cls().replace(**read_fields(text))


_SIZES: dict[str, dict[str, Any]] = {
    "micro": dict(
        size=32, motion=16, adain_hidden=16, flow_stem=8, flow_downs=1, flow_volume=(4, 4), flow_stages=(8, 16),
        encoder_stem=8, encoder_downs=0, encoder_channels=4, decoder_width=16, decoder_blocks=1, decoder_ups=1,
        unet=(8, 16, 16),
    ),
    "tiny": {},
    "small": dict(
        size=128, motion=96, adain_hidden=48, flow_stem=16, flow_downs=2, flow_volume=(16, 8),
        flow_stages=(32, 48, 64), encoder_stem=16, encoder_downs=1, encoder_channels=16, decoder_width=80,
        decoder_blocks=3, decoder_ups=2, unet=(16, 32, 64, 96),
    ),
    "paper": dict(
        size=256, motion=256, adain_hidden=128, flow_stem=32, flow_downs=2, flow_volume=(32, 16),
        flow_stages=(64, 128, 256, 256), encoder_stem=64, encoder_downs=1, encoder_channels=32, decoder_width=256,
        decoder_blocks=6, decoder_ups=2, unet=(64, 128, 256, 512, 512),
    ),
}  # fmt: skip
_EXTENDED = dict(
    adain_style="channel", refiner_alpha=True, hole_mask=True, hole_fill=True, paste_known_background=True,
    paste_person=True, source_coefficients=True, rgb_warp=True, residual_flow=True, refine_residual=True,
)  # fmt: skip
PRESETS = tuple(_SIZES)


def preset(name: str, recipe: Recipe = "strict") -> RendererConfig:
    """Return a preset: "micro" (32 px), "tiny" (64), "small" (128) or "paper" (256), strict or extended.

    Raises:
        ValueError: an unknown preset or recipe.
    """
    if name not in _SIZES:
        raise ValueError(f"name: expected one of {', '.join(PRESETS)}, got {name!r}")
    if recipe not in ("strict", "extended"):
        raise ValueError(f"recipe: expected 'strict' or 'extended', got {recipe!r}")
    switches = _EXTENDED if recipe == "extended" else {}
    return RendererConfig(name=name, recipe=recipe).replace(**_SIZES[name], **switches)
