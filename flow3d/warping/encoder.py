"""The 3D feature encoder E: a foreground (B,3,S,S) -> a feature volume (B,C,D,H,W); Fig. 9b, section 6.1."""

from jaxtyping import Float
from torch import Tensor, nn

from ..config import RendererConfig
from .adain import SLOPE
from .flow_network import stem
from .layers import Conv3d


class ConvDown3D(nn.Module):
    """Two 3D convolutions with an additive skip; depth is kept, height and width are divided by ``stride``."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            Conv3d(channels, channels, 3, (1, stride, stride), 1, bias=False),
            nn.InstanceNorm3d(channels, affine=True),
            nn.LeakyReLU(SLOPE),
            Conv3d(channels, channels, 3, 1, 1, bias=False),
            nn.InstanceNorm3d(channels, affine=True),
        )
        self.skip = Conv3d(channels, channels, 1, (1, stride, stride))

    def forward(self, x: Float[Tensor, "B C D H W"]) -> Float[Tensor, "B C D h w"]:
        """Return act(body(x) + skip(x))."""
        return nn.functional.leaky_relu(self.body(x) + self.skip(x), SLOPE)


class FeatureEncoder(nn.Module):
    """Down-sample, reshape into depth and channels, then three ConvDown3D (section 6.1). It gets no motion."""

    def __init__(self, config: RendererConfig) -> None:
        super().__init__()
        self.volume = (config.encoder_channels, config.flow_volume[1])
        outputs = self.volume[0] * self.volume[1]
        self.stem = stem(3, config.encoder_stem, config.encoder_downs, outputs)
        self.blocks = nn.Sequential(*(ConvDown3D(config.encoder_channels, s) for s in config.encoder_strides))

    def forward(self, foreground: Float[Tensor, "B 3 S S"]) -> Float[Tensor, "B C D H W"]:
        """Return the feature volume of a cut-out foreground (B,3,S,S) in [-1, 1]."""
        return self.blocks(self.stem(foreground).unflatten(1, self.volume))
