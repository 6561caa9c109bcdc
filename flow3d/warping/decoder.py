"""The 3D feature decoder D: a feature volume (B,C,D,H,W) -> a picture (B,3,S,S) in [-1, 1]; Fig. 9c, section 6.1."""

from jaxtyping import Float
from torch import Tensor, nn

from ..config import RendererConfig
from .adain import SLOPE
from .layers import InstanceNorm2d, laid_out


class ResidualBlock(nn.Module):
    """norm -> act -> conv, twice, added to the input; the width stays."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            InstanceNorm2d(channels, affine=True),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(channels, channels, 3, padding=1),
            InstanceNorm2d(channels, affine=True),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """Add the body's output."""
        return x + self.body(x)


class FeatureDecoder(nn.Module):
    """Merge depth into channels, residual blocks of constant width, then nearest-neighbour doublings to RGB."""

    def __init__(self, config: RendererConfig) -> None:
        super().__init__()
        width = config.decoder_width
        layers: list[nn.Module] = [
            nn.Conv2d(config.encoder_channels * config.flow_volume[1], width, 3, padding=1),
            *(ResidualBlock(width) for _ in range(config.decoder_blocks)),
        ]
        for _ in range(config.decoder_ups):
            layers += [nn.Upsample(scale_factor=2), nn.Conv2d(width, width // 2, 3, padding=1, bias=False)]
            layers += [InstanceNorm2d(width // 2, affine=True), nn.LeakyReLU(SLOPE)]
            width //= 2
        self.layers = nn.Sequential(*layers, nn.Conv2d(width, 3, 7, padding=3), nn.Tanh())

    def forward(self, volume: Float[Tensor, "B C D H W"]) -> Float[Tensor, "B 3 S S"]:
        """Return the picture (B,3,S,S) in [-1, 1] of a (warped) feature volume."""
        return self.layers(laid_out(volume.flatten(1, 2)))
