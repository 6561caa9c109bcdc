"""TransUNet: layers (B,I,S,S) and motion (B,Z) -> raw outputs (B,O,S,S); one refines, one inpaints (Fig. 10)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..config import RendererConfig
from ..warping.adain import SLOPE, AdaINConv2d, DemodulatedConv2d
from ..warping.layers import InstanceNorm2d, laid_out


class _Level(nn.Module):
    """Two 3 x 3 convolutions, each followed by AdaIN or by plain instance normalisation, or with weights that ``z``
    scales."""

    def __init__(
        self, inputs: int, outputs: int, config: RendererConfig, modulated: bool, norm_safe: bool = False
    ) -> None:
        super().__init__()
        self.modulated = modulated or norm_safe
        z, hidden = config.z_length, config.adain_hidden
        pairs = ((inputs, outputs), (outputs, outputs))
        layer = DemodulatedConv2d if norm_safe else AdaINConv2d
        self.layers = nn.ModuleList(
            layer(a, b, z, hidden)
            if self.modulated
            else nn.Sequential(
                nn.Conv2d(a, b, 3, padding=1, bias=False), InstanceNorm2d(b, affine=True), nn.LeakyReLU(SLOPE)
            )
            for a, b in pairs
        )

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """Apply both convolutions."""
        for layer in self.layers:
            x = layer(x, z) if self.modulated else layer(x)
        return x


class TransUNet(nn.Module):
    """A UNet whose blocks the motion vector modulates: max pooling down, skips and nearest-neighbour doublings up.

    ``adain_in`` of the configuration says which side is modulated: section 6.1 says the decoder, 3.3 the encoder.
    """

    def __init__(self, inputs: int, outputs: int, config: RendererConfig) -> None:
        super().__init__()
        widths = config.unet
        down, up = config.adain_in in ("encoder", "both"), config.adain_in in ("decoder", "both")
        before = (inputs, *widths[:-1])
        self.down = nn.ModuleList(_Level(a, b, config, down) for a, b in zip(before, widths, strict=True))
        pairs = [(widths[k] + widths[k - 1], widths[k - 1]) for k in range(len(widths) - 1, 0, -1)]
        safe = len(pairs) - 2 if config.norm_safe else len(pairs)  # the first of the levels without a norm
        self.up = nn.ModuleList(_Level(a, b, config, up, k >= safe) for k, (a, b) in enumerate(pairs))
        self.head = nn.Conv2d(widths[0], outputs, 3, padding=1)

    def features(self, x: Float[Tensor, "B I S S"], z: Float[Tensor, "B Z"]) -> Float[Tensor, "B C S S"]:
        """The last level's output at full resolution, which the head reads."""
        x, skips = laid_out(x), []
        for number, level in enumerate(self.down):
            if number:
                skips.append(x)
                x = nn.functional.max_pool2d(x, 2)
            x = level(x, z)
        for level in self.up:
            x = nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")
            x = level(torch.cat([x, skips.pop()], 1), z)
        return x

    def forward(self, x: Float[Tensor, "B I S S"], z: Float[Tensor, "B Z"]) -> Float[Tensor, "B O S S"]:
        """Return raw outputs (B,O,S,S); the caller decides what they mean."""
        return self.head(self.features(x, z))


def refiner(config: RendererConfig) -> TransUNet:
    """Source and warped foreground (extended: and warped pixels) -> colour (extended: and matte, and mask)."""
    inputs = 6 + 3 * config.rgb_warp
    return TransUNet(inputs, 3 + config.refiner_alpha + config.rgb_warp, config)


def inpainter(config: RendererConfig) -> TransUNet:
    """Composite (and hole mask) -> colour."""
    return TransUNet(3 + config.hole_mask, 3, config)
