"""What a renderer is made of: four presets of one dataclass, and the switches between the paper and our extensions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from .field_kinds import Range
from .fields import Blocks, Configuration, Width
from .sizes import POSE_COUNT

Recipe = Literal["strict", "extended"]
Preset = Literal["micro", "tiny", "small", "paper"]
PRESETS: tuple[str, ...] = get_args(Preset)

Size = Annotated[int, Range(16, 2048)]
Widths = Annotated[tuple[Width, ...], Range(1, 10)]
Depth = Annotated[int, Range(1, 128)]
Halvings = Annotated[int, Range(0, 7)]
Stride = Annotated[int, Range(1, 2)]
Margin = Annotated[int, Range(0, 16)]


@dataclass(frozen=True)
class RendererConfig(Configuration):
    """Sizes and switches of all networks; the defaults are the paper read literally (``strict``) at 64 px.

    Raises:
        ValueError: a value that does not fit its field, or fields that do not fit each other.
    """

    name: str = "tiny"
    recipe: Recipe = "strict"

    # Sizes (section 6.1)
    size: Size = 64  # side of the image in pixels
    motion: Width = 64  # length of the motion vector z
    adain_hidden: Width = 32  # width of the layer between z and scale and bias
    flow_stem: Width = 16  # channels of the flow network's 2D stem
    flow_downs: Halvings = 1  # halvings of the image in that stem
    flow_volume: tuple[Width, Depth] = (16, 4)  # channels and depth into which the stem's output is reshaped
    flow_stages: Widths = (24, 48, 96)  # channels of the 3D encoder's stages; each halves depth, height and width
    encoder_stem: Width = 16  # channels of the feature encoder's 2D stem
    encoder_downs: Halvings = 0  # halvings of the image in that stem
    encoder_channels: Width = 8  # channels of the feature volume, which is as deep as the flow's
    decoder_width: Width = 48  # channels of the feature decoder's residual blocks; each doubling halves them
    decoder_blocks: Blocks = 3
    decoder_ups: Halvings = 1  # doublings from the feature volume to the image
    unet: Widths = (16, 32, 48, 64)  # channels of the levels of both TransUNets

    # The paper leaves a choice, or ablates it
    encoder_strides: tuple[Stride, Stride, Stride] = (2, 1, 1)  # of the ConvDown3D, in height and width (6.1)
    flow_dimensions: Literal[2, 3] = 3  # 2 is the ablation of Table 2a
    separate: bool = True  # cut the person out before the warp (3.1, 3.4); False warps the whole picture (Table 3a)
    refine: bool = True  # False leaves the refiner out (Table 2b)
    adain_style: Literal["channel", "depth"] = "depth"  # one scale and bias per channel, or per channel and slice (3.2)
    adain_in: Literal["decoder", "encoder", "both"] = "decoder"  # side of the TransUNet: 6.1 says decoder, 3.3 encoder

    # Extensions of the refiner (the paper has none of these)
    # Predict a matte beside the colours. The paper is silent on the matte of a drawn face; without this, the source's
    # is warped by the flow's mean over depth.
    refiner_alpha: bool = False
    refine_residual: bool = False  # change the decoded warp instead of painting anew
    # Start the matte from the source's warped matte instead of an even grey, which left a dark rim beside a turned head
    # for hundreds of steps. No shipped weights have it.
    matte_residual: bool = False

    # Demodulate the weights of both TransUNets' last two levels (StyleGAN2) instead of normalising what they give.
    # Before an instance norm a network may hide a scale in one huge value; it was seen as a white spot at the collar.
    norm_safe: bool = False

    # Extensions of the inpainter
    hole_mask: bool = False  # show the network the hole; section 3.4 gives it the image alone
    # Start from a smooth fill of the hole instead of from black: instance norm removes the wall's colour, and without
    # the fill, holes came out in another colour.
    hole_fill: bool = False
    paste_known_background: bool = False  # keep the background that the source shows
    paste_person: bool = False  # keep the projected person too; painting it a second time would blur it
    # Paint what the person hides once per source, and lay each frame's person over it: it cannot flicker.
    background_plate: bool = False
    hole_margin: Margin = 0  # pixels around the source's matte that count as hidden too: their colours are mixed

    # Extensions of the warp
    source_coefficients: bool = False  # give the flow network the source's motion too
    rgb_warp: bool = False  # warp the source's pixels too; a mask chooses between them and what the refiner paints
    residual_flow: bool = False  # add a second, finer 2D flow, computed from the warped picture
    # Compute the flow of a rigidly moving head from both poses. The flow network sees the source warped by that flow
    # and adds the rest; the motion vector then ends in the pose. No shipped weights have it.
    pose_flow: bool = False
    # Give the residual, which is 2D, to the slices that are seen, in proportion; else it moves all slices alike.
    residual_where_seen: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size & (self.size - 1):
            raise ValueError(f"size: expected a power of two, got {self.size}")
        self._check_volumes()
        if self.size >> (len(self.unet) - 1) < 2:
            raise ValueError(f"unet: expected at least 2 px at the last level, got {len(self.unet)} levels")
        for name in ("separate", "refine"):
            if self.refiner_alpha and not getattr(self, name):
                raise ValueError(f"refiner_alpha: expected False where {name} is, got True")
        if self.hole_fill and not self.hole_mask:
            raise ValueError("hole_mask: expected True where hole_fill is, got False")
        if self.matte_residual and not (self.refiner_alpha and self.rgb_warp):
            raise ValueError("matte_residual: expected False without refiner_alpha and rgb_warp, got True")
        if self.residual_where_seen and not (self.rgb_warp and self.residual_flow):
            raise ValueError("residual_where_seen: expected False without rgb_warp and residual_flow, got True")
        if self.background_plate and not (self.paste_person and self.paste_known_background and self.separate):
            raise ValueError(
                "background_plate: expected False without separate, paste_person and paste_known_background, got True"
            )
        if self.pose_flow and not (self.source_coefficients and self.flow_dimensions == 3):
            raise ValueError("pose_flow: expected False without source_coefficients and a 3D flow, got True")
        if self.pose_flow and self.flow_volume[1] < 2:
            raise ValueError(f"flow_volume: expected two slices or more where pose_flow is, got {self.flow_volume}")

    def _check_volumes(self) -> None:
        """The flow and the features it warps must be volumes of one size, which the networks can halve and double."""
        flow_side = self.size >> self.flow_downs
        feature_side = (self.size >> self.encoder_downs) // math.prod(self.encoder_strides)
        if feature_side != flow_side:
            raise ValueError(
                f"encoder_strides: expected a feature volume as wide as the flow, {flow_side}, got {feature_side}"
            )
        if feature_side << self.decoder_ups != self.size:
            raise ValueError(
                f"decoder_ups: expected {feature_side} doubled to {self.size}, got {self.decoder_ups} doublings"
            )
        if self.decoder_width < (least := 2**self.decoder_ups):
            raise ValueError(
                f"decoder_width: expected at least {least}, which doublings halve, got {self.decoder_width}"
            )
        if flow_side >> len(self.flow_stages) < 2:
            raise ValueError(
                f"flow_stages: expected more than one voxel at the bottom, got {len(self.flow_stages)} stages"
            )
        depth = self.flow_volume[1] if self.flow_dimensions == 3 else 1
        for _ in self.flow_stages:
            if depth > 1 and depth % 2:
                stages, volume = len(self.flow_stages), self.flow_volume
                raise ValueError(f"flow_volume: expected a depth that {stages} stages can halve, got {volume}")
            depth = max(depth // 2, 1)

    @property
    def z_length(self) -> int:
        """Length of the motion vector that modulates the networks."""
        return self.motion + POSE_COUNT * self.pose_flow

    @property
    def volume(self) -> tuple[int, int, int]:
        """Depth, height and width of the feature volume and of the flow."""
        side = self.size >> self.flow_downs
        return (self.flow_volume[1], side, side)


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
    pose_flow=True, matte_residual=True, norm_safe=True, background_plate=True, hole_margin=1, residual_where_seen=True,
)  # fmt: skip


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
